/** What the two video codecs have in common for a recorder: a table of NAL unit types and how to read a few of them. */
export type SetKind = 'vps' | 'sps' | 'pps';

export interface SequenceFacts {
  width: number;
  height: number;
  /** chroma_format_idc: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  chromaFormat: number;
  lumaBits: number;
  chromaBits: number;
  /** Pictures that may stand in front of one in decoding order and behind it in output order; undefined where it is not told. */
  reorderFrames: number | undefined;
  /** Duration of a frame in 1/90000 s, where it is told. */
  frame90k: number | undefined;
}

export interface VideoCodec {
  readonly codec: 'h264' | 'h265';
  readonly headerBytes: 1 | 2;
  typeOf(firstByte: number): number;
  /** Carries coded picture data. */
  isPicture(type: number): boolean;
  /** An access unit delimiter. */
  isDelimiter(type: number): boolean;
  /** Decoding can begin at it. */
  isKey(type: number): boolean;
  /** Is not picture data, but says that decoding can begin at its picture. */
  marksKey(type: number, nal: Uint8Array): boolean;
  mayMarkKey(type: number): boolean;
  setKind(type: number): SetKind | undefined;
  readonly setKinds: readonly SetKind[];
  /** Throws LR_RTSP_PARSE for a set that ends too early. */
  setId(kind: SetKind, nal: Uint8Array): number;
  /** Throws LR_RTSP_PARSE for a set that ends too early. */
  readSequence(nal: Uint8Array): SequenceFacts;
}

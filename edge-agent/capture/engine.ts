/**
 * 1. From a camera to access units: the interface that both engines keep. An engine connects, retries without end and with
 * jitter, and says in words what state it is in; it never throws at its owner.
 *
 * Bytes: the engine assembles each access unit in MP4 form (H.264/H.265: every NAL unit behind its length, u32 big endian;
 * AAC: the raw frame) straight into the `ByteArena` of its track. The sink takes what lies in the arena when it closes a
 * fragment; nothing is copied twice.
 */
import type { Media90k, MonoMs, UtcMs } from '@longroof/base/clock';
import type { GapCause } from '@longroof/protocol/gap';
import type { ByteArena } from './arena.js';

/** `jpeg` no camera sends here: strips are made of it. */
export type Codec = 'h264' | 'h265' | 'aac' | 'jpeg';

/** What the decoder must know; a change of any of it begins a new init segment. */
export interface TrackInfo {
  kind: 'video' | 'audio';
  codec: Codec;
  /** RTP clock of the track in Hz; times given to the sink are already at 90 kHz. */
  clockRate: number;
  /** Video: parameter sets without length or start code, in the order VPS, SPS, PPS; as many of each as the camera sent. */
  parameterSets: Uint8Array[];
  width?: number;
  height?: number;
  /** Audio: the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). */
  audioConfig?: Uint8Array;
  sampleRate?: number;
  channels?: number;
  /** Audio that is not as the camera sent it: encoded anew, since it came in a form that MP4 cannot hold. */
  derived?: boolean;
}

export interface AccessUnit {
  track: TrackInfo;
  /** Where in the track's arena it lies. Valid until the sink takes the arena. */
  offset: number;
  length: number;
  /** Presentation and decode time on the media axis of this run: never repeats or runs back (decode) within a run, also over reconnects. */
  pts90k: Media90k;
  dts90k: Media90k;
  /** Monotonic time of the frame with the jitter of arrival removed (smallest delay seen lately). */
  monoMs: MonoMs;
  /** When its first packet was read. */
  arrivalMonoMs: MonoMs;
  /** The camera's clock, from RTCP sender reports; null where it sends none. */
  cameraUtcMs: UtcMs | null;
  key: boolean;
  /** Not whole: packets of it were lost. It is recorded all the same. */
  damaged: boolean;
  /** RTP packets missing since the access unit before, by sequence number. */
  lostPackets: number;
}

export type CaptureState =
  | { state: 'connecting' }
  /** Playing: packets arrive. */
  | { state: 'playing'; engine: 'own' | 'ffmpeg' }
  /** Not getting footage, and why; `code` is stable, `message` is for people and holds no secrets. */
  | { state: 'failed'; cause: GapCause; code: string; message: string; retryInMs: number }
  | { state: 'stopped' };

export interface CaptureSink {
  /** The arena that a track's access units are assembled in; stable between two `take`s by the sink. */
  arena(kind: 'video' | 'audio'): ByteArena;
  /** Once per session before its first access unit, and again when parameter sets change. */
  tracks(tracks: readonly TrackInfo[]): void;
  accessUnit(unit: AccessUnit): void;
  /** A session ended: what is under construction is to be closed. */
  sessionEnded(): void;
  state(state: CaptureState): void;
}

export interface CaptureOptions {
  /** With user information; never logged. */
  url: string;
  engine: 'own' | 'ffmpeg' | 'auto';
  audio: boolean;
  allowBasic: boolean;
  /** No packet for so long is a stall. */
  stallMs: number;
}

export interface CaptureEngine {
  start(): void;
  /** Resolves when the session is torn down and nothing more will reach the sink. */
  stop(): Promise<void>;
}

/**
 * The access unit under assembly: NAL units behind their lengths (ISO/IEC 14496-15, 5.3.4.2), written straight from the read buffer
 * into the arena. Positions are kept as distances from the arena's end, so that the sink may take what lies in front at any time.
 * What arrives of a damaged unit is kept; nothing here drops picture data. NAL units that came without a picture wait in front of the
 * next one.
 */
import type { ByteArena } from '../arena.js';
import type { ParameterSets } from '../codec/parameter-sets.js';
import type { VideoCodec } from '../codec/video.js';
import { FRAGMENT_END, FRAGMENT_START, type NalSink } from './nal-payload.js';

/** A unit that never ends is cut here and goes on as another. */
export const UNIT_BYTES_MAX = 16 * 1024 * 1024;
const LENGTH_BYTES = 4;
/** More without a picture than a few parameter sets and messages is not worth keeping. */
const CARRIED_BYTES_MAX = 64 * 1024;

export class VideoUnit implements NalSink {
  key = false;
  damaged = false;
  /** The beginning of a picture arrived: its first slice, from its first byte. */
  pictureBegins = false;
  hasPicture = false;
  setsChanged = false;
  readonly #codec: VideoCodec;
  readonly #sets: ParameterSets;
  #arena: ByteArena;
  #bytes = 0;
  /** Of the NAL unit under assembly from fragments, without its length; -1 while there is none. */
  #openBytes = -1;
  /** Its beginning is missing. */
  #orphan = false;
  /** Of these bytes, what came in front of the unit without a picture of its own. */
  #carriedBytes = 0;

  constructor(codec: VideoCodec, sets: ParameterSets, arena: ByteArena) {
    this.#codec = codec;
    this.#sets = sets;
    this.#arena = arena;
  }

  /** Bytes of the unit so far; they are the last ones of the arena. */
  get bytes(): number {
    return this.#bytes;
  }

  get arena(): ByteArena {
    return this.#arena;
  }

  /** A NAL unit is under assembly from fragments. */
  get inFragments(): boolean {
    return this.#openBytes >= 0;
  }

  get full(): boolean {
    return this.#bytes > UNIT_BYTES_MAX;
  }

  begin(arena: ByteArena): void {
    if (arena !== this.#arena) this.drop();
    this.#arena = arena;
    this.#bytes = this.#carriedBytes;
    this.#openBytes = -1;
    if (this.#carriedBytes === 0) this.key = false;
    // Sets that changed in front of a picture that never came count for the next.
    if (this.hasPicture) this.setsChanged = false;
    this.damaged = false;
    this.pictureBegins = false;
    this.hasPicture = false;
  }

  /**
   * To be called behind `end`: false where no picture data came. The NAL units then go in front of the next unit when they can
   * belong to it, and are dropped when not.
   */
  settle(): boolean {
    this.#carriedBytes = 0;
    if (this.hasPicture) return true;
    if (this.damaged || this.#bytes > CARRIED_BYTES_MAX) this.drop();
    else this.#carriedBytes = this.#bytes;
    return false;
  }

  nal(bytes: Buffer, start: number, end: number): void {
    this.#cutOpen();
    // A delimiter is the first of its unit (ISO/IEC 14496-10, 7.4.1.2.3): what waited in front of it has no picture.
    const waited = this.#carriedBytes > 0 && this.#bytes === this.#carriedBytes;
    if (waited && this.#codec.isDelimiter(this.#codec.typeOf(bytes[start] as number))) this.drop();
    const length = end - start;
    this.#arena.appendUInt32(length);
    this.#arena.appendRange(bytes, start, end);
    this.#bytes += LENGTH_BYTES + length;
    this.#finished(length, true);
  }

  fragment(flags: number, first: number, second: number, bytes: Buffer, start: number, end: number): void {
    const begins = (flags & FRAGMENT_START) !== 0;
    if (begins || this.#openBytes < 0) {
      this.#cutOpen();
      if (!begins) this.damaged = true;
      this.#orphan = !begins;
      this.#arena.appendUInt32(0);
      this.#arena.appendByte(first);
      if (this.#codec.headerBytes === 2) this.#arena.appendByte(second);
      this.#openBytes = this.#codec.headerBytes;
      this.#bytes += LENGTH_BYTES + this.#openBytes;
    }
    this.middle(bytes, start, end);
    if ((flags & FRAGMENT_END) !== 0) this.#close();
  }

  /** More of the NAL unit under assembly from fragments. */
  middle(bytes: Buffer, start: number, end: number): void {
    this.#arena.appendRange(bytes, start, end);
    this.#openBytes += end - start;
    this.#bytes += end - start;
  }

  malformed(): void {
    this.damaged = true;
  }

  /** No more comes for this unit. */
  end(): void {
    this.#cutOpen();
  }

  /** Takes the unit out of the arena again. */
  drop(): void {
    this.#arena.cut(this.#arena.length - this.#bytes);
    this.#bytes = 0;
    this.#carriedBytes = 0;
    this.#openBytes = -1;
    this.key = false;
  }

  /** A NAL unit whose end never came: what is there stays. */
  #cutOpen(): void {
    if (this.#openBytes < 0) return;
    this.damaged = true;
    this.#close();
  }

  #close(): void {
    const length = this.#openBytes;
    this.#arena.patchUInt32(this.#arena.length - length - LENGTH_BYTES, length);
    this.#openBytes = -1;
    if (this.#orphan) {
      this.#orphan = false;
      if (this.#codec.isPicture(this.#codec.typeOf(this.#arena.buffer[this.#arena.length - length] as number))) this.hasPicture = true;
    } else this.#finished(length, !this.damaged);
  }

  /** The NAL unit is the last `length` bytes of the arena. */
  #finished(length: number, whole: boolean): void {
    const codec = this.#codec;
    const at = this.#arena.length - length;
    const memory = this.#arena.buffer;
    const type = codec.typeOf(memory[at] as number);
    if (codec.isPicture(type)) {
      this.hasPicture = true;
      // first_mb_in_slice 0 is a single 1 bit (H.264, 7.3.3); H.265 has first_slice_segment_in_pic_flag (7.3.6.1).
      if (((memory[at + codec.headerBytes] ?? 0) & 0x80) !== 0) this.pictureBegins = true;
      if (codec.isKey(type)) this.key = true;
    } else if (codec.mayMarkKey(type)) {
      if (codec.marksKey(type, memory.subarray(at, at + length))) this.key = true;
    } else if (whole && codec.setKind(type)) {
      if (this.#sets.take(memory.subarray(at, at + length))) this.setsChanged = true;
    }
  }
}

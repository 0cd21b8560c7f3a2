/**
 * RTP packets of an AAC track (RFC 3640, 3.2 and 3.3.6) into frames: several to a packet, or one over several packets. Frames go
 * straight from the read buffer into the arena.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { ByteArena } from '../arena.js';
import { RtpHeader } from './header.js';
import type { SenderReport } from './rtcp.js';
import { SEQUENCE_LATE, SEQUENCE_RESTART, SequenceCounter } from './sequence.js';
import { TrackClock } from './track-clock.js';

/** Largest frame of RFC 3640's high bit-rate mode (13 bits of size). */
const FRAME_BYTES_MAX = 8191;
const FRAMES_MAX = 64;

export interface AudioReceiverOptions {
  payloadType: number;
  clockRate: number;
  /** Ticks of the RTP clock to a frame. */
  frameTicks: number;
  sizeLength: number;
  indexLength: number;
  indexDeltaLength: number;
  arena: () => ByteArena;
  /** A frame is whole: its bytes are the last ones of its arena. */
  frame: (frame: FinishedFrame) => void;
  discontinuity: () => void;
}

/** Read during the call only. */
export interface FinishedFrame {
  readonly ticks: number;
  readonly arrivalMonoMs: MonoMs;
  readonly lostPackets: number;
  readonly damaged: boolean;
  readonly bytes: number;
  readonly arena: ByteArena;
}

export class AudioReceiver implements FinishedFrame {
  ticks = 0;
  arrivalMonoMs: MonoMs = 0;
  lostPackets = 0;
  damaged = false;
  bytes = 0;
  arena: ByteArena;
  readonly clock: TrackClock;
  readonly #options: AudioReceiverOptions;
  readonly #header = new RtpHeader();
  readonly #sequence = new SequenceCounter();
  readonly #sizes = new Uint16Array(FRAMES_MAX);
  #ssrc: number | undefined;
  /** Whole size of the frame under assembly over several packets; 0 for none. */
  #wanted = 0;

  constructor(options: AudioReceiverOptions) {
    this.#options = options;
    this.clock = new TrackClock(options.clockRate);
    this.arena = options.arena();
  }

  owns(bytes: Buffer, start: number): boolean {
    if ((bytes[start] as number) >> 6 !== 2 || ((bytes[start + 1] as number) & 127) !== this.#options.payloadType) return false;
    return this.#ssrc === undefined || bytes.readUInt32BE(start + 8) === this.#ssrc;
  }

  packet(bytes: Buffer, start: number, end: number, arrivalMonoMs: MonoMs): void {
    const header = this.#header;
    if (!header.read(bytes, start, end) || header.payloadType !== this.#options.payloadType) return;
    if (header.ssrc !== this.#ssrc) this.#newSource(header.ssrc);
    const lost = this.#sequence.next(header.sequence);
    if (lost === SEQUENCE_LATE) return;
    if (lost === SEQUENCE_RESTART) this.#newSource(header.ssrc);
    else if (lost > 0) {
      this.lostPackets += lost;
      this.#cutOpen();
    }
    this.#payload(bytes, header.payloadStart, header.payloadEnd, this.#timeOf(header.timestamp, arrivalMonoMs), arrivalMonoMs);
  }

  takeReport(report: SenderReport): void {
    if (this.#ssrc === undefined || report.ssrc === this.#ssrc) this.clock.takeReport(report);
  }

  end(): void {
    this.#cutOpen();
  }

  #newSource(ssrc: number): void {
    if (this.#ssrc !== undefined) {
      this.#cutOpen();
      this.#sequence.reset();
      this.clock.reset();
      this.#options.discontinuity();
    }
    this.#ssrc = ssrc;
  }

  #timeOf(timestamp: number, arrivalMonoMs: MonoMs): number {
    let ticks = this.clock.unwrap(timestamp);
    if (this.clock.leaps(ticks, arrivalMonoMs)) {
      this.clock.reset();
      ticks = this.clock.unwrap(timestamp);
      this.#options.discontinuity();
    }
    this.clock.observe(ticks, arrivalMonoMs);
    return ticks;
  }

  /** RFC 3640, 3.2.1: the sizes of the frames in bits-packed headers, then the frames. */
  #payload(bytes: Buffer, start: number, end: number, ticks: number, arrivalMonoMs: MonoMs): void {
    const { sizeLength, indexLength, indexDeltaLength, frameTicks } = this.#options;
    if (end - start < 3) return;
    const headerBits = bytes.readUInt16BE(start);
    const dataStart = start + 2 + ((headerBits + 7) >> 3);
    if (dataStart >= end) return;
    let bit = 0;
    let count = 0;
    while (count < FRAMES_MAX && bit + sizeLength + (count === 0 ? indexLength : indexDeltaLength) <= headerBits) {
      this.#sizes[count] = readBits(bytes, start + 2, bit, sizeLength);
      bit += sizeLength + (count === 0 ? indexLength : indexDeltaLength);
      count += 1;
    }
    let at = dataStart;
    for (let i = 0; i < count && at < end; i++) {
      const size = Math.min(FRAME_BYTES_MAX, this.#sizes[i] as number);
      const next = Math.min(end, at + size);
      if (this.#wanted === 0 || size !== this.#wanted) {
        this.#cutOpen();
        this.#begin(ticks + i * frameTicks, arrivalMonoMs, size);
      }
      this.arena.appendRange(bytes, at, next);
      this.bytes += next - at;
      if (this.bytes >= this.#wanted) this.#finish();
      at = next;
    }
  }

  #begin(ticks: number, arrivalMonoMs: MonoMs, size: number): void {
    this.arena = this.#options.arena();
    this.ticks = ticks;
    this.arrivalMonoMs = arrivalMonoMs;
    this.bytes = 0;
    this.damaged = false;
    this.#wanted = size;
  }

  /** A frame whose rest never came: what is there stays, flagged. */
  #cutOpen(): void {
    if (this.#wanted === 0) return;
    this.damaged = true;
    this.#finish();
  }

  #finish(): void {
    this.#wanted = 0;
    if (this.bytes === 0) return;
    this.#options.frame(this);
    this.bytes = 0;
    this.lostPackets = 0;
  }
}

function readBits(bytes: Buffer, from: number, bit: number, count: number): number {
  let value = 0;
  for (let i = bit; i < bit + count; i++) value = value * 2 + (((bytes[from + (i >> 3)] ?? 0) >> (7 - (i & 7))) & 1);
  return value;
}

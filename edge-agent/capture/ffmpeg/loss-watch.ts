/** Looks at the packets on their way to ffmpeg: which sequence numbers are missing, whether the camera tells its time. */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { readSenderReport } from '../rtp/rtcp.js';
import { SEQUENCE_LATE, SEQUENCE_RESTART, SequenceCounter } from '../rtp/sequence.js';

const CHANNELS_MAX = 16;

interface Source {
  ssrc: number;
  payloadType: number;
  counter: SequenceCounter;
}

export class LossWatch {
  /** Packets seen so far. */
  packets = 0;
  /** When the first of them was read. */
  firstMonoMs: MonoMs | undefined;
  /** Sender reports with the camera's wall clock, and its distance to our monotonic clock by the newest. */
  reports = 0;
  utcLessMonoMs = 0;
  readonly #clock: Clock;
  #lost = 0;
  readonly #sources = new Map<number, Source>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  packet(channel: number, bytes: Buffer, start: number, end: number): void {
    if (end - start < 12) return;
    const second = bytes[start + 1] as number;
    if (second >= 200 && second <= 204) {
      const report = readSenderReport(bytes, start, end);
      if (!report) return;
      this.reports += 1;
      this.utcLessMonoMs = report.utcMs - this.#clock.mono();
      return;
    }
    this.packets += 1;
    this.firstMonoMs ??= this.#clock.mono();
    const ssrc = bytes.readUInt32BE(start + 8);
    let source = this.#sources.get(channel);
    if (!source || source.ssrc !== ssrc) {
      if (this.#sources.size >= CHANNELS_MAX && !source) return;
      source = { ssrc, payloadType: second & 127, counter: new SequenceCounter() };
      this.#sources.set(channel, source);
    }
    const lost = source.counter.next(bytes.readUInt16BE(start + 2));
    if (lost !== SEQUENCE_LATE && lost !== SEQUENCE_RESTART) this.#lost += lost;
  }

  /** Is this surely a packet of a track seen before? */
  knows(channel: number, bytes: Buffer, start: number): boolean {
    const source = this.#sources.get(channel);
    return (
      source !== undefined && bytes.readUInt32BE(start + 8) === source.ssrc && ((bytes[start + 1] as number) & 127) === source.payloadType
    );
  }

  /** Packets missing since the last call. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }
}

/**
 * One track's RTP clock against the others: unwrapped ticks, monotonic time with the jitter of arrival removed, the camera's wall
 * clock. Delay only ever adds to arrival, so the smallest (arrival - media time) of the last 30 s is the best estimate; the window
 * lets it follow the drift of the camera's crystal.
 */
import type { MonoMs, UtcMs } from '@longroof/base/clock';
import type { SenderReport } from './rtcp.js';

const BUCKET_MS = 1000;
const BUCKETS = 30;
/** Media time that runs ahead of arrival by so much, or back by so much, is another clock: no delay and no reordering explains it. */
const LEAP_AHEAD_MS = 10_000;
const LEAP_BACK_MS = 2000;

export class TrackClock {
  readonly clockRate: number;
  #lastTimestamp: number | undefined;
  #ticks = 0;
  #newest = Number.NEGATIVE_INFINITY;
  readonly #minima = new Float64Array(BUCKETS).fill(Number.POSITIVE_INFINITY);
  #bucket = Number.NaN;
  #smallest = Number.POSITIVE_INFINITY;
  #report: { ticks: number; utcMs: UtcMs } | undefined;

  constructor(clockRate: number) {
    this.clockRate = clockRate;
  }

  /** Extends a 32-bit timestamp by its distance from the last one, forward or back. */
  unwrap(timestamp: number): number {
    if (this.#lastTimestamp !== undefined) this.#ticks += (timestamp - this.#lastTimestamp) | 0;
    else this.#ticks = timestamp;
    this.#lastTimestamp = timestamp;
    return this.#ticks;
  }

  /** Extends a timestamp without moving on. */
  #extend(timestamp: number): number {
    return this.#lastTimestamp === undefined ? timestamp : this.#ticks + ((timestamp - this.#lastTimestamp) | 0);
  }

  mediaMs(ticks: number): number {
    return (ticks * 1000) / this.clockRate;
  }

  /** True when the timestamp of something that arrived now does not belong to the same running clock. */
  leaps(ticks: number, arrivalMonoMs: MonoMs): boolean {
    if (this.#smallest === Number.POSITIVE_INFINITY) return false;
    const aheadMs = this.#smallest + this.mediaMs(ticks) - arrivalMonoMs;
    return aheadMs > LEAP_AHEAD_MS || this.mediaMs(this.#newest - ticks) > LEAP_BACK_MS;
  }

  /** Something with this time arrived now. */
  observe(ticks: number, arrivalMonoMs: MonoMs): void {
    if (ticks > this.#newest) this.#newest = ticks;
    const offset = arrivalMonoMs - this.mediaMs(ticks);
    const bucket = Math.floor(arrivalMonoMs / BUCKET_MS);
    if (bucket !== this.#bucket) this.#turn(bucket);
    const at = bucket % BUCKETS;
    if (offset < (this.#minima[at] as number)) this.#minima[at] = offset;
    if (offset < this.#smallest) this.#smallest = offset;
  }

  #turn(bucket: number): void {
    const steps = Number.isNaN(this.#bucket) ? BUCKETS : Math.min(BUCKETS, Math.max(1, bucket - this.#bucket));
    for (let i = 0; i < steps; i++) this.#minima[(((bucket - i) % BUCKETS) + BUCKETS) % BUCKETS] = Number.POSITIVE_INFINITY;
    this.#bucket = bucket;
    this.#smallest = Number.POSITIVE_INFINITY;
    for (const value of this.#minima) if (value < this.#smallest) this.#smallest = value;
  }

  /** When something with this time happened, by this machine's monotonic clock. Call `observe` first. */
  monoAt(ticks: number): MonoMs {
    return this.#smallest + this.mediaMs(ticks);
  }

  takeReport(report: SenderReport): void {
    this.#report = { ticks: this.#extend(report.rtpTimestamp), utcMs: report.utcMs };
  }

  /** The same from another source: the camera's clock at a time given in unwrapped ticks. */
  takeReference(ticks: number, utcMs: UtcMs): void {
    this.#report = { ticks, utcMs };
  }

  /** By the camera's clock; null while no report came. */
  utcAt(ticks: number): UtcMs | null {
    return this.#report ? this.#report.utcMs + this.mediaMs(ticks - this.#report.ticks) : null;
  }

  /** Another source, or a clock set anew: nothing known holds. */
  reset(): void {
    this.#lastTimestamp = undefined;
    this.#ticks = 0;
    this.#newest = Number.NEGATIVE_INFINITY;
    this.#minima.fill(Number.POSITIVE_INFINITY);
    this.#bucket = Number.NaN;
    this.#smallest = Number.POSITIVE_INFINITY;
    this.#report = undefined;
  }
}

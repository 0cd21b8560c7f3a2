/**
 * RTP packets of one video track into access units; none without picture data. A unit ends where the timestamp changes, or at the marker bit once the camera
 * has shown that it sets it on the last packet of each unit and nowhere else. Losses are counted by sequence number and flagged on
 * the units they hit.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { ByteArena } from '../arena.js';
import { ParameterSets } from '../codec/parameter-sets.js';
import type { VideoCodec } from '../codec/video.js';
import { RtpHeader } from './header.js';
import { middleAt, readNalPayload } from './nal-payload.js';
import type { SenderReport } from './rtcp.js';
import { SEQUENCE_LATE, SEQUENCE_RESTART, SequenceCounter } from './sequence.js';
import { TrackClock } from './track-clock.js';
import { VideoUnit } from './video-unit.js';

/** Units in a row that ended with their only marker, before markers are trusted. */
const MARKER_TRIALS = 8;
const LONG_TRIALS = 2;
/** An interleaved header, an RTP header, the headers of a fragment of H.265 and a byte of it. */
const RUN_BYTES_MIN = 4 + 12 + 3 + 1;

export interface VideoReceiverOptions {
  codec: VideoCodec;
  payloadType: number;
  clockRate: number;
  parameterSets: readonly Uint8Array[];
  arena: () => ByteArena;
  /** A unit is whole: its bytes are the last ones of its arena. */
  unit: (unit: FinishedUnit) => void;
  /** Another source, or its clock was set anew: times before and after have nothing in common. */
  discontinuity: () => void;
}

/** Read during the call only. */
export interface FinishedUnit {
  readonly ticks: number;
  readonly arrivalMonoMs: MonoMs;
  readonly lostPackets: number;
  readonly unit: VideoUnit;
}

export class VideoReceiver implements FinishedUnit {
  ticks = 0;
  arrivalMonoMs: MonoMs = 0;
  lostPackets = 0;
  readonly unit: VideoUnit;
  readonly codec: 'h264' | 'h265';
  readonly sets: ParameterSets;
  readonly clock: TrackClock;
  readonly #options: VideoReceiverOptions;
  readonly #header = new RtpHeader();
  readonly #sequence = new SequenceCounter();
  #ssrc: number | undefined;
  #open = false;
  /** NAL units without a picture lie in the arena, for the next unit. */
  #waits = false;
  #timestamp = -1;
  #lostBefore = false;
  #markerTrials = 0;
  /** Of these, units of more than one packet: only they tell a marker on each packet from one on the last. */
  #longTrials = 0;
  /** And key frames of more than one packet: they are cut into slices first. */
  #keyTrials = 0;
  #packets = 0;
  /** Markers seen in the open unit, and whether its last packet had one. */
  #markers = 0;
  #endedByMarker = false;
  #markerTrusted = false;
  #usualTicks = 0;
  #lastTicks: number | undefined;

  constructor(options: VideoReceiverOptions) {
    this.#options = options;
    this.codec = options.codec.codec;
    this.clock = new TrackClock(options.clockRate);
    this.sets = new ParameterSets(options.codec);
    for (const set of options.parameterSets) this.sets.take(set);
    this.unit = new VideoUnit(options.codec, this.sets, options.arena());
  }

  /** Is this surely a packet of this track? Only its 12-byte header need be there. */
  owns(bytes: Buffer, start: number): boolean {
    if ((bytes[start] as number) >> 6 !== 2 || ((bytes[start + 1] as number) & 127) !== this.#options.payloadType) return false;
    return this.#ssrc === undefined || bytes.readUInt32BE(start + 8) === this.#ssrc;
  }

  packet(bytes: Buffer, start: number, end: number, arrivalMonoMs: MonoMs): void {
    const header = this.#header;
    if (!header.read(bytes, start, end)) {
      if (this.#open) this.unit.damaged = true;
      return;
    }
    if (header.payloadType !== this.#options.payloadType) return;
    if (header.ssrc !== this.#ssrc) this.#newSource(header.ssrc);
    let lost = this.#sequence.next(header.sequence);
    if (lost === SEQUENCE_LATE) return;
    if (lost === SEQUENCE_RESTART) {
      this.#newSource(header.ssrc);
      this.#sequence.next(header.sequence);
      lost = 0;
    }
    if (this.#open && header.timestamp !== this.#timestamp) this.#timestampChanged(lost);
    else if (lost > 0) this.#lose(lost);
    if (!this.#open) this.#begin(header.timestamp, arrivalMonoMs);
    readNalPayload(this.#options.codec, bytes, header.payloadStart, header.payloadEnd, this.unit);
    this.#packets += 1;
    if (header.marker) this.#markers += 1;
    this.#endedByMarker = header.marker;
    if (header.marker && this.#markerTrusted) this.#finish();
    else if (this.unit.full) this.#finish();
  }

  /**
   * By far the most packets are plain: the next of the same source and timestamp, without marker, and a fragment from the middle of a NAL
   * unit. Such that lie one behind another in `bytes[at..end)`, each behind the four bytes of RFC 2326, 10.12, are taken in one go,
   * with the same outcome as `packet`. Gives the offset behind them.
   */
  takeRun(channel: number, bytes: Buffer, at: number, end: number): number {
    const { unit } = this;
    const { codec, payloadType } = this.#options;
    if (!this.#open || !unit.inFragments) return at;
    let next = at;
    while (end - next >= RUN_BYTES_MIN && !unit.full) {
      const behind = next + 4 + (((bytes[next + 2] as number) << 8) | (bytes[next + 3] as number));
      if (bytes[next] !== 0x24 || bytes[next + 1] !== channel || behind > end) break;
      if (bytes[next + 4] !== 0x80 || bytes[next + 5] !== payloadType) break;
      if (bytes.readUInt32BE(next + 8) !== this.#timestamp || bytes.readUInt32BE(next + 12) !== this.#ssrc) break;
      const sequence = ((bytes[next + 6] as number) << 8) | (bytes[next + 7] as number);
      const start = middleAt(codec, bytes, next + 16);
      if (!this.#sequence.isNext(sequence) || start < 0 || start >= behind) break;
      this.#sequence.next(sequence);
      unit.middle(bytes, start, behind);
      this.#packets += 1;
      this.#endedByMarker = false;
      next = behind;
    }
    return next;
  }

  takeReport(report: SenderReport): void {
    if (this.#ssrc === undefined || report.ssrc === this.#ssrc) this.clock.takeReport(report);
  }

  /** The session ends: hands out what is under construction; damaged unless its last packet was seen. */
  end(): void {
    if (this.#open) {
      if (!this.#endedByMarker) this.unit.damaged = true;
      this.#finish();
    }
    if (this.#waits) this.unit.drop();
    this.#waits = false;
  }

  #newSource(ssrc: number): void {
    if (this.#ssrc !== undefined) {
      this.end();
      this.#sequence.reset();
      this.clock.reset();
      this.#lastTicks = undefined;
      this.#lostBefore = false;
      this.#timestamp = -1;
      this.#options.discontinuity();
    }
    this.#ssrc = ssrc;
  }

  #timestampChanged(lost: number): void {
    const ended = this.#endedByMarker && this.#markers === 1;
    this.#markerTrials = ended ? this.#markerTrials + 1 : 0;
    this.#longTrials = ended ? this.#longTrials + (this.#packets > 1 ? 1 : 0) : 0;
    this.#keyTrials = ended ? this.#keyTrials + (this.#packets > 1 && this.unit.key ? 1 : 0) : 0;
    this.#markerTrusted ||= this.#markerTrials >= MARKER_TRIALS && this.#longTrials >= LONG_TRIALS && this.#keyTrials > 0;
    if (lost > 0 && !this.#endedByMarker) {
      // The end of this unit is among what is missing; where the next one begins shows in its own bytes.
      this.lostPackets += lost;
      this.unit.damaged = true;
      this.#finish();
      return;
    }
    this.#finish();
    if (lost > 0) this.#lose(lost);
  }

  #lose(lost: number): void {
    this.lostPackets += lost;
    if (this.#open) this.unit.damaged = true;
    else this.#lostBefore = true;
  }

  #begin(timestamp: number, arrivalMonoMs: MonoMs): void {
    // A marker inside a unit: this camera's markers end nothing.
    if (timestamp === this.#timestamp) {
      this.#markerTrusted = false;
      this.#markerTrials = Number.NEGATIVE_INFINITY;
    }
    this.#open = true;
    this.#timestamp = timestamp;
    this.arrivalMonoMs = arrivalMonoMs;
    this.#markers = 0;
    this.#packets = 0;
    let ticks = this.clock.unwrap(timestamp);
    if (this.clock.leaps(ticks, arrivalMonoMs)) {
      this.clock.reset();
      ticks = this.clock.unwrap(timestamp);
      this.#lastTicks = undefined;
      this.#options.discontinuity();
    }
    this.ticks = ticks;
    this.clock.observe(ticks, arrivalMonoMs);
    this.unit.begin(this.#options.arena());
  }

  #finish(): void {
    const { unit } = this;
    unit.end();
    this.#open = false;
    this.#waits = !unit.settle();
    if (this.#waits) return;
    if (this.#lostBefore) this.#judgeBeginning();
    else if (!unit.pictureBegins) unit.damaged = true;
    this.#lostBefore = false;
    const distance = this.#lastTicks === undefined ? 0 : this.ticks - this.#lastTicks;
    if (distance > 0 && (this.#usualTicks === 0 || distance < this.#usualTicks)) this.#usualTicks = distance;
    this.#lastTicks = this.ticks;
    this.#options.unit(this);
    this.lostPackets = 0;
  }

  /**
   * Packets are missing right in front of this unit, behind a whole one. They were its own beginning, unless its picture begins
   * here and time shows that at least one whole unit is missing.
   */
  #judgeBeginning(): void {
    const skipped = this.#lastTicks !== undefined && this.#usualTicks > 0 && this.ticks - this.#lastTicks > 1.5 * this.#usualTicks;
    if (!this.unit.pictureBegins || !skipped) this.unit.damaged = true;
  }
}

/**
 * What a wagon with eight cameras and their sub-streams has to say, minute after minute, as it was seen of the real agent: each minute a
 * catalogue record for each of 16 reels, and for each of the 16 reels that had to go for them how they went; a fix every 5 s, twelve to
 * a record; a health record every 5 minutes; a gap of one camera now and then. Its minute begins at a moment of its own.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type Clock, type MonoMs, systemClock, type Timer } from '@longroof/base/clock';
import type { Random } from '@longroof/base/random';
import { TrackLog } from '@longroof/edge-agent/health/track-log';
import type { JournalBodies } from '@longroof/protocol/journal';
import type { JournalSpool } from './journal-spool.js';

const CAMERAS = ['front', 'front-left', 'front-right', 'left', 'right', 'rear', 'rear-left', 'rear-right'];
const RENDITIONS = ['original', 'proxy'] as const;
const STREAMS = CAMERAS.flatMap((camera) => RENDITIONS.map((rendition) => ({ camera, rendition })));
const MINUTE_MS = 60_000;
const FIX_MS = 5000;
const HEALTH_MINUTES = 5;
/** One gap of one camera in so many minutes. */
const GAP_MINUTES = 30;
const FRAGMENTS = 60;
const RATE_BYTES = { original: 500_000, proxy: 62_500 } as const;
const KEPT_MINUTES = 60;

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

export class Day {
  readonly #spool: JournalSpool;
  readonly #random: Random;
  readonly #track = new TrackLog();
  readonly #timers: Timer[] = [];
  readonly #clock: Clock;
  readonly #startMonoMs: MonoMs;
  #minute = 0;
  #fixes = 0;

  constructor(spool: JournalSpool, random: Random, clock: Clock = systemClock) {
    this.#spool = spool;
    this.#random = random;
    this.#clock = clock;
    this.#startMonoMs = Math.floor(clock.mono());
  }

  /** What stands at the beginning of every journal. */
  begin(journalKey: string): void {
    const { unit, epoch, boot } = this.#spool.identity;
    const cameras = CAMERAS.map((camera) => ({ camera, renditions: [...RENDITIONS] }));
    const anchor = { atMonoMs: this.#startMonoMs, offsetMs: this.#clock.utc() - this.#clock.mono(), source: 'gnss' as const, errorMs: 200 };
    const run = { boot, startMonoMs: this.#startMonoMs, version: '0.1.0', configSha256: hash(unit), cameras, ended: 'first' as const };
    this.#spool.add([
      { type: 'genesis', body: { unit, epoch, journalKey, previous: null } },
      { type: 'run', body: run },
      { type: 'clock', body: anchor },
    ]);
    const phase = (ms: number): number => Math.floor(this.#random.next() * ms);
    this.#timers.push(this.#clock.after(phase(MINUTE_MS), () => this.#every(MINUTE_MS, () => this.#minuteOver())));
    this.#timers.push(this.#clock.after(phase(FIX_MS), () => this.#every(FIX_MS, () => this.#fix())));
  }

  end(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  #every(ms: number, run: () => void): void {
    run();
    this.#timers.push(this.#clock.every(ms, run));
  }

  #minuteOver(): void {
    const minute = this.#minute;
    this.#minute += 1;
    const endMonoMs = Math.floor(this.#clock.mono()) - 3000;
    const bodies: { type: 'catalog' | 'dispose' | 'gap' | 'health'; body: JournalBodies['catalog' | 'dispose' | 'gap' | 'health'] }[] = [];
    for (const stream of STREAMS) bodies.push({ type: 'catalog', body: this.#catalog(stream, minute, endMonoMs) });
    for (const stream of STREAMS) bodies.push({ type: 'dispose', body: this.#dispose(stream, minute) });
    if (minute % GAP_MINUTES === Math.floor(this.#random.next() * GAP_MINUTES)) {
      const gap = {
        ...(STREAMS[0] as (typeof STREAMS)[0]),
        fromMonoMs: endMonoMs - 2000,
        durationMs: 1500,
        cause: 'camera-stalled' as const,
      };
      bodies.push({ type: 'gap', body: gap });
    }
    if (minute % HEALTH_MINUTES === 0) bodies.push({ type: 'health', body: health(minute) });
    this.#spool.add(bodies);
  }

  #catalog(stream: (typeof STREAMS)[number], minute: number, endMonoMs: MonoMs): JournalBodies['catalog'] {
    const bytes = Math.round(RATE_BYTES[stream.rendition] * FRAGMENTS * (0.9 + this.#random.next() * 0.2));
    const seqFirst = (KEPT_MINUTES + minute) * FRAGMENTS;
    return {
      ...{ ...stream, run: this.#spool.identity.run, seqFirst, count: FRAGMENTS, bytes, lostPackets: 0 },
      ...{ startMonoMs: endMonoMs - MINUTE_MS + this.#random.next() * 40, durationMs: MINUTE_MS, codec: 'avc1.64001f' },
      ...{ root: randomBytes(32).toString('hex'), initSha256: hash(`${this.#spool.identity.unit} ${stream.camera}`) },
    };
  }

  /** Of an hour ago: the disk is full. */
  #dispose(stream: (typeof STREAMS)[number], minute: number): JournalBodies['dispose'] {
    const bytes = Math.round(RATE_BYTES[stream.rendition] * FRAGMENTS * (0.9 + this.#random.next() * 0.2));
    const root = randomBytes(32).toString('hex');
    return { ...stream, run: this.#spool.identity.run, seqFirst: minute * FRAGMENTS, count: FRAGMENTS, bytes, root, reason: 'expired' };
  }

  #fix(): void {
    this.#fixes += 1;
    const [monoMs, utcMs] = [Math.round(this.#clock.mono()), Math.round(this.#clock.utc())];
    const [latDeg, lonDeg] = [35.7 + this.#fixes * 1.7e-4, 51.4 + this.#random.next() * 1e-3];
    const motion = { speedMps: 5 + this.#random.next() * 8, courseDeg: Math.floor(this.#random.next() * 360), satellites: 9 };
    const points = this.#track.take({ ...{ monoMs, utcMs, ageMs: 120, mode: 3, latDeg, lonDeg, errorM: 4.2 }, ...motion });
    if (points) this.#spool.add([{ type: 'track', body: { points } }]);
  }
}

/** Of the size that `Vitals` writes. */
function health(minute: number): JournalBodies['health'] {
  const stream = (camera: string): [string, JournalBodies['health']] => [
    camera,
    {
      frames: minute * 1500,
      bytes: minute * 30_000_000,
      lostPackets: 0,
      damaged: 0,
      sessions: 1,
      failures: 0,
      refused: 0,
      state: 'recording',
    },
  ];
  const disk = {
    ...{ state: 'ok', usedBytes: 880_000_000_000, quotaBytes: 900_000_000_000, freeBytes: 40_000_000_000, queuedBytes: 120_000 },
    ...{ fragments: 2_000_000, pendingFragments: 1_990_000, flushesPerS: 9.1, writeAmplification: 1.03, writtenBytes: minute * 1e9 },
    ...{ writtenSinceUtcMs: 1_770_000_000_000, enduranceLeftYears: 3.4, journalNext: minute * 34 },
  };
  const streams = Object.fromEntries(STREAMS.map(({ camera, rendition }) => stream(rendition === 'proxy' ? `${camera}.proxy` : camera)));
  return { uptimeS: minute * 60, rssBytes: 97_000_000 + minute, disk, streams } as JournalBodies['health'];
}

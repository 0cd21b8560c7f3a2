/**
 * A spool in memory for tests of the uplink: real metadata, hashes and journal chain, no disk. Faults that it can be told to show:
 * a fragment that cannot be read, an init segment that is gone.
 */

import { sha256Hex } from '@longroof/base/canonical';
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Random } from '@longroof/base/random';
import { systemMemory } from '@longroof/edge-agent/capture/arena';
import type {
  DurableStream,
  FragmentRun,
  HoldRequest,
  Selection,
  Spool,
  SpoolStats,
  StandingHold,
  StoredFragment,
  Unsent,
  Voided,
} from '@longroof/edge-agent/spool/spool';
import type { FragmentMeta, StreamName } from '@longroof/protocol/fragment';
import { GENESIS_PREV, type JournalBodies, type JournalRecord, type JournalType, recordHash, recordText } from '@longroof/protocol/journal';

export interface MemoryFragment extends StoredFragment {
  data: Buffer;
  unreadable: boolean;
  held?: boolean;
}

export class MemorySpool implements Spool {
  readonly identity;
  readonly fragments: MemoryFragment[] = [];
  readonly records: JournalRecord[] = [];
  readonly inits = new Map<string, Buffer>();
  acknowledgedNext = 0;
  storeEpoch: string | undefined;
  readonly placed = new Map<string, HoldRequest>();
  /** Released by an earlier store only. */
  readonly voids = new Set<MemoryFragment>();
  reads = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  #journalListeners: ((next: number, urgent: boolean) => void)[] = [];
  #durableListeners: ((streams: DurableStream[]) => void)[] = [];

  constructor(clock: Clock, random: Random, unit: string) {
    this.#clock = clock;
    this.#random = random;
    this.identity = { unit, epoch: random.bytes(16).toString('hex'), run: 1, boot: 'boot-1' };
  }

  addFragment(stream: StreamName, utcMs: number, bytes: number, released = false): MemoryFragment {
    const seq = this.fragments.filter((one) => one.meta.camera === stream.camera && one.meta.rendition === stream.rendition).length;
    const data = this.#random.bytes(bytes);
    const init = Buffer.from(`init of ${stream.camera}`);
    const initSha256 = sha256Hex(init);
    this.inits.set(initSha256, init);
    const wall = { utcMs, source: 'gnss' as const, errorMs: 5 };
    const { unit, epoch, run, boot } = this.identity;
    const meta: FragmentMeta = {
      v: 1,
      unit,
      epoch,
      run,
      seq,
      boot,
      ...stream,
      startMonoMs: seq * 1000,
      arrivalMonoMs: seq * 1000,
      start90k: seq * 90_000,
      duration90k: 90_000,
      wall,
      cameraUtcMs: null,
      bytes,
      sha256: sha256Hex(data),
      initSha256,
      codec: 'avc1.64001f',
      frames: 25,
      keyFrames: 1,
      lostPackets: 0,
      independent: true,
      damaged: false,
    };
    const fragment = { meta, wall, reelPath: 'none', offset: 0, released, data, unreadable: false };
    this.fragments.push(fragment);
    return fragment;
  }

  durable(streams: DurableStream[]): void {
    for (const listener of this.#durableListeners) listener(streams);
  }

  events(event: string): Record<string, unknown>[] {
    return this.records.filter((r) => r.type === 'event' && (r.body as { event: string }).event === event).map((r) => r.body as never);
  }

  done(pullId: string): JournalBodies['done'][] {
    return this.records.map((r) => r.body as JournalBodies['done']).filter((body) => body.pullId === pullId);
  }

  async record<T extends JournalType>(type: T, body: JournalBodies[T], options?: { urgent?: boolean }): Promise<number> {
    const seq = this.records.length;
    const last = this.records.at(-1);
    const wall = { utcMs: this.#clock.utc(), source: 'ntp' as const, errorMs: 10 };
    const prev = last ? recordHash(last) : GENESIS_PREV;
    const record = { seq, run: 1, monoMs: this.#clock.mono(), wall, type, body, prev } as JournalRecord;
    this.records.push(record);
    for (const listener of this.#journalListeners) listener(seq + 1, options?.urgent ?? false);
    return seq;
  }

  async journal(fromSeq: number, maxBytes: number): Promise<JournalRecord[]> {
    const some: JournalRecord[] = [];
    let bytes = 0;
    for (const record of this.records.slice(fromSeq, fromSeq + 500)) {
      bytes += recordText(record).length;
      if (some.length > 0 && bytes > maxBytes) break;
      some.push(record);
    }
    return some;
  }

  journalPosition(): { oldest: number; next: number } {
    return { oldest: 0, next: this.records.length };
  }

  journalAcknowledged(next: number): void {
    this.acknowledgedNext = next;
  }

  async select(streams: StreamName[], fromUtcMs: number, toUtcMs: number): Promise<Selection> {
    const fragments: StoredFragment[] = [];
    const missing: Selection['missing'] = [];
    for (const { camera, rendition } of streams) {
      const all = this.fragments.filter((one) => one.meta.camera === camera && one.meta.rendition === rendition);
      const some = all.filter((one) => one.wall.utcMs < toUtcMs && one.wall.utcMs + one.meta.duration90k / 90 > fromUtcMs);
      fragments.push(...some);
      if (some.length === 0)
        missing.push({ camera, rendition, fromUtcMs, toUtcMs, cause: all.length > 0 ? 'camera-unreachable' : 'unknown-camera' });
    }
    return { fragments, missing };
  }

  async named({ camera, rendition, run, seqFirst, seqLast }: FragmentRun): Promise<StoredFragment[]> {
    const all = this.fragments.filter(({ meta: m }) => m.camera === camera && m.rendition === rendition && m.run === run);
    return all.filter(({ meta }) => meta.seq >= seqFirst && meta.seq <= seqLast);
  }

  async read(fragment: StoredFragment): Promise<Buffer> {
    this.reads += 1;
    const mine = this.fragments.find((one) => one.meta === fragment.meta);
    if (!mine || mine.unreadable) throw new Fault('corrupt', 'LR_SPOOL_FRAGMENT', 'the bytes are not what the index says');
    return mine.data;
  }

  async init(initSha256: string): Promise<Buffer | undefined> {
    return this.inits.get(initSha256);
  }

  async release(id: Pick<FragmentMeta, 'camera' | 'rendition' | 'run' | 'seq' | 'sha256'>): Promise<boolean> {
    const mine = this.fragments.find(
      ({ meta: m }) => m.camera === id.camera && m.rendition === id.rendition && m.run === id.run && m.seq === id.seq,
    );
    if (!mine || mine.meta.sha256 !== id.sha256) return false;
    mine.released = true;
    this.voids.delete(mine);
    return true;
  }

  onDurable(listener: (streams: DurableStream[]) => void): void {
    this.#durableListeners.push(listener);
  }

  onJournal(listener: (next: number, urgent: boolean) => void): void {
    this.#journalListeners.push(listener);
  }

  readonly memory = systemMemory;

  write(): boolean {
    throw new Fault('internal', 'LR_TEST', 'not in this stand-in');
  }
  async adoptStore(storeEpoch: string): Promise<{ changed: boolean; offers: boolean }> {
    const before = this.storeEpoch;
    this.storeEpoch = storeEpoch;
    const changed = before !== undefined && before !== storeEpoch;
    if (!changed) return { changed, offers: this.voids.size > 0 };
    for (const fragment of this.fragments) {
      if (fragment.released) this.voids.add(fragment);
      fragment.released = false;
    }
    return { changed, offers: true };
  }

  /** One fragment at a time, as if each were a reel. */
  async unsent(what: Unsent, beforeReel = this.fragments.length): Promise<Voided> {
    for (let at = beforeReel - 1; at >= 0; at -= 1) {
      const fragment = this.fragments[at] as MemoryFragment;
      if (!fragment.released && (what === 'held' ? fragment.held : fragment.meta.rendition === what))
        return { fragments: [fragment], next: at };
    }
    return { fragments: [], next: undefined };
  }

  async voided(): Promise<{ fragments: StoredFragment[]; next: undefined }> {
    return { fragments: [...this.voids].map((fragment) => ({ ...fragment, released: true })), next: undefined };
  }

  noteCause(): void {}
  openStream(): void {}
  closeStream(): void {}
  noteClock(): void {}
  async hold(request: HoldRequest): Promise<{ placed: boolean; bytes: number }> {
    this.placed.set(request.holdId, request);
    return { placed: true, bytes: 0 };
  }
  async releaseHold(holdId: string): Promise<boolean> {
    return this.placed.delete(holdId);
  }
  async holds(): Promise<StandingHold[]> {
    return [...this.placed.values()];
  }
  stats(): SpoolStats {
    throw new Fault('internal', 'LR_TEST', 'not in this stand-in');
  }
  async close(): Promise<void> {}
}

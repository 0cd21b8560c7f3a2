/**
 * The spool without its thread: everything synchronous, on a Disk and a Clock that are passed in. The worker drives it; tests drive
 * it directly. `commit` makes durable what was written and recorded since the last one.
 */

import path from 'node:path';
import type { MonoMs, UtcMs } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import { readBoxHeader } from '@longroof/base/iso-box';
import { type FragmentMeta, type StreamName, streamText, type WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { JournalBodies, JournalRecord, JournalType } from '@longroof/protocol/journal';
import type { ClockAnchor } from '@longroof/protocol/wall';
import type { BuiltFragment } from '../fragment/fragment.js';
import { dropBallast } from './ballast.js';
import { type CommitResult, commit, isCommitDue } from './commit.js';
import { Coverage } from './coverage.js';
import { DiskState, toDiskFault } from './disk-state.js';
import { Endurance } from './endurance.js';
import { type HoldOutcome, liftHold, placeHold, restoreHolds } from './holds.js';
import { REELS_FOLDER } from './layout.js';
import { Ledger, type Settled } from './ledger.js';
import { Meter, meteredDisk } from './metered-disk.js';
import { readFragment, readInit, release } from './reader.js';
import { type CoreOptions, type Recovered, recover } from './recover.js';
import { streamOf } from './recover-coverage.js';
import { removeIndex } from './recover-journal.js';
import { hashParts, ReelSet } from './reels.js';
import { select, selectNamed } from './select.js';
import type { FragmentRun, HoldRequest, Selection, SpoolIdentity, StoreAdopted, StoredFragment, Unsent, Voided } from './spool.js';
import { type CoreState, type LiveStream, liveStream, turn } from './state.js';
import { adoptStore, voided } from './store-change.js';
import { unsent } from './unsent.js';

/** A gap is reported up to so long ago: what began before it is durable or lost by now. */
export const SETTLE_MS = 5000;

/** Opens the spool; an index that turns out to be broken on the way is made anew, and a full disk is given the ballast, once. */
export function openCore(options: CoreOptions): SpoolCore {
  try {
    return new SpoolCore(options);
  } catch (error) {
    const fault = toDiskFault(error, 'spool');
    if (fault.kind === 'corrupt' && fault.code === 'LR_SPOOL_INDEX') removeIndex(options.disk, options.path);
    else if (fault.kind !== 'full' || !dropBallast(options)) throw fault;
  }
  try {
    return new SpoolCore(options);
  } catch (error) {
    throw toDiskFault(error, 'spool');
  }
}

export class SpoolCore {
  readonly state: CoreState;

  constructor(given: CoreOptions) {
    const meter = new Meter(given.clock);
    const options = { ...given, disk: meteredDisk(given.disk, meter) };
    const endurance = new Endurance({ disk: given.disk, clock: given.clock, ratedBytes: given.enduranceBytes });
    const recovered = recover(options);
    const { index, opened } = recovered.journal;
    endurance.resume(index);
    const ids = index.maxIds();
    const totals = index.totals();
    const reels = new ReelSet(
      options.disk,
      path.join(options.path, REELS_FOLDER),
      ...([recovered.identity.epoch, recovered.identity.run, ids.reel + 1] as const),
    );
    const now = (): { monoMs: MonoMs; wall: WallClaim } => ({ monoMs: round(options.clock.mono()), wall: recovered.wall.now() });
    this.state = {
      ...{
        options,
        recovered,
        index,
        meter,
        endurance,
        reels,
        ledger: new Ledger(recovered.chain, opened.log, now),
        diskState: new DiskState(),
      },
      ...{ streams: new Map(), bootId: index.bootId(options.boot), unindexed: [], finished: [], catalogued: [], releases: [] },
      ...{ pendingWrites: [], nextRowId: ids.fragment + 1, rowFirst: new Map(), reelBytes: totals.fileBytes },
      ...{ fragments: totals.fragments, released: totals.released, lastCommitMonoMs: options.clock.mono() },
      storeOrdinal: index.storeOrdinal(),
      rungBytes: index.rungBytes(),
      offersFound: true,
      acknowledged: Number(index.get('acknowledged') ?? 0),
      upkeepAtMonoMs: Number.NEGATIVE_INFINITY,
    };
    this.#begin(recovered);
  }

  /** The first commit: what recovery found. A disk that does not take it is a state already; footage is taken once it does. */
  #begin(recovered: Recovered): void {
    const { state } = this;
    for (const [text, coverage] of recovered.coverage)
      state.streams.set(text, { ...liveStream(streamOf(text), text, coverage), dirty: true });
    for (const { type, body, urgent } of recovered.drafts) state.ledger.add(type, body as never, { own: true, urgent: urgent ?? false });
    restoreHolds(state);
    this.commit({ force: true });
    if (state.diskState.fault?.kind === 'corrupt') throw state.diskState.fault;
  }

  get identity(): SpoolIdentity {
    return this.state.recovered.identity;
  }

  /** One that is new is accounted for from `sinceMonoMs` on: it may have been opened before this thread came to it. */
  #stream(name: StreamName, sinceMonoMs: MonoMs = this.state.options.clock.mono()): LiveStream {
    const text = streamText(name);
    let stream = this.state.streams.get(text);
    if (!stream) {
      stream = { ...liveStream(streamOf(text), text, new Coverage(sinceMonoMs, 'configuration')), dirty: true };
      this.state.streams.set(text, stream);
    }
    return stream;
  }

  openStream(name: StreamName, atMonoMs: MonoMs = this.state.options.clock.mono()): void {
    turn(this.state, this.#stream(name, atMonoMs), (coverage) => coverage.open(atMonoMs));
  }

  closeStream(name: StreamName, cause: GapCause, atMonoMs: MonoMs = this.state.options.clock.mono()): void {
    const stream = this.#stream(name);
    turn(this.state, stream, (coverage) => coverage.close(atMonoMs, cause), { waits: true });
    this.state.reels.end(stream.text);
  }

  noteCause(name: StreamName, cause: GapCause, atMonoMs: MonoMs, detail?: string): void {
    this.#note(this.#stream(name), cause, atMonoMs, detail);
  }

  #note(stream: LiveStream, cause: GapCause, atMonoMs: MonoMs, detail?: string): void {
    turn(this.state, stream, (coverage) => {
      coverage.note(cause, atMonoMs, detail);
      return [];
    });
  }

  noteClock(anchor: ClockAnchor): void {
    if (!this.state.recovered.wall.add(anchor)) return;
    this.state.ledger.add('clock', { ...anchor, atMonoMs: round(anchor.atMonoMs), offsetMs: round(anchor.offsetMs) }, { own: true });
  }

  /** Appends to its reel; durable and claimed only after a commit. False when it is dropped, with the cause noted. */
  write(fragment: BuiltFragment, wall: WallClaim): boolean {
    const { state } = this;
    const stream = this.#stream(fragment.meta);
    const startMonoMs = fragment.meta.startMonoMs;
    if (!state.diskState.accepting) return this.#drop(stream, state.diskState.cause, startMonoMs);
    const bytes = fragment.parts.reduce((sum, part) => sum + part.length, 0);
    if (bytes !== fragment.meta.bytes || !isMoofMdat(fragment.parts[0], bytes) || fragment.init.sha256 !== fragment.meta.initSha256)
      return this.#drop(stream, 'damaged', startMonoMs, 'its metadata does not fit');
    const { unit, epoch, run, boot } = this.identity;
    const meta: FragmentMeta = { ...fragment.meta, unit, epoch, run, seq: stream.nextSeq, boot, sha256: hashParts(fragment.parts), wall };
    stream.nextSeq += 1;
    try {
      state.reels.write(stream.text, meta, fragment.init, fragment.parts);
      state.meter.footageBytes += bytes;
      return true;
    } catch (error) {
      state.diskState.fail(toFault(error, 'spool'), state.options.clock.mono());
      return this.#drop(stream, state.diskState.cause, startMonoMs);
    }
  }

  #drop(stream: LiveStream, cause: GapCause, atMonoMs: MonoMs, detail?: string): false {
    this.#note(stream, cause, atMonoMs, detail);
    return false;
  }

  record<T extends JournalType>(type: T, body: JournalBodies[T], urgent: boolean, settled?: Settled): void {
    this.state.ledger.add(type, body, { urgent, ...(settled ? { settled } : {}) });
  }

  journal(fromSeq: number, bytesMax: number): JournalRecord[] {
    return this.state.recovered.journal.opened.log.read(fromSeq, bytesMax);
  }

  /** The centre has all records before `next`. */
  acknowledged(next: number): void {
    this.state.acknowledged = Math.max(this.state.acknowledged, Math.min(next, this.state.ledger.next));
  }

  select(streams: readonly StreamName[], fromUtcMs: UtcMs, toUtcMs: UtcMs): Selection {
    return select(this.state, streams, fromUtcMs, toUtcMs);
  }

  named(names: FragmentRun): StoredFragment[] {
    return selectNamed(this.state, names);
  }

  read(fragment: StoredFragment, into?: Buffer): Buffer {
    return readFragment(this.state.options.disk, fragment, into);
  }

  init(initSha256: string): Buffer | undefined {
    return readInit(this.state, initSha256);
  }

  release(id: Parameters<typeof release>[1], settled: (outcome: boolean | Fault) => void): void {
    release(this.state, id, settled);
  }

  adoptStore(storeEpoch: string, journalNext: number, settled: (outcome: StoreAdopted | Fault) => void): void {
    adoptStore(this.state, storeEpoch, journalNext, settled);
  }

  voided(afterReel: number): Voided {
    return voided(this.state, afterReel);
  }

  unsent(what: Unsent, beforeReel: number | undefined): Voided {
    return unsent(this.state, what, beforeReel);
  }

  hold(request: HoldRequest, settled: (outcome: HoldOutcome | Fault) => void): void {
    placeHold(this.state, request, settled);
  }

  releaseHold(holdId: string, settled: (outcome: boolean | Fault) => void): void {
    liftHold(this.state, holdId, settled);
  }

  /** Makes durable what there is when it is due, or at once with `force`. */
  commit(options: { force?: boolean; settledMonoMs?: MonoMs } = {}): CommitResult {
    const nowMonoMs = this.state.options.clock.mono();
    if (!options.force && !isCommitDue(this.state, nowMonoMs)) return { durable: [], journal: undefined };
    return commit(this.state, { settledMonoMs: (options.settledMonoMs ?? nowMonoMs) - SETTLE_MS, closing: false });
  }

  /** Streams that are still open are closed as stopped; then everything is written, the checkpoint signed. */
  close(): CommitResult {
    const { state } = this;
    const atMonoMs = state.options.clock.mono();
    for (const stream of state.streams.values())
      turn(state, stream, (coverage) => (coverage.isOpen ? coverage.close(atMonoMs, 'stopped') : []), { waits: true });
    const result = commit(state, { settledMonoMs: Number.NEGATIVE_INFINITY, closing: true });
    state.ledger.abandon(state.diskState.fault ?? new Fault('cancelled', 'LR_CANCELLED', 'the spool is closed'));
    this.abandon();
    return result;
  }

  /** Lets go of files without another write. */
  abandon(): void {
    this.state.recovered.journal.opened.log.close();
    this.state.reels.releaseAll();
    this.state.index.close();
  }
}

/** One `moof` and one `mdat` of together `bytes`: what a scan of the reel will ask for. The first part holds both headers. */
function isMoofMdat(head: Uint8Array | undefined, bytes: number): boolean {
  const moof = head && readBoxHeader(head, 0);
  if (!head || moof?.type !== 'moof') return false;
  const mdat = readBoxHeader(head, moof.bytes);
  return mdat?.type === 'mdat' && moof.bytes + mdat.bytes === bytes;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

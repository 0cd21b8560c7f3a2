/**
 * Writes fragments into reels and makes them durable. A reel holds one stream, one init segment, one clock, no discontinuity, and begins with a
 * key frame where the camera sends any, so that it plays alone. All streams change reels at the last key frame of a minute of monotonic
 * time, so that their catalogue records travel together. A reel in which a write or a sync failed is given up: cut back to what was
 * durable and closed. What it held in flight is not claimed.
 */
import path from 'node:path';
import { sha256 } from '@longroof/base/canonical';
import type { MonoMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { type Fault, toFault } from '@longroof/base/errors';
import { encodeFragmentBox, type FragmentMeta, type WallSource } from '@longroof/protocol/fragment';
import type { InitSegment } from '../fragment/fragment.js';
import { changesClock } from './reel-clock.js';
import { adjoins, durationMs } from './rows.js';
import { REEL_FRAGMENTS_MAX, reelName } from './scan.js';

export const REEL_MS = 60_000;
/** Without a key frame a reel ends all the same. */
export const REEL_MS_MAX = 75_000;
/** Key frames come a little early or late: one that much behind the minute counts as on it. */
const JITTER_MS = 100;
/** A longer pause between two fragments is a discontinuity. */
const PAUSE_MS_MAX = 1000;
const REEL_BYTES_MAX = 1024 ** 3;
/** Reels without new fragments for so long close when their minute is over. */
export const REEL_GRACE_MS = 3000;

export interface WrittenFragment {
  meta: FragmentMeta;
  at: number;
  reel: Reel;
}

export interface Reel {
  id: number;
  stream: string;
  file: string;
  fd: number;
  /** The minute of monotonic time that it ends in, by plan. */
  minute: number;
  run: number;
  seqFirst: number;
  initSha256: string;
  initBytes: number;
  codec: string;
  bytes: number;
  durableBytes: number;
  /** Written, not yet synced. */
  pending: WrittenFragment[];
  /** Of durable fragments, in order: their hashes and totals. */
  leaves: Buffer[];
  mediaBytes: number;
  startMono: MonoMs;
  endMono: MonoMs;
  /** The fragment that was written last. */
  last: FragmentMeta;
  offsetMin: number;
  offsetMax: number;
  lostPackets: number;
  wallSource: WallSource;
  wallErrorMs: number;
  entrySynced: boolean;
  /** No more fragments go in. */
  ended: boolean;
}

export interface SyncResult {
  fragments: WrittenFragment[];
  /** Ended reels, all of whose fragments are durable. */
  finished: Reel[];
  /** In flight in a reel that failed: not claimed. */
  dropped: WrittenFragment[];
  fault: Fault | undefined;
}

export class ReelSet {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #epoch: string;
  readonly #run: number;
  readonly #open = new Map<string, Reel>();
  readonly #ended: Reel[] = [];
  /** Reels to cut back to their durable bytes; tried until it succeeds. */
  readonly #toCut: Reel[] = [];
  readonly #newDirectories = new Set<string>();
  /** Per stream: the last key frame that began a fragment. */
  readonly #keys = new Map<string, MonoMs>();
  #nextId: number;

  constructor(disk: Disk, directory: string, epoch: string, run: number, nextId: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#epoch = epoch;
    this.#run = run;
    this.#nextId = nextId;
  }

  /** The next id of a reel's row; shared with recovery. */
  takeId(): number {
    return this.#nextId++;
  }

  get isDirty(): boolean {
    for (const reel of this.#open.values()) if (reel.pending.length > 0) return true;
    return this.#ended.length > 0 || this.#toCut.length > 0;
  }

  get openBytes(): number {
    let bytes = 0;
    for (const reel of this.#open.values()) bytes += reel.bytes;
    for (const reel of this.#ended) bytes += reel.bytes;
    return bytes;
  }

  /** The open reel of a row id, for reads while it grows. */
  find(id: number): Reel | undefined {
    for (const reel of this.#open.values()) if (reel.id === id) return reel;
    return this.#ended.find((reel) => reel.id === id);
  }

  /** Appends; durable only after `sync`. Returns the bytes written. Throws what the disk throws, after giving the reel up. */
  write(stream: string, meta: FragmentMeta, init: InitSegment, parts: readonly Uint8Array[]): number {
    const reel = this.#reelFor(stream, meta, init);
    const box = encodeFragmentBox(meta);
    const head = reel.bytes === 0 ? [init.bytes, box] : [box];
    const headBytes = head.reduce((sum, part) => sum + part.length, 0);
    try {
      this.#disk.append(reel.fd, [...head, ...parts]);
    } catch (error) {
      this.#giveUp(reel);
      throw error;
    }
    reel.pending.push({ meta, at: reel.bytes + headBytes, reel });
    reel.bytes += headBytes + meta.bytes;
    reel.last = meta;
    if (meta.independent) this.#keys.set(stream, meta.startMonoMs);
    return headBytes + meta.bytes;
  }

  #reelFor(stream: string, meta: FragmentMeta, init: InitSegment): Reel {
    const open = this.#open.get(stream);
    const minute = this.#minuteOf(stream, meta);
    if (open) {
      const pauseMs = meta.startMonoMs - open.last.startMonoMs - durationMs(open.last);
      const lengthMs = meta.startMonoMs + durationMs(meta) - Math.min(open.startMono, meta.startMonoMs);
      const fits =
        !(meta.independent && (minute > open.minute || changesClock(open, meta))) &&
        lengthMs <= REEL_MS_MAX &&
        open.initSha256 === init.sha256 &&
        (adjoins(open.last, meta) || Math.abs(pauseMs) <= PAUSE_MS_MAX) &&
        open.bytes + meta.bytes <= REEL_BYTES_MAX &&
        open.leaves.length + open.pending.length < REEL_FRAGMENTS_MAX;
      if (fits) return open;
      this.end(stream);
    }
    const directory = path.join(this.#directory, stream);
    if (!this.#disk.stat(directory)) {
      this.#disk.makeDirectory(directory);
      this.#newDirectories.add(directory);
    }
    const file = path.join(directory, reelName({ epoch: this.#epoch, run: this.#run, seqFirst: meta.seq }));
    const fd = this.#disk.openAppend(file, { exclusive: true });
    const reel: Reel = {
      ...{ id: this.takeId(), stream, file, fd, minute, run: this.#run, seqFirst: meta.seq },
      ...{ initSha256: init.sha256, initBytes: init.bytes.length, codec: meta.codec, bytes: 0, durableBytes: 0 },
      ...{ pending: [], leaves: [], mediaBytes: 0, startMono: meta.startMonoMs, endMono: meta.startMonoMs },
      ...{ last: meta, offsetMin: Number.POSITIVE_INFINITY, offsetMax: Number.NEGATIVE_INFINITY },
      ...{ lostPackets: 0, wallSource: meta.wall.source, wallErrorMs: meta.wall.errorMs, entrySynced: false, ended: false },
    };
    this.#open.set(stream, reel);
    return reel;
  }

  /**
   * The minute in which a reel ends that begins with this fragment. Where the next key frame, as far away as the last one was, comes
   * only when the minute of this one is over, that is the next minute already.
   */
  #minuteOf(stream: string, meta: FragmentMeta): number {
    const lastKey = this.#keys.get(stream);
    const distanceMs = meta.independent && lastKey !== undefined ? meta.startMonoMs - lastKey : 0;
    const isSteady = distanceMs > 0 && distanceMs < REEL_MS_MAX;
    const nextMs = meta.startMonoMs + (isSteady ? distanceMs - JITTER_MS : 0);
    return Math.floor(Math.max(meta.startMonoMs, nextMs) / REEL_MS);
  }

  /** No more fragments go into the open reel of a stream. */
  end(stream: string): void {
    const reel = this.#open.get(stream);
    if (!reel) return;
    this.#open.delete(stream);
    reel.ended = true;
    this.#ended.push(reel);
  }

  /** Ends reels whose minute is over and that nothing comes into any more. */
  endIdle(nowMonoMs: MonoMs): void {
    const graceMonoMs = nowMonoMs - REEL_GRACE_MS;
    for (const reel of [...this.#open.values()]) {
      const isIdle = reel.last.startMonoMs + durationMs(reel.last) < graceMonoMs;
      if (isIdle && reel.minute < Math.floor(graceMonoMs / REEL_MS)) this.end(reel.stream);
    }
  }

  endAll(): void {
    for (const stream of [...this.#open.keys()]) this.end(stream);
  }

  /** Closes every file as it is. */
  releaseAll(): void {
    for (const reel of [...this.#open.values(), ...this.#ended, ...this.#toCut]) this.#disk.close(reel.fd);
    this.#open.clear();
    this.#ended.length = 0;
    this.#toCut.length = 0;
  }

  /** fdatasync of every reel with news and fsync of new directory entries (S1). Never throws: a failure is in the result. */
  sync(): SyncResult {
    const result: SyncResult = { fragments: [], finished: [], dropped: [], fault: undefined };
    const attempt = (reel: Reel | undefined, run: () => void): boolean => {
      try {
        run();
        return true;
      } catch (error) {
        result.fault ??= toFault(error, reel ? `reel ${reel.file}` : 'reels');
        if (reel) result.dropped.push(...this.#giveUp(reel));
        return false;
      }
    };
    for (const reel of this.#toCut.splice(0)) if (!attempt(undefined, () => this.#cut(reel, result))) this.#toCut.push(reel);
    // Ended reels first: their fragments are the older ones, and the time of a stream is accounted for in order.
    const dirty = [...this.#ended, ...this.#open.values()].filter((reel) => reel.pending.length > 0);
    const entries = new Set<string>();
    for (const reel of dirty) attempt(reel, () => this.#disk.datasync(reel.fd));
    for (const reel of dirty) if (!reel.entrySynced && reel.pending.length > 0) entries.add(path.dirname(reel.file));
    const unsynced = new Set<string>();
    if (this.#newDirectories.size > 0 && attempt(undefined, () => this.#disk.syncDirectory(this.#directory))) this.#newDirectories.clear();
    for (const entry of entries) {
      const parentFailed = this.#newDirectories.has(entry);
      if (parentFailed || !attempt(undefined, () => this.#disk.syncDirectory(entry))) unsynced.add(entry);
    }
    for (const reel of dirty) {
      if (!reel.entrySynced && unsynced.has(path.dirname(reel.file))) result.dropped.push(...this.#giveUp(reel));
      else result.fragments.push(...settle(reel));
    }
    this.#finish(result, attempt);
    return result;
  }

  #finish(result: SyncResult, attempt: (reel: Reel | undefined, run: () => void) => boolean): void {
    for (const reel of this.#ended.splice(0)) {
      if (this.#toCut.includes(reel)) continue;
      attempt(undefined, () => this.#disk.close(reel.fd));
      if (reel.leaves.length > 0) result.finished.push(reel);
    }
  }

  /** The reel takes no more; its durable part stays. Returns what was in flight. */
  #giveUp(reel: Reel): WrittenFragment[] {
    if (this.#toCut.includes(reel)) return [];
    if (this.#open.get(reel.stream) === reel) this.#open.delete(reel.stream);
    reel.ended = true;
    this.#toCut.push(reel);
    return reel.pending.splice(0);
  }

  #cut(reel: Reel, result: SyncResult): void {
    if (reel.durableBytes > 0) this.#disk.truncate(reel.file, reel.durableBytes);
    else if (this.#disk.stat(reel.file)) this.#disk.remove(reel.file);
    this.#disk.close(reel.fd);
    const at = this.#ended.indexOf(reel);
    if (at >= 0) this.#ended.splice(at, 1);
    reel.bytes = reel.durableBytes;
    if (reel.leaves.length > 0) result.finished.push(reel);
  }
}

/** The reel's pending fragments are durable: adds them to its totals. */
function settle(reel: Reel): WrittenFragment[] {
  reel.entrySynced = true;
  const fragments = reel.pending.splice(0);
  for (const { meta } of fragments) {
    reel.leaves.push(Buffer.from(meta.sha256, 'hex'));
    reel.mediaBytes += meta.bytes;
    reel.endMono = Math.max(reel.endMono, meta.startMonoMs + durationMs(meta));
    reel.startMono = Math.min(reel.startMono, meta.startMonoMs);
    const offset = meta.wall.utcMs - meta.startMonoMs;
    reel.offsetMin = Math.min(reel.offsetMin, offset);
    reel.offsetMax = Math.max(reel.offsetMax, offset);
    reel.lostPackets += meta.lostPackets;
  }
  if (fragments.length > 0) reel.durableBytes = reel.bytes;
  return fragments;
}

/** SHA-256 over all parts, hex. */
export function hashParts(parts: readonly Uint8Array[]): string {
  return sha256(...parts).toString('hex');
}

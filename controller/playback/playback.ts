/**
 * 7. Footage of a pull as players and programs want it: a playlist with its segments, or one plain MP4 for each init segment. Nothing is
 * stored twice; computed heads are kept in memory up to a bound. Who may look is decided before it is asked.
 */
import type { Clock, UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { BlobStore } from '../store/blobs.js';
import type { Db } from '../store/open.js';
import { FileCache } from './file-cache.js';
import { FootageReader, type PullInfo } from './footage.js';
import { buildPlainMp4, type PlainMp4 } from './plain-mp4.js';
import { encodePlaylist, groupSegments, parseSegmentName } from './playlist.js';
import { readFragment, readHead, type StoredFragment } from './stored-fragment.js';

export interface PlaybackOptions {
  db: Db;
  blobs: BlobStore;
  clock: Clock;
  /** Of computed MP4 heads. */
  cacheBytesMax?: number;
}

/** One picture that shows a minute. */
export interface Strip {
  name: string;
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
}

export interface SegmentBytes {
  bytes: number;
  read(): AsyncGenerator<Buffer, void, undefined>;
}

/** How long a playlist without a first segment is held back while the pull runs. */
const HOLD_MS = 5000;
const HOLD_STEP_MS = 250;
const CACHE_BYTES_MAX = 64 * 1024 * 1024;

export class Playback {
  readonly #footage: FootageReader;
  readonly #blobs: BlobStore;
  readonly #clock: Clock;
  readonly #files: FileCache;

  constructor(options: PlaybackOptions) {
    this.#footage = new FootageReader(options.db);
    this.#blobs = options.blobs;
    this.#clock = options.clock;
    this.#files = new FileCache(options.cacheBytesMax ?? CACHE_BYTES_MAX);
  }

  /** Throws LR_PULL_UNKNOWN. */
  async pull(id: string): Promise<PullInfo> {
    const pull = await this.#footage.pull(id);
    if (!pull) throw new Fault('not-found', 'LR_PULL_UNKNOWN', `there is no pull ${id}`);
    return pull;
  }

  /** While the pull runs it grows; waits a little for a first segment. Throws LR_FOOTAGE_NOT_YET, LR_FOOTAGE_NONE. */
  async playlist(id: string, camera: string, query = ''): Promise<string> {
    for (let waitedMs = 0; ; waitedMs += HOLD_STEP_MS) {
      const pull = await this.pull(id);
      const footage = await this.#footage.playable(pull, camera);
      const segments = groupSegments(footage);
      if (segments.length > 0) return encodePlaylist(segments, footage.whole, query);
      if (pull.ended) throw none(camera);
      if (waitedMs >= HOLD_MS)
        throw new Fault('unavailable', 'LR_FOOTAGE_NOT_YET', `nothing of camera ${camera} has come home yet`, {
          hint: 'The pull is running or waits for its wagon; ask again in a moment.',
        });
      await this.#clock.sleep(HOLD_STEP_MS);
    }
  }

  /** Throws LR_SEGMENT_UNKNOWN. */
  async init(pull: PullInfo, camera: string, sha256: string): Promise<Buffer> {
    const init = await this.#footage.initOf(pull, camera, sha256);
    if (!init) throw new Fault('not-found', 'LR_SEGMENT_UNKNOWN', 'no init segment of this footage');
    return init;
  }

  /** Throws LR_SEGMENT_UNKNOWN also where a part of it is not of this pull. */
  async segment(pull: PullInfo, camera: string, name: string): Promise<SegmentBytes> {
    const range = parseSegmentName(name);
    if (range) {
      for (const part of await this.#footage.parts(pull, camera)) {
        if (part.epoch !== range.epoch || part.run !== range.run || range.seqFirst < part.seq_first || range.seqLast > part.seq_last)
          continue;
        const fragments = await this.#footage.fragments(pull, part, range.seqFirst, range.seqLast);
        if (fragments.length === range.seqLast - range.seqFirst + 1) return segmentBytes(this.#blobs, fragments);
      }
    }
    throw new Fault('not-found', 'LR_SEGMENT_UNKNOWN', 'no segment of this footage');
  }

  /** Strips of a camera that are here, in order. */
  async strips(pull: PullInfo, camera: string): Promise<Strip[]> {
    const fragments = (await this.#footage.all(pull, camera)).filter((fragment) => fragment.rendition === 'strip');
    return fragments.map((fragment) => ({
      name: `strip-${fragment.epoch}-${fragment.run}-${fragment.seq}.jpg`,
      fromUtcMs: fragment.startUtcMs,
      toUtcMs: fragment.startUtcMs + fragment.duration90k / 90,
    }));
  }

  /** The JPEG of a strip. Throws LR_SEGMENT_UNKNOWN. */
  async strip(pull: PullInfo, camera: string, name: string): Promise<Buffer> {
    const [, epoch, run, seq] = /^strip-([0-9a-f]{32})-(\d{1,15})-(\d{1,15})\.jpg$/.exec(name) ?? [];
    for (const part of await this.#footage.parts(pull, camera)) {
      if (part.rendition !== 'strip' || part.epoch !== epoch || part.run !== Number(run)) continue;
      const [fragment] = await this.#footage.fragments(pull, part, Number(seq), Number(seq));
      if (!fragment) continue;
      const { payloadAt } = await readHead(this.#blobs, fragment);
      return readFragment(this.#blobs, fragment, payloadAt, fragment.bytes);
    }
    throw new Fault('not-found', 'LR_SEGMENT_UNKNOWN', 'no strip of this pull');
  }

  /** The `part`-th init segment's footage, from 0. Throws LR_FOOTAGE_NONE, LR_MP4_PART and what `buildPlainMp4` throws. */
  async file(pull: PullInfo, camera: string, part: number): Promise<PlainMp4> {
    // Of an ended pull nothing changes: its files are found without asking the database, range for range.
    if (pull.ended) return this.#files.get(`${pull.id}/${camera}/${part}`, async () => this.#build(await this.#partOf(pull, camera, part)));
    const own = await this.#partOf(pull, camera, part);
    // What is here of a pull only grows, so its count names it.
    return this.#files.get(`${pull.id}/${camera}/${part}/${own.length}`, () => this.#build(own));
  }

  /** Fragments of the `part`-th init segment. */
  async #partOf(pull: PullInfo, camera: string, part: number): Promise<StoredFragment[]> {
    const fragments = await this.#footage.all(pull, camera);
    if (fragments.length === 0) throw none(camera);
    const inits = [...new Set(fragments.map((fragment) => fragment.initSha256))];
    const init = inits[part];
    if (init === undefined) {
      const count = `${inits.length} ${inits.length === 1 ? 'part' : 'parts'}`;
      throw new Fault('not-found', 'LR_MP4_PART', `this footage has ${count}, counted from 0`);
    }
    return fragments.filter((fragment) => fragment.initSha256 === init);
  }

  async #build(fragments: readonly StoredFragment[]): Promise<PlainMp4> {
    const sha256 = fragments[0]?.initSha256 ?? '';
    const init = await this.#footage.init(sha256);
    if (!init) throw new Fault('corrupt', 'LR_BLOB_MISSING', `init segment ${sha256} is not in the store`);
    return buildPlainMp4(this.#blobs, init, fragments);
  }
}

function segmentBytes(blobs: BlobStore, fragments: readonly StoredFragment[]): SegmentBytes {
  return {
    bytes: fragments.reduce((sum, fragment) => sum + fragment.bytes, 0),
    async *read() {
      for (const fragment of fragments) yield await readFragment(blobs, fragment, 0, fragment.bytes);
    },
  };
}

function none(camera: string): Fault {
  return new Fault('not-found', 'LR_FOOTAGE_NONE', `this pull brought no footage of camera ${camera}`);
}

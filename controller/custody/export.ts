/**
 * A pull with all that proves it, as one zip (docs/verification.md): footage as plain MP4, what is needed to hash every fragment again,
 * the unit's own records with their signatures, and a manifest that the centre signs. Streamed: memory holds the fragments' names, the
 * head of one MP4 and a page of records.
 */
import type { KeyObject } from 'node:crypto';
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { encodeFragmentBox, type FragmentMeta } from '@longroof/protocol/fragment';
import { signStatement } from '@longroof/protocol/signed';
import { FootageReader, type PullInfo } from '../playback/footage.js';
import { buildPlainMp4 } from '../playback/plain-mp4.js';
import { readFragment, readHead, type StoredFragment } from '../playback/stored-fragment.js';
import type { BlobStore } from '../store/blobs.js';
import type { Db } from '../store/open.js';
import { storedStatement } from '../store/receipt.js';
import type { EpochTable, PullTable, ReelTable } from '../store/tables.js';
import { missingOf, shapePull } from './about-pull.js';
import { Answers } from './answers.js';
import { ExportClocks } from './clocks.js';
import { countersignedLines, countersigners } from './countersigned.js';
import { rowsOf } from './fragment-rows.js';
import { partTimes } from './part-times.js';
import { READ_ME } from './read-me.js';
import { RecordReader, type Segment } from './records.js';
import { proveReel, reelsOf, runsOf } from './reels.js';
import type { ExportEpoch, ExportFootage, ExportManifest, ExportStatement } from './statement.js';
import { type ZipContent, ZipWriter } from './zip-writer.js';

export interface ExporterOptions {
  db: Db;
  blobs: BlobStore;
  clock: Clock;
  /** Of usage `receipt`. */
  signer: { key: KeyObject; certPem: string };
  rootPem: string;
  storeEpoch: string;
  version: string;
}

export interface ExportRequest {
  pullId: string;
  person: string;
  reason: string;
}

export interface PullExport {
  fileName: string;
  /** Once. `done` is called when the last byte was taken, with the SHA-256 of the manifest. */
  read(done: (manifestSha256: string) => Promise<void>): AsyncGenerator<Buffer, void, undefined>;
}

/** 8 cameras for seven hours. */
const FRAGMENTS_MAX = 200_000;
/** Of a file whose size is not known before. */
const FILE_BYTES_MAX = 2 ** 32 - 2;
const ROOT = 'certificates/root.crt';
const SIGNER = 'certificates/signer.crt';

/** The footage of one MP4. */
interface Item extends Omit<ExportFootage, 'fromUtcMs' | 'toUtcMs'> {
  stored: StoredFragment[];
}

interface Lived {
  row: EpochTable;
  segments: Segment[];
}

interface Plan {
  pull: PullTable;
  items: readonly Item[];
  reels: ReadonlyMap<Item, ReelTable[]>;
  lives: readonly Lived[];
}

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #footage: FootageReader;
  readonly #records: RecordReader;
  readonly #answers: Answers;

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#footage = new FootageReader(options.db);
    this.#records = new RecordReader(options.db);
    this.#answers = new Answers(options);
  }

  /** Throws LR_PULL_UNKNOWN, LR_EXPORT_NOT_YET, LR_EXPORT_SIZE, LR_STORE_SEGMENT: once it is being read there is nobody to be told. */
  async prepare(request: ExportRequest): Promise<PullExport> {
    const pull = await this.#options.db.selectFrom('pull').selectAll().where('id', '=', request.pullId).executeTakeFirst();
    const info = await this.#footage.pull(request.pullId);
    if (!pull || !info) throw new Fault('not-found', 'LR_PULL_UNKNOWN', `there is no pull ${request.pullId}`);
    if (!info.ended)
      throw new Fault('conflict', 'LR_EXPORT_NOT_YET', 'this pull has not ended yet', { hint: 'Export it once all of it is here.' });
    const items = await this.#items(pull, info);
    const reels = new Map<Item, ReelTable[]>();
    for (const item of items) reels.set(item, await reelsOf(this.#options.db, item.stored));
    const lives: Lived[] = [];
    for (const epoch of await this.#epochsOf(pull, items)) lives.push(await this.#lived(pull, epoch, items, reels));
    return {
      fileName: `${pull.unit}_${pull.id.slice(0, 8)}.zip`,
      read: (done) => this.#read(request, { pull, items, reels, lives }, done),
    };
  }

  async #items(pull: PullTable, info: PullInfo): Promise<Item[]> {
    const items: Item[] = [];
    let count = 0;
    for (const camera of JSON.parse(pull.cameras_json) as string[]) {
      const all = await this.#footage.all(info, camera);
      count += all.length;
      if (count > FRAGMENTS_MAX)
        throw new Fault('too-large', 'LR_EXPORT_SIZE', `an export holds at most ${FRAGMENTS_MAX} fragments`, {
          hint: 'Request shorter times and export each.',
        });
      for (const [index, init] of [...new Set(all.map((fragment) => fragment.initSha256))].entries()) {
        const stored = all.filter((fragment) => fragment.initSha256 === init);
        const name = index === 0 ? camera : `${camera}.${index + 1}`;
        items.push({
          camera,
          rendition: stored[0]?.rendition ?? pull.rendition,
          file: `footage/${name}.mp4`,
          fragments: `proof/${name}.fragments`,
          init: `proof/${name}.init.mp4`,
          count: stored.length,
          stored,
        });
      }
    }
    return items;
  }

  async *#read(request: ExportRequest, { pull, items, reels, lives }: Plan, done: (manifestSha256: string) => Promise<void>) {
    const { clock, signer, rootPem, storeEpoch, version } = this.#options;
    const utcMs = Math.round(clock.utc());
    const zip = new ZipWriter(utcMs);
    const add = (name: string, content: ZipContent, bytesMax = FILE_BYTES_MAX) => zip.add(name, content, bytesMax);
    yield* add('README.txt', [Buffer.from(READ_ME)]);
    yield* add(ROOT, [Buffer.from(rootPem)]);
    yield* add(SIGNER, [Buffer.from(signer.certPem)]);
    const epochs: ExportEpoch[] = [];
    for (const lived of lives) epochs.push(yield* this.#addEpoch(zip, lived));
    const clocks = await ExportClocks.read(this.#options.db, pull.unit, epochs);
    const footage: ExportFootage[] = [];
    for (const item of items) footage.push(yield* this.#addFootage(zip, item, clocks));
    yield* add('proof/reels.jsonl', this.#reelLines(items, reels));
    yield* add('proof/stored.jsonl', this.#storedLines(items));
    yield* this.#addCentresWord(zip, pull, epochs);
    const manifest: ExportManifest = {
      what: 'longroof-manifest-1',
      unit: pull.unit,
      pull: shapePull(pull),
      export: { person: request.person, reason: request.reason, utcMs, storeEpoch, version },
      root: ROOT,
      signer: SIGNER,
      epochs,
      footage,
      missing: await missingOf(this.#options.db, pull),
      files: [...zip.written],
    };
    const text = canonicalJson(manifest as unknown as Json);
    yield* add('manifest.json', [Buffer.from(text)]);
    const manifestSha256 = sha256Hex(text);
    const statement: ExportStatement = {
      what: 'longroof-export-1',
      unit: pull.unit,
      pullId: pull.id,
      person: request.person,
      utcMs,
      storeEpoch,
      manifestSha256,
    };
    yield* add('signature.json', [Buffer.from(canonicalJson(signStatement(signer.key, statement) as unknown as Json))]);
    yield* zip.end();
    await done(manifestSha256);
  }

  /** Its signatures under the unit's checkpoints, and its answer to whoever asked. */
  async *#addCentresWord(zip: ZipWriter, pull: PullTable, epochs: readonly ExportEpoch[]) {
    const { db } = this.#options;
    const keys = new Set<string>();
    const countersigned = countersignedLines(db, pull.unit, epochs, (keyId) => keys.add(keyId));
    yield* zip.add('proof/countersigned.jsonl', countersigned, FILE_BYTES_MAX);
    for (const { file, pem } of await countersigners(db, keys)) yield* zip.add(file, [Buffer.from(pem)], FILE_BYTES_MAX);
    const answer = canonicalJson((await this.#answers.ofPull(pull.id)) as unknown as Json);
    yield* zip.add('proof/answer.json', [Buffer.from(answer)], FILE_BYTES_MAX);
  }

  /** Those of the footage; of a pull without any, the one that the unit lives in now. */
  async #epochsOf(pull: PullTable, items: readonly Item[]): Promise<string[]> {
    const { db } = this.#options;
    const epochs = new Set(items.flatMap((item) => runsOf(item.stored).map((run) => run.first.epoch)));
    const unit = await db.selectFrom('unit').select('epoch').where('unit', '=', pull.unit).executeTakeFirst();
    if (epochs.size === 0 && unit?.epoch) epochs.add(unit.epoch);
    return [...epochs];
  }

  /** A life of the unit's spool, and which of its records are needed; all of them can be read. */
  async #lived(pull: PullTable, epoch: string, items: readonly Item[], reels: ReadonlyMap<Item, ReelTable[]>): Promise<Lived> {
    const { db } = this.#options;
    const row = await db.selectFrom('epoch').selectAll().where('unit', '=', pull.unit).where('epoch', '=', epoch).executeTakeFirstOrThrow();
    const segments = await this.#records.segments({
      unit: pull.unit,
      epoch,
      pullId: pull.id,
      pullCreatedUtcMs: pull.created_utc_ms,
      fromUtcMs: pull.from_utc_ms,
      toUtcMs: pull.to_utc_ms,
      cameras: JSON.parse(pull.cameras_json) as string[],
      rendition: pull.rendition,
      parts: await partTimes(db, epoch, items),
      reels: [...reels.values()].flat().filter((reel) => reel.epoch === epoch),
    });
    for (const segment of segments) await this.#records.check(row, segment);
    return { row, segments };
  }

  async *#addEpoch(zip: ZipWriter, { row, segments }: Lived) {
    const { epoch, unit_certificate_pem: pem } = row;
    const shape: ExportEpoch = {
      epoch,
      journalKey: row.journal_key_pem,
      certificate: pem === null ? null : `certificates/unit-${epoch}.crt`,
      startedUtcMs: row.started_utc_ms,
      journal: [],
    };
    if (pem !== null && shape.certificate !== null) yield* zip.add(shape.certificate, [Buffer.from(pem)], FILE_BYTES_MAX);
    for (const segment of segments) {
      const file = `journal/${epoch}-${segment.first}.jsonl`;
      yield* zip.add(file, this.#records.lines(row, segment), FILE_BYTES_MAX);
      shape.journal.push({ file, ...segment });
    }
    return shape;
  }

  async *#addFootage(zip: ZipWriter, item: Item, clocks: ExportClocks): AsyncGenerator<Buffer, ExportFootage, undefined> {
    const { blobs } = this.#options;
    const sha256 = item.stored[0]?.initSha256 ?? '';
    const init = await this.#footage.init(sha256);
    if (!init) throw new Fault('corrupt', 'LR_BLOB_MISSING', `init segment ${sha256} is not in the store`);
    yield* zip.add(item.init, [init], FILE_BYTES_MAX);
    const times = { fromUtcMs: Number.POSITIVE_INFINITY, toUtcMs: Number.NEGATIVE_INFINITY };
    const seen = (meta: FragmentMeta): void => {
      const startUtcMs = clocks.startOf(meta);
      times.fromUtcMs = Math.min(times.fromUtcMs, startUtcMs);
      times.toUtcMs = Math.max(times.toUtcMs, startUtcMs + meta.duration90k / 90);
    };
    yield* zip.add(item.fragments, this.#fragmentHeads(item, seen), FILE_BYTES_MAX);
    const file = await buildPlainMp4(blobs, init, item.stored);
    yield* zip.add(item.file, file.read(0, file.bytes), file.bytes);
    const { stored: _, ...footage } = item;
    return { ...footage, ...times };
  }

  /** Of each fragment its metadata box and what of its own bytes is not in the MP4: `moof` and the header of `mdat`. */
  async *#fragmentHeads(item: Item, seen: (meta: FragmentMeta) => void): AsyncGenerator<Buffer, void, undefined> {
    const { blobs } = this.#options;
    let index = 0;
    for await (const row of rowsOf(this.#options.db, item.stored)) {
      const fragment = item.stored[index++] as StoredFragment;
      const { payloadAt } = await readHead(blobs, fragment);
      const meta = JSON.parse(row.meta_json) as FragmentMeta;
      seen(meta);
      yield Buffer.concat([encodeFragmentBox(meta), await readFragment(blobs, fragment, 0, payloadAt)]);
    }
  }

  async *#reelLines(items: readonly Item[], reels: ReadonlyMap<Item, ReelTable[]>): AsyncGenerator<Buffer, void, undefined> {
    for (const item of items) {
      const mine = new Map<string, Set<number>>();
      for (const { epoch, run, seq } of item.stored) mine.set(`${epoch}/${run}`, (mine.get(`${epoch}/${run}`) ?? new Set()).add(seq));
      for (const reel of reels.get(item) ?? []) {
        const proof = await proveReel(this.#options.db, reel, mine.get(`${reel.epoch}/${reel.run}`) ?? new Set());
        if (proof) yield Buffer.from(`${canonicalJson(proof as unknown as Json)}\n`);
      }
    }
  }

  async *#storedLines(items: readonly Item[]): AsyncGenerator<Buffer, void, undefined> {
    for (const item of items)
      for await (const row of rowsOf(this.#options.db, item.stored))
        yield Buffer.from(`${canonicalJson(storedStatement(row, this.#options.storeEpoch) as unknown as Json)}\n`);
  }
}

/**
 * The journal's records: numbered, chained by SHA-256 over canonical JSON, checkpoints signed (ECDSA P-256, SHA-256, IEEE P1363).
 * `prev` of the first record of an epoch is 64 zeros. On the wire `prev` stands in the first record of a batch only: the receiver
 * computes the others and compares the head.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import type { MonoMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Rendition, WallClaim } from './fragment.js';
import { isWallClaim } from './fragment.js';
import type { GapCause } from './gap.js';

export const JOURNAL_TYPES = [
  'genesis',
  'run',
  'health',
  'track',
  'event',
  'catalog',
  'gap',
  'clock',
  'power',
  'dispose',
  'loss',
  'hold',
  'done',
  'update',
  'key',
  'checkpoint',
] as const;
export type JournalType = (typeof JOURNAL_TYPES)[number];

export interface JournalBodies {
  /** First of an epoch. `previous` is the head of the epoch before, if its disk could be read. */
  genesis: { unit: string; epoch: string; journalKey: string; previous: { epoch: string; seq: number; hash: string } | null };
  run: {
    boot: string;
    startMonoMs: MonoMs;
    version: string;
    configSha256: string;
    cameras: { camera: string; renditions: Rendition[] }[];
    ended: 'first' | 'clean' | 'agent-restart' | 'power-cut';
  };
  health: Record<string, Json>;
  /** Positions: see `TrackPoint`; only fixes that are new. */
  track: { points: number[][] };
  event: { event: string; camera?: string; rendition?: Rendition; detail?: Record<string, Json> };
  /** One closed reel. */
  catalog: CatalogBody;
  gap: GapBody;
  /** From `monoMs` of this run on, wall = mono + offsetMs, by this source, within errorMs. */
  clock: { atMonoMs: MonoMs; offsetMs: number; source: WallClaim['source']; errorMs: number };
  power: Record<string, Json>;
  dispose: DisposalBody;
  loss: DisposalBody;
  hold: {
    holdId: string;
    action: 'placed' | 'refused' | 'released';
    owner: string;
    fromUtcMs: number;
    toUtcMs: number;
    cameras: string[];
    reviewUtcMs: number;
    /** Also copies and strips; left out where they are not held. */
    made?: true;
    bytes: number;
    reason?: string;
  };
  done: DoneBody;
  update: Record<string, Json>;
  key: Record<string, Json>;
  /** Signature over `checkpointBytes`: the hash of the record before this one, which it closes. */
  checkpoint: { head: string; signature: string };
}

export interface CatalogBody {
  camera: string;
  rendition: Rendition;
  run: number;
  seqFirst: number;
  count: number;
  startMonoMs: MonoMs;
  durationMs: number;
  bytes: number;
  /** Hex Merkle root (RFC 6962) of the fragments' SHA-256, in order of seq. */
  root: string;
  initSha256: string;
  codec: string;
  lostPackets: number;
  /** Given where the record's own wall time, carried back, would date the start wrongly: the clock was set since, or is of another boot. */
  startWall?: WallClaim;
}

export interface GapBody {
  camera: string;
  rendition: Rendition;
  /** Times of the run `run` of boot `boot`; a gap that spans a restart ends in the run that wrote the record. */
  fromMonoMs: MonoMs;
  durationMs: number;
  /** Given where a boot lies between: monotonic time does not reach across it. */
  fromWall?: WallClaim;
  cause: GapCause;
  detail?: string;
}

export interface DisposalBody {
  camera: string;
  rendition: Rendition;
  run: number;
  seqFirst: number;
  count: number;
  bytes: number;
  root: string;
  reason: 'released' | 'expired' | 'over-limit' | 'no-space' | 'damaged' | 'missing';
  /** With any reason but `released`: runs of fragments for which there was a receipt all the same, `[seqFirst, seqLast, bytes]`. */
  receipted?: [number, number, number][];
}

/** What became of a pull. `planned` comes first, then one of the others. */
export interface DoneBody {
  pullId: string;
  state: 'planned' | 'complete' | 'partial' | 'refused';
  /**
   * Set with `planned`: runs of fragments that will be sent, per camera. `root`: hex Merkle root of their SHA-256, in order of seq, so
   * that the journal also vouches for fragments whose reel is not closed yet.
   */
  parts?: DonePart[];
  missing?: { camera: string; rendition: Rendition; fromUtcMs: number; toUtcMs: number; cause: GapCause }[];
  /** Set with `planned` where the parts are of rendition `derived`: how they were made. */
  derived?: DerivedBy;
  /** Why it was refused. */
  code?: string;
}

export interface DonePart {
  camera: string;
  rendition: Rendition;
  run: number;
  seqFirst: number;
  seqLast: number;
  bytes: number;
  root?: string;
  /** Of a derived part: what it was made from, in order of time. */
  from?: DerivedFrom[];
}

/** Consecutive fragments as the camera sent them; `root` is the Merkle root of their SHA-256, in order of seq. */
export interface DerivedFrom {
  rendition: Rendition;
  run: number;
  seqFirst: number;
  seqLast: number;
  root: string;
}

export interface DerivedBy {
  rateBps: number;
  /** A name and version, and the encoder. */
  tool: string;
  /** Pictures are made no higher than this, in lines. */
  heightMax: number;
  /** Distance of key frames. */
  keyMs: number;
  /** Sound is left out. */
  audio: boolean;
}

export interface JournalRecord<T extends JournalType = JournalType> {
  seq: number;
  run: number;
  monoMs: MonoMs;
  wall: WallClaim;
  type: T;
  body: JournalBodies[T];
  /** Hex SHA-256 of the record before it. */
  prev: string;
}

export const GENESIS_PREV = '0'.repeat(64);

/** The bytes that are hashed and stored, one line of the journal's file. */
export function recordText(record: JournalRecord): string {
  return canonicalJson(record as unknown as Json);
}

export function recordHash(record: JournalRecord | string): string {
  return sha256Hex(typeof record === 'string' ? record : recordText(record));
}

export const RECORD_BYTES_MAX = 64 * 1024;

/** Checks the frame of a record (not its body); throws `corrupt` (LR_JOURNAL_RECORD). */
export function checkRecord(value: unknown): JournalRecord {
  const record = (typeof value === 'object' && value !== null ? value : {}) as Partial<JournalRecord>;
  const wrong = (key: string): never => {
    throw new Fault('corrupt', 'LR_JOURNAL_RECORD', `journal record: ${key} is wrong`);
  };
  if (!Number.isSafeInteger(record.seq) || record.seq! < 0) wrong('seq');
  if (!Number.isSafeInteger(record.run) || record.run! < 0) wrong('run');
  if (typeof record.monoMs !== 'number' || !Number.isFinite(record.monoMs)) wrong('monoMs');
  if (!isWallClaim(record.wall)) wrong('wall');
  if (!(JOURNAL_TYPES as readonly unknown[]).includes(record.type)) wrong('type');
  if (typeof record.body !== 'object' || record.body === null || Array.isArray(record.body)) wrong('body');
  if (typeof record.prev !== 'string' || !/^[0-9a-f]{64}$/.test(record.prev)) wrong('prev');
  return record as JournalRecord;
}

export function checkpointBytes(unit: string, epoch: string, seq: number, head: string): Buffer {
  return Buffer.from(canonicalJson({ what: 'longroof-checkpoint-1', unit, epoch, seq, head }));
}

/** Base64url signature over any bytes with a P-256 private key (PEM or KeyObject). */
export function signBytes(key: KeyObject | string, bytes: Uint8Array): string {
  const object = typeof key === 'string' ? createPrivateKey(key) : key;
  return sign('sha256', bytes, { key: object, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

export function verifyBytes(key: KeyObject | string, bytes: Uint8Array, signature: string): boolean {
  const object = typeof key === 'string' ? createPublicKey(key) : key;
  return verify('sha256', bytes, { key: object, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
}

/** `journal` message: gzip of canonical JSON `{epoch, records}`; only the first record keeps `prev`. */
export interface JournalBatch {
  epoch: string;
  records: JournalRecord[];
  /** Hash of the last record. */
  head: string;
}

export const BATCH_RECORDS_MAX = 500;
export const BATCH_BYTES_MAX = 64 * 1024;
const BATCH_PLAIN_BYTES_MAX = 4 * 1024 * 1024;

export function encodeBatch(batch: JournalBatch): Buffer {
  const records = batch.records.map((record, index) => (index === 0 ? record : { ...record, prev: undefined }));
  return gzipSync(canonicalJson({ epoch: batch.epoch, head: batch.head, records: records as unknown as Json }), { level: 9 });
}

/** Restores `prev` of every record and checks that the chain within the batch ends in `head`; throws `corrupt` (LR_JOURNAL_BATCH). */
export function decodeBatch(message: Uint8Array): JournalBatch {
  return readBatch(message).batch;
}

/** The same with what the check makes anyway: the `recordText` of each record. */
export function readBatch(message: Uint8Array): { batch: JournalBatch; texts: string[] } {
  const bad = (why: string): never => {
    throw new Fault('corrupt', 'LR_JOURNAL_BATCH', `journal batch: ${why}`);
  };
  if (message.length > BATCH_BYTES_MAX) bad('too large');
  let value: { epoch?: unknown; head?: unknown; records?: unknown } = {};
  try {
    value = JSON.parse(gunzipSync(message, { maxOutputLength: BATCH_PLAIN_BYTES_MAX }).toString('utf8')) as typeof value;
  } catch {
    bad('not gzip of JSON');
  }
  if (typeof value !== 'object' || value === null) bad('not an object');
  if (typeof value.epoch !== 'string' || !/^[0-9a-f]{32}$/.test(value.epoch)) bad('epoch is wrong');
  if (!Array.isArray(value.records) || value.records.length === 0 || value.records.length > BATCH_RECORDS_MAX)
    bad('count of records is wrong');
  const records: JournalRecord[] = [];
  const texts: string[] = [];
  let prev: string | undefined;
  for (const item of value.records as object[]) {
    const record = checkRecord(prev === undefined ? item : { ...item, prev });
    const before = records.at(-1);
    if (before && record.seq !== before.seq + 1) bad('seq does not rise by one');
    records.push(record);
    const text = recordText(record);
    texts.push(text);
    prev = recordHash(text);
  }
  if (prev !== value.head) bad('head does not follow from its records');
  return { batch: { epoch: value.epoch as string, records, head: prev as string }, texts };
}

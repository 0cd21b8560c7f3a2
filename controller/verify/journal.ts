/**
 * A unit's records: numbered, each with the SHA-256 of the one before it, checkpoints signed with the unit's journal key. What is signed
 * is a stretch's last checkpoint and, by the hashes, everything in front of it; records behind it prove nothing yet.
 */
import type { KeyObject } from 'node:crypto';
import { canonicalJson, sha256Hex } from '@longroof/base/canonical';
import { type Epoch, fileOf, isCount, isHash, isName, isNumber, isText, lines, parseCanonical } from './documents.js';
import { broken } from './source.js';
import { isSigned } from './trust.js';
import type { ZipEntry } from './zip.js';

export interface Wall {
  utcMs: number;
  source: string;
  errorMs: number;
}

interface Framed {
  seq: number;
  run: number;
  monoMs: number;
  wall: Wall;
}

export interface CatalogRecord extends Framed {
  camera: string;
  rendition: string;
  reelRun: number;
  seqFirst: number;
  count: number;
  startMonoMs: number;
  durationMs: number;
  root: string;
  initSha256: string;
  /** When it began, where the record's own wall time would say that wrongly. */
  startWall: Wall | undefined;
}

export interface GapRecord extends Framed {
  camera: string;
  rendition: string;
  fromMonoMs: number;
  durationMs: number;
  fromWall: Wall | undefined;
  cause: string;
}

export interface ClockRecord extends Framed {
  atMonoMs: number;
  offsetMs: number;
  source: string;
  errorMs: number;
}

export interface PlanPart {
  camera: string;
  rendition: string;
  run: number;
  seqFirst: number;
  seqLast: number;
  root: string | undefined;
  /** Of a copy: what it was made from. */
  from: { rendition: string; run: number; seqFirst: number; seqLast: number; root: string }[];
}

/** How copies were made. */
export interface Derived {
  rateBps: number;
  tool: string;
  audio: boolean;
}

/** What one epoch's signed records say. */
export interface Journal {
  epoch: string;
  records: number;
  checkpoints: number;
  /** SHA-256 of each checkpoint record, by seq. */
  checkpointHashes: Map<number, string>;
  /** Records behind the last checkpoint of their stretch. */
  unsigned: number;
  /** Signed stretches, by seq. */
  stretches: { first: number; last: number; receivedUtcMs: number }[];
  catalogs: CatalogRecord[];
  gaps: GapRecord[];
  clocks: ClockRecord[];
  /** Boot of each run. */
  boots: Map<number, string>;
  /** The last plan for the pull, and how it ended. */
  plan: { seq: number; parts: PlanPart[]; derived: Derived | undefined } | undefined;
  ended: { seq: number; state: string; code: string | undefined } | undefined;
}

interface Parsed extends Framed {
  type: string;
  body: Record<string, unknown>;
  prev: string;
  hash: string;
}

const GENESIS_PREV = '0'.repeat(64);
const bad = (why: string) => broken('LR_PROOF_JOURNAL', why);

/** Throws LR_PROOF_JOURNAL at the first record that does not follow. */
export function readJournal(
  entries: ReadonlyMap<string, ZipEntry>,
  epoch: Epoch,
  about: { unit: string; pullId: string },
  key: KeyObject,
): Journal {
  const journal: Journal = {
    epoch: epoch.epoch,
    records: 0,
    checkpoints: 0,
    checkpointHashes: new Map(),
    unsigned: 0,
    stretches: [],
    catalogs: [],
    gaps: [],
    clocks: [],
    boots: new Map(),
    plan: undefined,
    ended: undefined,
  };
  let after = -1;
  for (const segment of epoch.journal) {
    if (segment.first <= after) throw bad(`${segment.file} comes twice`);
    after = segment.last;
    const records = readSegment(entries, segment, epoch, about.unit, key);
    const end = records.findLastIndex((record) => record.type === 'checkpoint');
    journal.records += records.length;
    journal.unsigned += records.length - 1 - end;
    const signed = records.slice(0, end + 1);
    if (signed.length > 0)
      journal.stretches.push({ first: segment.first, last: (signed.at(-1) as Parsed).seq, receivedUtcMs: segment.receivedUtcMs });
    for (const record of signed) take(journal, record, about.pullId);
  }
  return journal;
}

function readSegment(
  entries: ReadonlyMap<string, ZipEntry>,
  segment: Epoch['journal'][number],
  epoch: Epoch,
  unit: string,
  key: KeyObject,
): Parsed[] {
  const { file, first, last } = segment;
  const records: Parsed[] = [];
  let prev = first === 0 ? GENESIS_PREV : undefined;
  for (const line of lines(fileOf(entries, file).content, 'LR_PROOF_JOURNAL')) {
    const seq = first + records.length;
    const record = parse(line, seq);
    if (record.seq !== seq || (prev !== undefined && record.prev !== prev))
      throw bad(`record ${seq} in ${file} does not follow from the one before it: a record was changed, moved or taken out`);
    if (record.type === 'checkpoint') checkCheckpoint(record, unit, epoch.epoch, key);
    if (seq === 0) checkGenesis(record, unit, epoch);
    record.hash = sha256Hex(line);
    records.push(record);
    prev = record.hash;
  }
  if (records.length !== last - first + 1) throw bad(`${file} has ${records.length} records where ${last - first + 1} should be`);
  return records;
}

function parse(line: Buffer, seq: number): Parsed {
  const value = parseCanonical(line, 'LR_PROOF_JOURNAL', `record ${seq}`) as unknown as Parsed;
  const isObject = (one: unknown): boolean => typeof one === 'object' && one !== null && !Array.isArray(one);
  const ok =
    isCount(value.seq) &&
    isCount(value.run) &&
    isNumber(value.monoMs) &&
    isText(value.type) &&
    isHash(value.prev) &&
    isObject(value.body) &&
    isWall(value.wall);
  if (!ok) throw bad(`record ${seq} has not the form of one`);
  return value;
}

function isWall(value: unknown): value is Wall {
  const wall = value as Partial<Wall> | null | undefined;
  return (
    typeof wall === 'object' && wall !== null && isNumber(wall.utcMs) && isText(wall.source) && isNumber(wall.errorMs) && wall.errorMs >= 0
  );
}

/** The signature covers the hash of the record in front of it, with unit, epoch and its number. */
function checkCheckpoint({ seq, body, prev }: Parsed, unit: string, epoch: string, key: KeyObject): void {
  const { head, signature } = body;
  const bytes = Buffer.from(canonicalJson({ epoch, head: prev, seq: seq - 1, unit, what: 'longroof-checkpoint-1' }));
  if (head !== prev || !isText(signature) || !isSigned(key, bytes, signature)) throw bad(`the signature of checkpoint ${seq} does not fit`);
}

function checkGenesis({ type, body }: Parsed, unit: string, epoch: Epoch): void {
  if (type !== 'genesis' || body['unit'] !== unit || body['epoch'] !== epoch.epoch || body['journalKey'] !== epoch.journalKey)
    throw bad('the first record of the journal names another unit, epoch or key');
}

/** Members that are not as they should be make a record say nothing; it stays a link of the chain. */
function take(journal: Journal, { type, body, seq, run, monoMs, wall, hash }: Parsed, pullId: string): void {
  const framed = { seq, run, monoMs, wall };
  if (type === 'checkpoint') {
    journal.checkpoints += 1;
    journal.checkpointHashes.set(seq, hash);
  }
  if (type === 'run' && isText(body['boot'])) journal.boots.set(run, body['boot']);
  if (type === 'catalog') takeCatalog(journal, framed, body);
  if (type === 'gap' && isStream(body) && isNumber(body['fromMonoMs']) && isNumber(body['durationMs']) && isText(body['cause'])) {
    const { camera, rendition, fromMonoMs, durationMs, cause, fromWall } = body as unknown as GapRecord;
    journal.gaps.push({ ...framed, camera, rendition, fromMonoMs, durationMs, cause, fromWall: isWall(fromWall) ? fromWall : undefined });
  }
  if (type === 'clock' && [body['atMonoMs'], body['offsetMs'], body['errorMs']].every(isNumber) && isText(body['source'])) {
    const { atMonoMs, offsetMs, source, errorMs } = body as unknown as ClockRecord;
    journal.clocks.push({ ...framed, atMonoMs, offsetMs, source, errorMs });
  }
  if (type === 'done' && body['pullId'] === pullId) takeDone(journal, seq, body);
}

function isStream(body: Record<string, unknown>): boolean {
  return isName(body['camera']) && isText(body['rendition']);
}

function takeCatalog(journal: Journal, framed: Framed, body: Record<string, unknown>): void {
  const { camera, rendition, run, seqFirst, count, startMonoMs, durationMs, root, initSha256, startWall } =
    body as unknown as CatalogRecord;
  const ok =
    isStream(body) &&
    [run, seqFirst, count].every(isCount) &&
    [startMonoMs, durationMs].every(isNumber) &&
    [root, initSha256].every(isHash);
  if (!ok) return;
  const reel = { camera, rendition, reelRun: run, seqFirst, count, startMonoMs, durationMs, root, initSha256 };
  journal.catalogs.push({ ...framed, ...reel, startWall: isWall(startWall) ? startWall : undefined });
}

function takeDone(journal: Journal, seq: number, body: Record<string, unknown>): void {
  const { state, code, parts } = body;
  if (state !== 'planned') {
    if (isText(state)) journal.ended = { seq, state, code: isText(code) ? code : undefined };
    return;
  }
  const read: PlanPart[] = [];
  for (const part of Array.isArray(parts) ? (parts as Record<string, unknown>[]) : []) {
    if (!isStream(part) || ![part['run'], part['seqFirst'], part['seqLast']].every(isCount)) continue;
    const { camera, rendition, run, seqFirst, seqLast, root } = part as unknown as PlanPart;
    read.push({ camera, rendition, run, seqFirst, seqLast, root: isHash(root) ? root : undefined, from: readFrom(part['from']) });
  }
  journal.plan = { seq, parts: read, derived: readDerived(body['derived']) };
}

function readFrom(from: unknown): PlanPart['from'] {
  return (Array.isArray(from) ? (from as Record<string, unknown>[]) : []).flatMap((one) => {
    const { rendition, run, seqFirst, seqLast, root } = (one ?? {}) as unknown as PlanPart['from'][number];
    return isText(rendition) && [run, seqFirst, seqLast].every(isCount) && isHash(root)
      ? [{ rendition, run, seqFirst, seqLast, root }]
      : [];
  });
}

function readDerived(value: unknown): Derived | undefined {
  const { rateBps, tool, audio } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  return isCount(rateBps) && isText(tool) && typeof audio === 'boolean' ? { rateBps, tool, audio } : undefined;
}

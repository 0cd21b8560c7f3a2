/**
 * One pull of a scripted unit at a real centre, exported: two reels of real fragments, of which the pull takes a part, catalogue records,
 * a clock, checkpoints. What of it is done or left out is the test's choice. And a forger, who holds the centre's key.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import { systemClock } from '@longroof/base/clock';
import { Exporter } from '@longroof/controller/custody/export';
import { ZipWriter } from '@longroof/controller/custody/zip-writer';
import { type MadeFootage, makeFootage } from '@longroof/controller/playback/test-footage';
import type { Source } from '@longroof/controller/verify/source';
import { examine } from '@longroof/controller/verify/verify';
import { type Report, report } from '@longroof/controller/verify/words';
import { readZip } from '@longroof/controller/verify/zip';
import { startWallOf } from '@longroof/edge-agent/spool/reel-clock';
import { WallBook } from '@longroof/edge-agent/spool/wall-book';
import type { KeyAndCertificate } from '@longroof/protocol/authority';
import type { WallClaim } from '@longroof/protocol/fragment';
import { merklePath, merkleRoot } from '@longroof/protocol/merkle';
import { signStatement } from '@longroof/protocol/signed';
import type { ClockAnchor } from '@longroof/protocol/wall';
import { type Centre, startCentre } from '../ingest/centre.js';
import { ScriptedUnit, START_MONO_MS, type TestFragment } from '../ingest/scripted-unit.js';
import { until } from '../peers/program.js';

export const FRAGMENTS = 8;
const REEL = 4;
const stream = { camera: 'front', rendition: 'proxy' as const };
let made: MadeFootage | undefined;

export interface Scene {
  centre: Centre;
  unit: ScriptedUnit;
  signer: KeyAndCertificate;
  root: X509Certificate;
  pullId: string;
  /** Of the unit's clock. */
  anchors: readonly ClockAnchor[];
  zip: Buffer;
}

type Keeper = Pick<WallClaim, 'source' | 'errorMs'>;

export interface SceneOptions {
  /** Numbers of the fragments that are pulled. */
  seqs?: number[];
  /** No catalogue record and no path for the second reel. */
  openReel?: boolean;
  /** What the unit believes while it records; a clock record says so at the beginning. */
  clock?: Keeper;
  /** What it believes from `atSeconds` on, as a clock record behind the footage says, and by how much that differs. */
  next?: Keeper & { atSeconds: number; byMs: number };
  /** Not in the unit's plan. */
  withoutRoot?: boolean;
  /** No checkpoint after the last records. */
  unsigned?: boolean;
  /** Done to the centre's database before the export. */
  spoil?: (centre: Centre) => Promise<unknown>;
}

export async function makeScene(dir: string, options: SceneOptions = {}): Promise<Scene> {
  made ??= makeFootage({ seconds: FRAGMENTS });
  const footage = made;
  const centre = await startCentre(dir);
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  unit.begin();
  const anchors: ClockAnchor[] = [];
  const anchor = (seconds: number, byMs: number, { source, errorMs }: Keeper): void => {
    anchors.push({ atMonoMs: START_MONO_MS + seconds * 1000, offsetMs: unit.utcOf(0) + byMs, source, errorMs });
    unit.record('clock', anchors.at(-1) as ClockAnchor);
  };
  anchor(0, 0, options.clock ?? { source: 'gnss', errorMs: 40 });
  unit.checkpoint();
  await unit.join();
  const fragments = footage.fragments.map((one, seq) =>
    unit.fragment(seq, one.bytes, { initSha256: footage.initSha256, codec: 'avc1.42c00b', ...claimOf(unit, seq, options.clock) }),
  );
  unit.monoMs += 10_000;
  if (options.next) anchor(options.next.atSeconds, options.next.byMs, options.next);
  for (let first = 0; first < FRAGMENTS; first += REEL)
    if (first === 0 || !options.openReel) catalog(unit, fragments.slice(first, first + REEL), anchors);
  unit.checkpoint();
  const seqs = options.seqs ?? [1, 2, 3, 4, 5];
  const times = { fromUtcMs: unit.utcOf(START_MONO_MS), toUtcMs: unit.utcOf(START_MONO_MS) + 8000 };
  const asked = { unitId: 'wagon-1', cameras: ['front'], ...times, rendition: 'proxy' as const, reason: 'a stolen bicycle' };
  const pullId = await centre.pulls.create('anna', asked);
  const parts = partsOf(seqs, fragments).map((part) => (options.withoutRoot ? { ...part, root: undefined } : part));
  unit.record('done', { pullId, state: 'planned', parts: parts as never, missing: [] });
  unit.record('done', { pullId, state: seqs.length > 0 ? 'complete' : 'refused', ...(seqs.length > 0 ? {} : { code: 'LR_PULL_CAMERA' }) });
  if (!options.unsigned) unit.checkpoint();
  await unit.sendJournal(4);
  for (const seq of seqs) await upload(unit, footage, fragments, seq, !(options.openReel && seq >= REEL));
  await until('the end of the pull', async () => /done|failed/.test((await centre.pulls.get(pullId))?.state ?? ''));
  await options.spoil?.(centre);
  const signer = await centre.authority.issueSigner('receipt');
  const zip = await exported(centre, signer, pullId);
  return { centre, unit, signer, root: new X509Certificate(centre.authority.rootPem), pullId, anchors, zip };
}

async function upload(
  unit: ScriptedUnit,
  footage: MadeFootage,
  fragments: readonly TestFragment[],
  seq: number,
  withPlace: boolean,
): Promise<void> {
  const fragment = fragments[seq] as TestFragment;
  const first = seq - (seq % REEL);
  const leaves = fragments.slice(first, first + REEL).map(({ meta }) => Buffer.from(meta.sha256, 'hex'));
  const path = merklePath(leaves, seq - first).map((step) => step.toString('hex'));
  const place = withPlace ? { index: seq - first, count: REEL, path } : {};
  unit.sendJson('manifest', { handle: 100 + seq, meta: fragment.meta, init: footage.init.toString('base64'), ...place });
  unit.chunks(100 + seq, fragment);
  await unit.receipt(fragment);
}

function claimOf(unit: ScriptedUnit, seq: number, clock: Keeper | undefined): { wall?: WallClaim } {
  return clock ? { wall: { utcMs: unit.utcOf(START_MONO_MS + seq * 1000), ...clock } } : {};
}

/** As a wagon writes it. */
function catalog(unit: ScriptedUnit, fragments: readonly TestFragment[], anchors: readonly ClockAnchor[]): void {
  const [first] = fragments as [TestFragment];
  const root = merkleRoot(fragments.map(({ meta }) => Buffer.from(meta.sha256, 'hex'))).toString('hex');
  const { run, seq, startMonoMs, initSha256, codec } = first.meta;
  const bytes = fragments.reduce((sum, one) => sum + one.meta.bytes, 0);
  const book = new WallBook({ ...systemClock, mono: () => unit.monoMs, utc: () => unit.utcOf(unit.monoMs) }, anchors);
  const wall = book.now();
  unit.record(
    'catalog',
    {
      ...{ ...stream, run, seqFirst: seq, count: fragments.length, startMonoMs, durationMs: fragments.length * 1000 },
      ...{ bytes, root, initSha256, codec, lostPackets: 0 },
      ...startWallOf(startMonoMs, book.at(startMonoMs, first.meta.wall), { monoMs: unit.monoMs, wall }),
    },
    { wall },
  );
}

function partsOf(seqs: readonly number[], fragments: readonly TestFragment[]): object[] {
  const [seqFirst, seqLast] = [seqs[0], seqs.at(-1)];
  if (seqFirst === undefined || seqLast === undefined) return [];
  const own = fragments.slice(seqFirst, seqLast + 1);
  const root = merkleRoot(own.map(({ meta }) => Buffer.from(meta.sha256, 'hex'))).toString('hex');
  return [{ ...stream, run: 1, seqFirst, seqLast, bytes: own.reduce((sum, one) => sum + one.meta.bytes, 0), root }];
}

export function exporterOf({ store: { db, storeEpoch }, blobs, authority }: Centre, signer: KeyAndCertificate): Exporter {
  return new Exporter({
    ...{ db, blobs, storeEpoch, clock: systemClock, rootPem: authority.rootPem, version: '0.1.0' },
    signer: { key: createPrivateKey(signer.keyPem), certPem: signer.certificatePem },
  });
}

async function exported(centre: Centre, signer: KeyAndCertificate, pullId: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const made = await exporterOf(centre, signer).prepare({ pullId, person: 'anna', reason: 'a stolen bicycle' });
  for await (const piece of made.read(async () => undefined)) pieces.push(piece);
  return Buffer.concat(pieces);
}

export function sourceOf(bytes: Buffer): Source {
  return { bytes: bytes.length, read: (from, to) => bytes.subarray(from, to) };
}

export function verify(zip: Buffer, root?: X509Certificate): Report {
  return report(examine(sourceOf(zip), root));
}

/** The files of an export, changed, and signed again by someone who holds the centre's key. */
export async function forge(scene: Scene, change: (files: Map<string, Buffer>, manifest: Record<string, never>) => void): Promise<Buffer> {
  const files = new Map(
    [...readZip(sourceOf(scene.zip))].map(([name, { content }]) => [name, Buffer.from(content.read(0, content.bytes))]),
  );
  const manifest = JSON.parse(files.get('manifest.json')?.toString('utf8') ?? '');
  const { statement } = JSON.parse(files.get('signature.json')?.toString('utf8') ?? '');
  for (const name of ['manifest.json', 'signature.json']) files.delete(name);
  change(files, manifest);
  manifest.files = [...files].map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: sha256Hex(bytes) }));
  const text = canonicalJson(manifest as Json);
  files.set('manifest.json', Buffer.from(text));
  const signed = signStatement(createPrivateKey(scene.signer.keyPem), { ...statement, manifestSha256: sha256Hex(text) });
  files.set('signature.json', Buffer.from(canonicalJson(signed as unknown as Json)));
  return zipOf(files);
}

export async function zipOf(files: ReadonlyMap<string, Buffer>, limit?: number): Promise<Buffer> {
  const zip = new ZipWriter(Date.UTC(2026, 10, 24, 12, 0, 1), limit);
  const pieces: Buffer[] = [];
  for (const [name, bytes] of files) for await (const piece of zip.add(name, [bytes], bytes.length)) pieces.push(piece);
  return Buffer.concat([...pieces, ...zip.end()]);
}

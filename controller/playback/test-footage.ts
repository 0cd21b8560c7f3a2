/** For tests: real fragments, cut by ffmpeg from a synthetic picture, put into a store as ingest would, and a pull that names them. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readBoxes } from '@longroof/base/iso-box';
import { type BlobStore, fragmentKey } from '../store/blobs.js';
import type { Db } from '../store/open.js';
import type { FragmentTable, PullTable } from '../store/tables.js';

export interface MadeFragment {
  bytes: Buffer;
  independent: boolean;
  start90k: number;
  duration90k: number;
}

export interface MadeFootage {
  init: Buffer;
  initSha256: string;
  fragments: MadeFragment[];
  frames: number;
}

export interface MakeOptions {
  seconds: number;
  size?: string;
  /** Seconds between key frames; fragments last one second. */
  gopS?: number;
  bFrames?: number;
  audio?: boolean;
}

export const FPS = 25;
export const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** One fragment for each second. */
export function makeFootage(options: MakeOptions): MadeFootage {
  const { seconds, size = '160x90', gopS = 2, bFrames = 2, audio = true } = options;
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-footage-')), 'f.mp4');
  const gop = gopS * FPS;
  const args = ['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${FPS}:d=${seconds}`];
  if (audio) args.push('-f', 'lavfi', '-i', `sine=f=440:r=48000:d=${seconds}`, '-c:a', 'aac', '-b:a', '32k');
  args.push('-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', String(bFrames), '-g', String(gop));
  args.push('-x264-params', `keyint=${gop}:min-keyint=${gop}:scenecut=0`, '-video_track_timescale', '90000');
  args.push(
    '-movflags',
    'empty_moov+default_base_moof+negative_cts_offsets',
    '-use_editlist',
    '0',
    '-frag_duration',
    '1000000',
    '-y',
    file,
  );
  execFileSync('ffmpeg', args);
  const bytes = fs.readFileSync(file);
  fs.rmSync(path.dirname(file), { recursive: true });
  const cut = split(bytes, gopS);
  // Sound may outlast the picture by a fragment.
  return { ...cut, fragments: cut.fragments.slice(0, seconds), frames: seconds * FPS };
}

function split(bytes: Buffer, gopS: number): Omit<MadeFootage, 'frames'> {
  const boxes = [...readBoxes(bytes)];
  const cut = (from: number, to: number): Buffer => bytes.subarray(boxes[from]!.offset, boxes[to]!.offset + boxes[to]!.bytes);
  const init = cut(
    boxes.findIndex((box) => box.type === 'ftyp'),
    boxes.findIndex((box) => box.type === 'moov'),
  );
  const fragments: MadeFragment[] = [];
  for (const [index, box] of boxes.entries()) {
    if (box.type !== 'moof') continue;
    const second = fragments.length;
    fragments.push({ bytes: cut(index, index + 1), independent: second % gopS === 0, start90k: second * 90_000, duration90k: 90_000 });
  }
  return { init, initSha256: sha(init), fragments };
}

export interface StoreWhere {
  unit: string;
  epoch: string;
  camera: string;
  rendition: 'original' | 'proxy';
  run: number;
  seqFirst: number;
  startUtcMs: number;
}

/** Stores fragments with consecutive numbers. `only`: indices of those that arrive. */
export async function storeFootage(db: Db, blobs: BlobStore, where: StoreWhere, footage: MadeFootage, only?: number[]): Promise<void> {
  await db
    .insertInto('init')
    .values({ sha256: footage.initSha256, codec: 'avc1.42c00b', base64: footage.init.toString('base64') })
    .onConflict((conflict) => conflict.column('sha256').doNothing())
    .execute();
  for (const [index, fragment] of footage.fragments.entries()) {
    if (only && !only.includes(index)) continue;
    await storeOne(db, blobs, where, footage, index, fragment);
  }
}

async function storeOne(
  db: Db,
  blobs: BlobStore,
  where: StoreWhere,
  footage: MadeFootage,
  index: number,
  made: MadeFragment,
): Promise<void> {
  const { unit, epoch, camera, rendition, run } = where;
  const seq = where.seqFirst + index;
  const sha256 = sha(made.bytes);
  const stream = rendition === 'original' ? camera : `${camera}.${rendition}`;
  const writer = await blobs.create(fragmentKey({ unit, epoch, stream, run, seq, sha256 }));
  await writer.write(made.bytes);
  await writer.commit();
  const row: FragmentTable = {
    unit,
    epoch,
    camera,
    rendition,
    run,
    seq,
    sha256,
    init_sha256: footage.initSha256,
    bytes: made.bytes.length,
    start_mono_ms: 1000 + made.start90k / 90,
    start90k: made.start90k,
    duration90k: made.duration90k,
    start_utc_ms: where.startUtcMs + made.start90k / 90,
    wall_source: 'ntp',
    by_clock: 0,
    wall_error_ms: 5,
    independent: made.independent ? 1 : 0,
    damaged: 0,
    codec: 'avc1.42c00b',
    meta_json: '{}',
    stored_utc_ms: where.startUtcMs,
    place: null,
  };
  await db.insertInto('fragment').values(row).execute();
}

export interface TestPart {
  epoch: string;
  run: number;
  seqFirst: number;
  seqLast: number;
}

/** A pull of one camera's proxy. */
export async function storePull(
  db: Db,
  pull: { id: string; unit: string; camera: string; person: string; state: PullTable['state'] },
  parts: readonly TestPart[],
): Promise<void> {
  await db
    .insertInto('pull')
    .values({
      id: pull.id,
      unit: pull.unit,
      cameras_json: JSON.stringify([pull.camera]),
      rendition: 'proxy',
      from_utc_ms: 0,
      to_utc_ms: 1000,
      reason: 'a stolen bicycle',
      case_number: null,
      person: pull.person,
      state: pull.state,
      final: null,
      code: null,
      created_utc_ms: 0,
      planned_utc_ms: 0,
      ended_utc_ms: null,
      urgent: 0,
      withdrawn_generation: null,
      bytes_total: 0,
    })
    .execute();
  for (const [ordinal, part] of parts.entries()) {
    const { epoch, run, seqFirst, seqLast } = part;
    const row = { pull: pull.id, ordinal, camera: pull.camera, rendition: 'proxy' as const, epoch, run, bytes: 1 };
    await db
      .insertInto('pull_part')
      .values({ ...row, seq_first: seqFirst, seq_last: seqLast })
      .execute();
  }
}

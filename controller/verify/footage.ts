/**
 * The footage of one MP4: every fragment put together again from its head and the MP4's payload, and hashed; the MP4's tables held
 * against those of the fragments, so that a player shows what was recorded, all of it and in its order.
 */
import { createHash } from 'node:crypto';
import { sha256 } from '@longroof/base/canonical';
import { readBoxHeader } from '@longroof/base/iso-box';
import { type Footage, fileOf, isCount, isNumber, isText, parseCanonical, readAll } from './documents.js';
import type { Wall } from './journal.js';
import { readMovie } from './movie.js';
import { readRuns } from './movie-runs.js';
import { broken, type Source } from './source.js';
import { TableCheck } from './table-check.js';
import type { ZipEntry } from './zip.js';

export interface Fragment {
  epoch: string;
  run: number;
  seq: number;
  boot: string;
  /** Of the bytes in this file. */
  sha256: string;
  bytes: number;
  /** As the unit's metadata has it; only the bounds of its reel are signed. */
  startMonoMs: number;
  endMonoMs: number;
  wall: Wall;
  lostPackets: number;
  damaged: boolean;
}

export interface CheckedFootage {
  camera: string;
  rendition: string;
  file: string;
  bytes: number;
  initSha256: string;
  /** As the manifest has it. */
  claimed: { fromUtcMs: number; toUtcMs: number } | undefined;
  fragments: Fragment[];
}

/** 4c524647-0001-4c6f-8e67-726f6f660001 */
const USER_TYPE = Buffer.from('4c52464700014c6f8e67726f6f660001', 'hex');
const BOX_BYTES_MAX = 4096;
const MOOF_BYTES_MAX = 1024 * 1024;
const MOOV_BYTES_MAX = 256 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const FRAGMENTS_MAX = 1_000_000;
const AHEAD_BYTES = 64 * 1024;

const bad = (footage: Footage, why: string) => broken('LR_PROOF_FOOTAGE', `${footage.file}: ${why}`);

/** Throws LR_PROOF_FOOTAGE, LR_PROOF_MP4, LR_BOX. */
export function checkFootage(entries: ReadonlyMap<string, ZipEntry>, footage: Footage, unit: string): CheckedFootage {
  const mp4 = fileOf(entries, footage.file).content;
  const init = readAll(fileOf(entries, footage.init).content, 'LR_PROOF_FOOTAGE');
  const initSha256 = sha256(init).toString('hex');
  const { moov, payloadAt } = frameOf(mp4, footage);
  const initMovie = readMovie(init, footage.file);
  const table = new TableCheck(readMovie(moov, footage.file), initMovie, footage.file);
  const heads = new Heads(fileOf(entries, footage.fragments).content, footage);
  const fragments: Fragment[] = [];
  let at = payloadAt;
  for (let head = heads.next(); head !== undefined; head = heads.next()) {
    const { fragment, initSha256: itsInit, camera, rendition, itsUnit, bytes } = head.meta;
    const payloadBytes = bytes - head.moof.length - head.mdatHeader.length;
    if (itsUnit !== unit || camera !== footage.camera || rendition !== footage.rendition || itsInit !== initSha256)
      throw bad(footage, `fragment ${fragment.seq} belongs to another unit, camera or init segment`);
    if (payloadBytes < 0 || at + payloadBytes > mp4.bytes || head.payloadBytes !== payloadBytes)
      throw bad(footage, `fragment ${fragment.seq} does not fit in it`);
    if (hashOf([head.moof, head.mdatHeader], mp4, at, payloadBytes) !== fragment.sha256)
      throw bad(footage, `fragment ${fragment.seq} of run ${fragment.run} is not what was recorded: its hash differs`);
    const headBytes = head.moof.length + head.mdatHeader.length;
    table.take(
      readRuns(head.moof, initMovie, footage.file),
      at - headBytes,
      { from: at, to: at + payloadBytes },
      `${fragment.epoch}/${fragment.run}`,
    );
    at += payloadBytes;
    fragments.push(fragment);
    if (fragments.length > FRAGMENTS_MAX) throw bad(footage, 'too many fragments');
  }
  if (at !== mp4.bytes || fragments.length !== footage.count) throw bad(footage, 'there is more or less in it than its fragments');
  table.end();
  const { camera, rendition, file, fromUtcMs, toUtcMs } = footage;
  const claimed = fromUtcMs === undefined || toUtcMs === undefined ? undefined : { fromUtcMs, toUtcMs };
  return { camera, rendition, file, bytes: mp4.bytes, initSha256, claimed, fragments };
}

/** `ftyp`, `moov`, `mdat` and nothing else. */
function frameOf(mp4: Source, footage: Footage): { moov: Buffer; payloadAt: number } {
  const headerAt = (at: number, type: string) => {
    const header = readBoxHeader(mp4.read(at, Math.min(mp4.bytes, at + 16)), 0);
    if (header?.type !== type || at + header.bytes > mp4.bytes) throw bad(footage, `no ${type} where it should be`);
    return header;
  };
  const ftyp = headerAt(0, 'ftyp');
  const moov = headerAt(ftyp.bytes, 'moov');
  const mdatAt = ftyp.bytes + moov.bytes;
  const mdat = headerAt(mdatAt, 'mdat');
  if (moov.bytes > MOOV_BYTES_MAX || mdatAt + mdat.bytes !== mp4.bytes) throw bad(footage, 'its parts do not fill it');
  return { moov: mp4.read(ftyp.bytes, mdatAt), payloadAt: mdatAt + mdat.headerBytes };
}

function hashOf(head: readonly Uint8Array[], mp4: Source, from: number, bytes: number): string {
  const hash = createHash('sha256');
  for (const part of head) hash.update(part);
  for (let at = 0; at < bytes; at += PIECE_BYTES) hash.update(mp4.read(from + at, from + Math.min(bytes, at + PIECE_BYTES)));
  return hash.digest('hex');
}

interface Head {
  meta: { fragment: Fragment; itsUnit: string; camera: string; rendition: string; initSha256: string; bytes: number };
  moof: Buffer;
  mdatHeader: Buffer;
  /** By the header of `mdat`. */
  payloadBytes: number;
}

/** Walks a `.fragments` file: for each fragment a `uuid` box, its `moof`, the header of its `mdat`. */
class Heads {
  readonly #source: Source;
  readonly #footage: Footage;
  #at = 0;
  #ahead: Buffer = Buffer.alloc(0);
  #aheadAt = 0;

  constructor(source: Source, footage: Footage) {
    this.#source = source;
    this.#footage = footage;
  }

  next(): Head | undefined {
    if (this.#at === this.#source.bytes) return undefined;
    const meta = readMeta(this.#box('uuid', BOX_BYTES_MAX), this.#footage);
    const moof = this.#box('moof', MOOF_BYTES_MAX);
    const mdat = readBoxHeader(this.#bytes(this.#at, this.#at + 16, true), 0);
    if (mdat?.type !== 'mdat' || mdat.bytes < mdat.headerBytes) throw bad(this.#footage, 'a fragment without its mdat');
    const mdatHeader = this.#bytes(this.#at, this.#at + mdat.headerBytes);
    this.#at += mdat.headerBytes;
    return { meta, moof, mdatHeader, payloadBytes: mdat.bytes - mdat.headerBytes };
  }

  #box(type: string, bytesMax: number): Buffer {
    const header = readBoxHeader(this.#bytes(this.#at, this.#at + 8), 0);
    if (header?.type !== type || header.bytes > bytesMax || header.headerBytes !== 8 || header.bytes < 8)
      throw bad(this.#footage, `no ${type} where it should be`);
    const box = this.#bytes(this.#at, this.#at + header.bytes);
    this.#at += header.bytes;
    return box;
  }

  /** With `short` fewer bytes at the end of the file are no error. */
  #bytes(from: number, to: number, short = false): Buffer {
    const end = short ? Math.min(to, this.#source.bytes) : to;
    if (from < this.#aheadAt || end > this.#aheadAt + this.#ahead.length) {
      this.#ahead = this.#source.read(from, Math.max(end, Math.min(this.#source.bytes, from + AHEAD_BYTES)));
      this.#aheadAt = from;
    }
    return this.#ahead.subarray(from - this.#aheadAt, end - this.#aheadAt);
  }
}

/** The metadata box (docs/verification.md): user type, SHA-256 of the JSON, JSON. */
function readMeta(box: Buffer, footage: Footage): Head['meta'] {
  const json = box.subarray(56);
  if (box.length < 58 || !box.subarray(8, 24).equals(USER_TYPE) || !sha256(json).equals(box.subarray(24, 56)))
    throw bad(footage, 'metadata of a fragment that is not whole');
  const m = parseCanonical(json, 'LR_PROOF_FOOTAGE', `${footage.file}: metadata of a fragment`);
  const wall = m['wall'] as Partial<Wall> | undefined;
  const ok =
    [m['unit'], m['camera'], m['rendition'], m['epoch'], m['boot'], m['sha256'], m['initSha256']].every(isText) &&
    [m['run'], m['seq'], m['bytes'], m['lostPackets'], m['duration90k']].every(isCount) &&
    isNumber(m['startMonoMs']) &&
    isNumber(wall?.utcMs) &&
    isNumber(wall.errorMs) &&
    isText(wall.source);
  if (!ok) throw bad(footage, 'metadata of a fragment with a wrong member');
  const startMonoMs = m['startMonoMs'] as number;
  const fragment: Fragment = {
    epoch: m['epoch'] as string,
    run: m['run'] as number,
    seq: m['seq'] as number,
    boot: m['boot'] as string,
    sha256: m['sha256'] as string,
    bytes: m['bytes'] as number,
    startMonoMs,
    endMonoMs: startMonoMs + (m['duration90k'] as number) / 90,
    wall: wall as Wall,
    lostPackets: m['lostPackets'] as number,
    damaged: m['damaged'] === true,
  };
  const [itsUnit, camera, rendition, initSha256] = [m['unit'], m['camera'], m['rendition'], m['initSha256']] as string[] as [
    string,
    string,
    string,
    string,
  ];
  return { fragment, itsUnit, camera, rendition, initSha256, bytes: fragment.bytes };
}

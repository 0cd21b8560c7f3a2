/**
 * Reads a zip as docs/verification.md allows it: entries stored, in the order of the directory, nothing between, before or behind them,
 * every field either fixed or said twice. So no byte of it can change unseen. APPNOTE 6.3, clauses 4.3 and 4.5.3.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { broken, part, type Source } from './source.js';

export interface ZipEntry {
  name: string;
  content: Source;
  /** Hex. */
  sha256: string;
}

interface Directory {
  start: number;
  bytes: number;
  count: number;
}

interface Described {
  name: string;
  /** The fields that local header and directory share: flags, method, time, date. */
  shared: Buffer;
  version: number;
  crc: number;
  bytes: number;
  offset: number;
  large: boolean;
}

const LIMIT = 0xffffffff;
const ENTRIES_MAX = 100_000;
const DIRECTORY_BYTES_MAX = 64 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const FLAGS = 0x0808;
const MADE_BY = 0x032d;
const ATTRIBUTES = 0o100644 * 0x10000;

const bad = (why: string) => broken('LR_PROOF_ZIP', `not an export as it was made: ${why}`);

/** Throws LR_PROOF_ZIP. Reads all of the file once. */
export function readZip(source: Source): Map<string, ZipEntry> {
  const directory = readEnd(source);
  if (directory.count > ENTRIES_MAX || directory.bytes > DIRECTORY_BYTES_MAX) throw bad('its directory is too large');
  const bytes = source.read(directory.start, directory.start + directory.bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  let place = 0;
  for (let index = 0; index < directory.count; index++) {
    const { described, next } = readDescribed(bytes, at);
    at = next;
    if (entries.has(described.name)) throw bad(`${described.name} is in it twice`);
    if (described.offset !== place) throw bad(`${described.name} does not begin where the file before it ends`);
    const { entry, end } = readEntry(source, described, directory.start);
    entries.set(described.name, entry);
    place = end;
  }
  if (at !== bytes.length || place !== directory.start) throw bad('bytes that belong to no file');
  return entries;
}

/** 4.3.16, 4.3.15, 4.3.14: from the end of the file. */
function readEnd(source: Source): Directory {
  if (source.bytes < 22) throw bad('too short');
  const at = source.bytes - 22;
  const end = source.read(at, source.bytes);
  if (end.readUInt32LE(0) !== 0x06054b50) throw bad('its end is not that of a zip');
  if (end.readUInt32LE(4) !== 0 || end.readUInt16LE(20) !== 0) throw bad('it has several disks or a comment');
  const counts = [end.readUInt16LE(8), end.readUInt16LE(10)];
  const short = { start: end.readUInt32LE(16), bytes: end.readUInt32LE(12), count: counts[0] as number };
  if (counts[0] !== counts[1]) throw bad('two counts of files');
  if (short.count !== 0xffff) {
    if (short.start + short.bytes !== at) throw bad('its directory does not reach to its end');
    return short;
  }
  if (short.start !== LIMIT || short.bytes !== LIMIT || at < 76) throw bad('half of a large directory');
  const locator = source.read(at - 20, at);
  const record = source.read(at - 76, at - 20);
  const fixed =
    locator.readUInt32LE(0) === 0x07064b50 &&
    locator.readUInt32LE(4) === 0 &&
    locator.readBigUInt64LE(8) === BigInt(at - 76) &&
    locator.readUInt32LE(16) === 1 &&
    record.readUInt32LE(0) === 0x06064b50 &&
    record.readBigUInt64LE(4) === 44n &&
    record.readUInt16LE(12) === MADE_BY &&
    record.readUInt16LE(14) === 45 &&
    record.readBigUInt64LE(16) === 0n &&
    record.readBigUInt64LE(24) === record.readBigUInt64LE(32);
  const long = { start: whole(record, 48), bytes: whole(record, 40), count: whole(record, 32) };
  if (!fixed || long.start + long.bytes !== at - 76) throw bad('its large directory');
  return long;
}

/** One header of the central directory (4.3.12). */
function readDescribed(bytes: Buffer, at: number): { described: Described; next: number } {
  if (at + 46 > bytes.length) throw bad('its directory is cut off');
  const head = bytes.subarray(at, at + 46);
  const nameBytes = head.readUInt16LE(28);
  const extraBytes = head.readUInt16LE(30);
  const next = at + 46 + nameBytes + extraBytes;
  if (next > bytes.length) throw bad('its directory is cut off');
  const name = bytes.toString('latin1', at + 46, at + 46 + nameBytes);
  if (!/^[A-Za-z][A-Za-z0-9._/-]{0,199}$/.test(name)) throw bad('a name of a file');
  const fixed =
    head.readUInt32LE(0) === 0x02014b50 &&
    head.readUInt16LE(4) === MADE_BY &&
    head.readUInt16LE(8) === FLAGS &&
    head.readUInt16LE(10) === 0 &&
    head.subarray(32, 38).every((byte) => byte === 0) &&
    head.readUInt32LE(38) === ATTRIBUTES;
  if (!fixed) throw bad(`the directory's entry of ${name}`);
  const sizes = [head.readUInt32LE(20), head.readUInt32LE(24)];
  const far = head.readUInt32LE(42) === LIMIT;
  const large = sizes[0] === LIMIT;
  const version = head.readUInt16LE(6);
  const extra = bytes.subarray(next - extraBytes, next);
  const wide = readWide(extra, (large ? 2 : 0) + (far ? 1 : 0));
  if (sizes[0] !== sizes[1] || wide[0] !== wide[large ? 1 : 0] || version !== (large || far ? 45 : 20))
    throw bad(`the directory's entry of ${name}`);
  const described: Described = {
    name,
    shared: head.subarray(8, 16),
    version,
    crc: head.readUInt32LE(16),
    bytes: large ? (wide[0] as number) : (sizes[0] as number),
    offset: far ? (wide.at(-1) as number) : head.readUInt32LE(42),
    large,
  };
  return { described, next };
}

/** 4.5.3: `count` numbers of 64 bits, or no extra field at all. */
function readWide(extra: Buffer, count: number): number[] {
  if (extra.length !== (count > 0 ? 4 + count * 8 : 0)) throw bad('an extra field');
  if (count === 0) return [];
  if (extra.readUInt16LE(0) !== 1 || extra.readUInt16LE(2) !== count * 8) throw bad('an extra field');
  return Array.from({ length: count }, (_, index) => whole(extra, 4 + index * 8));
}

/** Local header (4.3.7), content, descriptor (4.3.9). */
function readEntry(source: Source, described: Described, limit: number): { entry: ZipEntry; end: number } {
  const { name, shared, crc, bytes, offset, large } = described;
  const wrong = () => bad(`the header of ${name}`);
  const start = offset + 30 + name.length + (large ? 20 : 0);
  const descriptorBytes = large ? 24 : 16;
  const end = start + bytes + descriptorBytes;
  if (end > limit) throw wrong();
  const head = source.read(offset, start);
  const size = large ? LIMIT : 0;
  const fits =
    head.readUInt32LE(0) === 0x04034b50 &&
    head.readUInt16LE(4) === (large ? 45 : 20) &&
    head.subarray(6, 14).equals(shared) &&
    head.readUInt32LE(14) === 0 &&
    head.readUInt32LE(18) === size &&
    head.readUInt32LE(22) === size &&
    head.readUInt16LE(26) === name.length &&
    head.readUInt16LE(28) === (large ? 20 : 0) &&
    head.toString('latin1', 30, 30 + name.length) === name;
  if (!fits || readWide(head.subarray(30 + name.length), large ? 2 : 0).some((value) => value !== 0)) throw wrong();
  const content = part(source, start, bytes);
  const read = digest(content);
  const descriptor = source.read(end - descriptorBytes, end);
  const told = large ? [whole(descriptor, 8), whole(descriptor, 16)] : [descriptor.readUInt32LE(8), descriptor.readUInt32LE(12)];
  if (descriptor.readUInt32LE(0) !== 0x08074b50 || descriptor.readUInt32LE(4) !== crc || told.some((value) => value !== bytes))
    throw wrong();
  if (read.crc !== crc) throw bad(`${name} has changed: its checksum differs`);
  return { entry: { name, content, sha256: read.sha256 }, end };
}

function digest(content: Source): { crc: number; sha256: string } {
  const hash = createHash('sha256');
  let crc = 0;
  for (let at = 0; at < content.bytes; at += PIECE_BYTES) {
    const piece = content.read(at, Math.min(content.bytes, at + PIECE_BYTES));
    crc = crc32(piece, crc);
    hash.update(piece);
  }
  return { crc, sha256: hash.digest('hex') };
}

function whole(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw bad('a size beyond every measure');
  return Number(value);
}

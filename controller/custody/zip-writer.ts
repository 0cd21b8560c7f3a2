/**
 * Writes a zip as a stream (PKWARE APPNOTE 6.3): entries stored as they are, sizes and CRC behind each (4.3.9), 64-bit fields where an
 * entry or its place needs them (4.3.14, 4.5.3). No byte of the file is without meaning: no padding, no comment, no unused field.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { UtcMs } from '@longroof/base/clock';
import { assert, Fault } from '@longroof/base/errors';

export interface ZipWritten {
  name: string;
  bytes: number;
  /** Hex. */
  sha256: string;
}

interface CentralEntry extends ZipWritten {
  crc: number;
  offset: number;
  large: boolean;
}

export type ZipContent = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const LIMIT = 0xffffffff;
const ENTRIES_LIMIT = 0xffff;
/** Sizes behind the data (bit 3), names in UTF-8 (bit 11). */
const FLAGS = 0x0808;
const VERSION = 20;
const VERSION_64 = 45;
/** Made by version 4.5 of the note, on Unix. */
const MADE_BY = (3 << 8) | VERSION_64;
/** A plain file that its owner may write and all may read. */
const ATTRIBUTES = 0o100644 * 0x10000;

export class ZipWriter {
  readonly written: ZipWritten[] = [];
  readonly #entries: CentralEntry[] = [];
  readonly #time: number;
  readonly #date: number;
  readonly #limit: number;
  #offset = 0;

  /** `limit`: from this size on 64-bit fields are used; smaller than real only in tests. */
  constructor(utcMs: UtcMs, limit = LIMIT) {
    const at = new Date(utcMs);
    this.#time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
    this.#date = ((Math.min(2107, Math.max(1980, at.getUTCFullYear())) - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
    this.#limit = limit;
  }

  /** `bytesMax`: the most that the content may have, so that its fields can be chosen before. Throws LR_EXPORT_SIZE beyond it. */
  async *add(name: string, content: ZipContent, bytesMax: number): AsyncGenerator<Buffer, void, undefined> {
    assert(/^[\x21-\x7e]{1,200}$/.test(name), 'a name of plain characters');
    const large = bytesMax >= this.#limit;
    const offset = this.#offset;
    yield this.#took(this.#localHeader(name, large));
    const hash = createHash('sha256');
    let crc = 0;
    let bytes = 0;
    for await (const piece of content) {
      bytes += piece.length;
      if (bytes > bytesMax)
        throw new Fault('too-large', 'LR_EXPORT_SIZE', `${name} is larger than the ${bytesMax} bytes that were announced`);
      crc = crc32(piece, crc);
      hash.update(piece);
      yield this.#took(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    }
    yield this.#took(descriptor(crc, bytes, large));
    const entry = { name, bytes, sha256: hash.digest('hex'), crc, offset, large };
    this.#entries.push(entry);
    this.written.push({ name, bytes, sha256: entry.sha256 });
  }

  /** The central directory and what ends the file. */
  *end(): Generator<Buffer, void, undefined> {
    const start = this.#offset;
    for (const entry of this.#entries) yield this.#took(this.#centralEntry(entry));
    const bytes = this.#offset - start;
    const count = this.#entries.length;
    const large = count >= ENTRIES_LIMIT || bytes >= this.#limit || start >= this.#limit;
    if (large) {
      const record = this.#offset;
      yield this.#took(
        fields([4, 0x06064b50], [8, 44], [2, MADE_BY], [2, VERSION_64], [4, 0], [4, 0], [8, count], [8, count], [8, bytes], [8, start]),
      );
      yield this.#took(fields([4, 0x07064b50], [4, 0], [8, record], [4, 1]));
    }
    const short = Math.min(count, ENTRIES_LIMIT);
    const cut = (value: number): number => (large ? LIMIT : value);
    yield this.#took(
      fields(
        [4, 0x06054b50],
        [2, 0],
        [2, 0],
        [2, large ? ENTRIES_LIMIT : short],
        [2, large ? ENTRIES_LIMIT : short],
        [4, cut(bytes)],
        [4, cut(start)],
        [2, 0],
      ),
    );
  }

  #took(bytes: Buffer): Buffer {
    this.#offset += bytes.length;
    return bytes;
  }

  #localHeader(name: string, large: boolean): Buffer {
    const size = large ? LIMIT : 0;
    const extra = large ? fields([2, 1], [2, 16], [8, 0], [8, 0]) : Buffer.alloc(0);
    const head = fields([4, 0x04034b50], ...this.#common(large, 0, size, size), [2, name.length], [2, extra.length]);
    return Buffer.concat([head, Buffer.from(name, 'latin1'), extra]);
  }

  #common(large: boolean, crc: number, packed: number, plain: number): Field[] {
    return [
      [2, large ? VERSION_64 : VERSION],
      [2, FLAGS],
      [2, 0],
      [2, this.#time],
      [2, this.#date],
      [4, crc],
      [4, packed],
      [4, plain],
    ];
  }

  #centralEntry({ name, bytes, crc, offset, large }: CentralEntry): Buffer {
    const far = offset >= this.#limit;
    const wide: Field[] = [
      ...(large
        ? ([
            [8, bytes],
            [8, bytes],
          ] as Field[])
        : []),
      ...(far ? ([[8, offset]] as Field[]) : []),
    ];
    const extra = wide.length > 0 ? fields([2, 1], [2, wide.length * 8], ...wide) : Buffer.alloc(0);
    const size = large ? LIMIT : bytes;
    const head = fields(
      [4, 0x02014b50],
      [2, MADE_BY],
      ...this.#common(large || far, crc, size, size),
      [2, name.length],
      [2, extra.length],
      [2, 0],
      [2, 0],
      [2, 0],
      [4, ATTRIBUTES],
      [4, far ? LIMIT : offset],
    );
    return Buffer.concat([head, Buffer.from(name, 'latin1'), extra]);
  }
}

function descriptor(crc: number, bytes: number, large: boolean): Buffer {
  const size = large ? 8 : 4;
  return fields([4, 0x08074b50], [4, crc], [size, bytes], [size, bytes]);
}

/** Width in bytes and value. */
type Field = readonly [2 | 4 | 8, number];

/** Little-endian, one after the other. */
function fields(...list: readonly Field[]): Buffer {
  const bytes = Buffer.alloc(list.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of list) {
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, width);
    at += width;
  }
  return bytes;
}

/** The documents of an export: read, checked member by member, and held against the files that are there. */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { toFault } from '@longroof/base/errors';
import { broken, type Source } from './source.js';
import type { ZipEntry } from './zip.js';

export interface Manifest {
  unit: string;
  pull: {
    id: string;
    cameras: string[];
    rendition: string;
    fromUtcMs: number;
    toUtcMs: number;
    person: string;
    reason: string;
    final: string | null;
    code: string | null;
  };
  export: { person: string; reason: string; utcMs: number; storeEpoch: string };
  root: string;
  signer: string;
  epochs: Epoch[];
  footage: Footage[];
  missing: { camera: string; rendition: string; fromUtcMs: number; toUtcMs: number; cause: string }[];
  files: { name: string; bytes: number; sha256: string }[];
}

export interface Epoch {
  epoch: string;
  journalKey: string;
  certificate: string | null;
  startedUtcMs: number;
  journal: { file: string; first: number; last: number; receivedUtcMs: number }[];
}

export interface Footage {
  camera: string;
  rendition: string;
  file: string;
  fragments: string;
  init: string;
  count: number;
  /** Both, or neither: exports of before give none. */
  fromUtcMs?: number;
  toUtcMs?: number;
}

export interface Signature {
  statement: { what: string; unit: string; pullId: string; person: string; utcMs: number; storeEpoch: string; manifestSha256: string };
  keyId: string;
  signature: string;
}

type Members = Record<string, unknown>;
/** One document is held in memory whole. */
const DOCUMENT_BYTES_MAX = 128 * 1024 * 1024;
const NEWLINE = 0x0a;

export const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 16_384;
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
export const isName = (value: unknown): value is string => typeof value === 'string' && /^[a-z0-9-]{1,32}$/.test(value);
const isEpoch = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
const orNull = (value: unknown, is: (value: unknown) => boolean): boolean => value === null || is(value);

/** Throws `code`. */
export function readAll(source: Source, code: string): Buffer {
  if (source.bytes > DOCUMENT_BYTES_MAX) throw broken(code, 'a document is too large to be examined');
  return source.read(0, source.bytes);
}

/** An object in canonical JSON (RFC 8785 as base has it): any other way to write it is refused. Throws `code`. */
export function parseCanonical(bytes: Uint8Array, code: string, what: string): Members {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value) || canonicalJson(value as Json) !== text) value = undefined;
  } catch (error) {
    throw broken(code, `${what}: ${toFault(error).message}`);
  }
  if (value === undefined) throw broken(code, `${what} is not written as it was signed`);
  return value as Members;
}

/** Lines of a file, each with its newline taken off; the last one must have had one too. */
export function* lines(source: Source, code: string): Generator<Buffer, void, undefined> {
  const bytes = readAll(source, code);
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at);
    if (end < 0) throw broken(code, 'a line without its end');
    yield bytes.subarray(at, end);
    at = end + 1;
  }
}

export function readManifest(bytes: Buffer): Manifest {
  const m = parseCanonical(bytes, 'LR_PROOF_MANIFEST', 'manifest.json');
  const need = (name: string, ok: boolean): void => {
    if (!ok) throw broken('LR_PROOF_MANIFEST', `manifest.json: ${name} is wrong`);
  };
  const each = (value: unknown, rule: (item: Members) => boolean): boolean =>
    Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null && rule(item as Members));
  const pull = (m['pull'] ?? {}) as Members;
  const exported = (m['export'] ?? {}) as Members;
  need('what', m['what'] === 'longroof-manifest-1');
  need('unit', isName(m['unit']));
  need('pull', [pull['id'], pull['person'], pull['reason'], pull['rendition']].every(isText));
  need('pull', [pull['fromUtcMs'], pull['toUtcMs']].every(isNumber) && orNull(pull['final'], isText) && orNull(pull['code'], isText));
  need('pull.cameras', Array.isArray(pull['cameras']) && pull['cameras'].every(isName));
  need('export', [exported['person'], exported['reason'], exported['storeEpoch']].every(isText) && isNumber(exported['utcMs']));
  need('root, signer', isText(m['root']) && isText(m['signer']));
  const isSegment = (s: Members): boolean =>
    isText(s['file']) && isCount(s['first']) && isCount(s['last']) && s['first'] <= s['last'] && isNumber(s['receivedUtcMs']);
  const isOne = (e: Members): boolean =>
    isEpoch(e['epoch']) &&
    isText(e['journalKey']) &&
    orNull(e['certificate'], isText) &&
    isNumber(e['startedUtcMs']) &&
    each(e['journal'], isSegment);
  need('epochs', each(m['epochs'], isOne));
  const isFootage = (f: Members): boolean =>
    isName(f['camera']) &&
    [f['rendition'], f['file'], f['fragments'], f['init']].every(isText) &&
    isCount(f['count']) &&
    ([f['fromUtcMs'], f['toUtcMs']].every(isNumber) || (f['fromUtcMs'] === undefined && f['toUtcMs'] === undefined));
  need('footage', each(m['footage'], isFootage));
  const isMissing = (g: Members): boolean =>
    isName(g['camera']) && isText(g['rendition']) && isText(g['cause']) && isNumber(g['fromUtcMs']) && isNumber(g['toUtcMs']);
  need('missing', each(m['missing'], isMissing));
  need(
    'files',
    each(m['files'], (f) => isText(f['name']) && isCount(f['bytes']) && isHash(f['sha256'])),
  );
  return m as unknown as Manifest;
}

export function readSignature(bytes: Buffer): Signature {
  const m = parseCanonical(bytes, 'LR_PROOF_SIGNATURE', 'signature.json');
  const statement = (m['statement'] ?? {}) as Members;
  const ok =
    statement['what'] === 'longroof-export-1' &&
    [statement['unit'], statement['pullId'], statement['person'], statement['storeEpoch']].every(isText) &&
    isNumber(statement['utcMs']) &&
    isHash(statement['manifestSha256']) &&
    isHash(m['keyId']) &&
    isText(m['signature']);
  if (!ok) throw broken('LR_PROOF_SIGNATURE', 'signature.json: a member is wrong');
  return m as unknown as Signature;
}

/** Every file is the one that the manifest names, and there is no other. Throws LR_PROOF_MANIFEST. */
export function checkFiles(manifest: Manifest, entries: ReadonlyMap<string, ZipEntry>): void {
  const wrong = (name: string, why: string) => broken('LR_PROOF_MANIFEST', `${name} ${why}`);
  const named = new Set(['manifest.json', 'signature.json']);
  for (const { name, bytes, sha256 } of manifest.files) {
    const entry = entries.get(name);
    if (!entry || named.has(name)) throw wrong(name, 'is not there, or is named twice');
    named.add(name);
    if (entry.content.bytes !== bytes || entry.sha256 !== sha256)
      throw wrong(name, 'is not what the manifest names: its bytes have changed');
  }
  for (const name of entries.keys()) if (!named.has(name)) throw wrong(name, 'is not named by the manifest');
}

/** A file that a document of the export points at. Throws LR_PROOF_MANIFEST. */
export function fileOf(entries: ReadonlyMap<string, ZipEntry>, name: string): ZipEntry {
  const entry = entries.get(name);
  if (!entry) throw broken('LR_PROOF_MANIFEST', `${name} is not in the file`);
  return entry;
}

/** The centre's own signatures under the unit's checkpoints: over records of this file, by a key that the root lets sign receipts. */
import type { X509Certificate } from 'node:crypto';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { isCount, isHash, isNumber, isText, lines, parseCanonical, readAll } from './documents.js';
import type { Journal } from './journal.js';
import { broken, type Source } from './source.js';
import { checkSigner, isSigned, keyIdOf, readCertificate } from './trust.js';
import type { ZipEntry } from './zip.js';

export interface Countersigned {
  epoch: string;
  seq: number;
  receivedUtcMs: number;
}

const FILE = 'proof/countersigned.jsonl';
const bad = (why: string) => broken('LR_PROOF_COUNTERSIGNED', `${FILE}: ${why}`);

/** In the order of the file. Throws LR_PROOF_COUNTERSIGNED, LR_PROOF_CERTIFICATE. */
export function checkCountersigned(
  source: Source,
  entries: ReadonlyMap<string, ZipEntry>,
  about: { unit: string; journals: readonly Journal[] },
  root: X509Certificate,
): Countersigned[] {
  const found: Countersigned[] = [];
  const signers = new Map<string, X509Certificate>();
  for (const line of lines(source, 'LR_PROOF_COUNTERSIGNED')) {
    const signed = parseCanonical(line, 'LR_PROOF_COUNTERSIGNED', FILE);
    const { keyId, signature } = signed;
    const statement = (signed['statement'] ?? {}) as Record<string, unknown>;
    const { epoch, seq, hash, receivedUtcMs, storeEpoch } = statement;
    const fits =
      statement['what'] === 'longroof-countersigned-1' &&
      statement['unit'] === about.unit &&
      [epoch, storeEpoch, signature].every(isText) &&
      isCount(seq) &&
      [hash, keyId].every(isHash) &&
      isNumber(receivedUtcMs);
    if (!fits) throw bad('a line has not the form of one');
    const signer = signers.get(keyId as string) ?? signerOf(entries, keyId as string);
    signers.set(keyId as string, signer);
    checkSigner(signer, root, receivedUtcMs as number, 'the certificate of a countersigner');
    if (!isSigned(signer.publicKey, Buffer.from(canonicalJson(statement as Json)), signature as string))
      throw bad(`the signature under checkpoint ${seq} does not fit`);
    const journal = about.journals.find((one) => one.epoch === epoch);
    // Of a journal that is broken no records are known; that is told already.
    if (journal && journal.checkpointHashes.get(seq as number) !== hash)
      throw bad(`the centre signed another checkpoint ${seq} than the one in this file`);
    const last = found.at(-1);
    if (last && last.epoch === epoch && (seq as number) <= last.seq) throw bad('its lines are not in order');
    found.push({ epoch: epoch as string, seq: seq as number, receivedUtcMs: receivedUtcMs as number });
  }
  return found;
}

function signerOf(entries: ReadonlyMap<string, ZipEntry>, keyId: string): X509Certificate {
  const entry = entries.get(`certificates/countersigner-${keyId}.crt`);
  if (!entry) throw bad('the certificate of a countersigner is not in this file');
  const certificate = readCertificate(readAll(entry.content, 'LR_PROOF_CERTIFICATE'), 'the certificate of a countersigner');
  if (keyIdOf(certificate.publicKey) !== keyId) throw bad('the certificate of a countersigner is of another key');
  return certificate;
}

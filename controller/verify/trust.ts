/**
 * Whose keys these are (RFC 5280): everything hangs on the fleet's root. Whoever checks should bring its certificate himself; the one in
 * the file proves only that the file agrees with itself.
 */
import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { toFault } from '@longroof/base/errors';
import type { Epoch, Manifest, Signature } from './documents.js';
import { broken } from './source.js';

/** Usage of the centre's certificate for receipts and exports; docs/verification.md. */
const RECEIPT_USAGE = '2.25.144135207757041277636705837120468904304';
const CLIENT_USAGE = '1.3.6.1.5.5.7.3.2';
const JOURNAL_KEY = /(?:^|, )URI:urn:longroof:journal-key:sha256:([0-9a-f]{64})(?:,|$)/;
/** A clock at the centre may have been a little behind when the certificate was made. */
const SLACK_MS = 60_000;

const bad = (why: string) => broken('LR_PROOF_CERTIFICATE', why);

export function readCertificate(pem: Uint8Array, what: string): X509Certificate {
  try {
    return new X509Certificate(Buffer.from(pem));
  } catch (error) {
    throw bad(`${what} is no certificate: ${toFault(error).message}`);
  }
}

/** Hex SHA-256 of the key's SubjectPublicKeyInfo. */
export function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** ECDSA P-256, SHA-256, IEEE P1363, base64url without padding. */
export function isSigned(key: KeyObject, bytes: Uint8Array, signature: string): boolean {
  const raw = Buffer.from(signature, 'base64url');
  if (raw.length !== 64 || raw.toString('base64url') !== signature) return false;
  return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, raw);
}

/** The root in the file, which must be the one that was given. Throws LR_PROOF_CERTIFICATE. */
export function trustRoot(inFile: X509Certificate, given: X509Certificate | undefined): X509Certificate {
  if (given && !given.raw.equals(inFile.raw)) throw bad('the file comes from another fleet: its root is not the one that was given');
  if (!inFile.ca || !inFile.verify(inFile.publicKey)) throw bad('the root certificate is none');
  return given ?? inFile;
}

function checkIssued(certificate: X509Certificate, root: X509Certificate, usage: string, what: string): void {
  if (!certificate.checkIssued(root) || !certificate.verify(root.publicKey)) throw bad(`${what} is not signed by the fleet's root`);
  if (!((certificate.keyUsage as string[] | undefined) ?? []).includes(usage)) throw bad(`${what} is not meant for this`);
}

function checkTime(certificate: X509Certificate, utcMs: number, what: string): void {
  if (Date.parse(certificate.validFrom) - SLACK_MS > utcMs || utcMs > Date.parse(certificate.validTo) + SLACK_MS)
    throw bad(`${what} was not valid at ${new Date(utcMs).toISOString()}`);
}

/** Of the centre, for what it states, at the time at which it did. Throws LR_PROOF_CERTIFICATE. */
export function checkSigner(certificate: X509Certificate, root: X509Certificate, utcMs: number, what: string): void {
  checkIssued(certificate, root, RECEIPT_USAGE, what);
  checkTime(certificate, utcMs, what);
}

/** The centre's signature over the manifest. Throws LR_PROOF_CERTIFICATE, LR_PROOF_SIGNATURE. */
export function checkSignature(
  signature: Signature,
  manifest: Manifest,
  manifestSha256: string,
  signer: X509Certificate,
  root: X509Certificate,
): void {
  const { statement, keyId } = signature;
  checkSigner(signer, root, manifest.export.utcMs, 'the certificate of the signer');
  const agrees =
    statement.manifestSha256 === manifestSha256 &&
    statement.unit === manifest.unit &&
    statement.pullId === manifest.pull.id &&
    statement.person === manifest.export.person &&
    statement.utcMs === manifest.export.utcMs &&
    statement.storeEpoch === manifest.export.storeEpoch;
  if (!agrees) throw broken('LR_PROOF_SIGNATURE', 'the manifest is not the one that was signed');
  if (
    keyIdOf(signer.publicKey) !== keyId ||
    !isSigned(signer.publicKey, Buffer.from(canonicalJson(statement as unknown as Json)), signature.signature)
  )
    throw broken('LR_PROOF_SIGNATURE', "the centre's signature over the manifest does not fit");
}

/** The key of an epoch's journal. Throws LR_PROOF_CERTIFICATE where the unit's certificate does not bind it. */
export function journalKeyOf(epoch: Epoch, unit: string, certificate: X509Certificate | undefined, root: X509Certificate): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(epoch.journalKey);
  } catch (error) {
    throw bad(`the key of the journal cannot be read: ${toFault(error).message}`);
  }
  if (!certificate) return key;
  const what = `the certificate of ${unit}`;
  checkIssued(certificate, root, CLIENT_USAGE, what);
  if (!/^CN=(.*)$/m.exec(certificate.subject)?.[1]?.match(`^${unit}$`)) throw bad(`${what} names another unit`);
  if (JOURNAL_KEY.exec(certificate.subjectAltName ?? '')?.[1] !== keyIdOf(key)) throw bad(`${what} binds another journal key`);
  return key;
}

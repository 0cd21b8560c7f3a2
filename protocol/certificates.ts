/**
 * What a certificate of the fleet may be used for, read with Node's own X.509 alone, so that a unit needs no library for it. The
 * fleet's root signs all of them: units (TLS client), servers (TLS server) and signers of receipts and of desired state, each with
 * a usage of its own, so that none can stand in for another.
 */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { keyId } from './signed.js';

export type SignerUsage = 'receipt' | 'desired';

/** Extended key usages under 2.25 (ITU-T X.667: an arc for each UUID). */
export const SIGNER_USAGE_OID: Readonly<Record<SignerUsage, string>> = {
  receipt: '2.25.144135207757041277636705837120468904304',
  desired: '2.25.144135207757041277636706103202551525989',
};
export const CERTIFICATE_CHARS_MAX = 16 * 1024;
const JOURNAL_KEY_URI = 'urn:longroof:journal-key:sha256:';

export function journalKeyUri(journalKey: KeyObject): string {
  return `${JOURNAL_KEY_URI}${keyId(journalKey)}`;
}

/** Hex SHA-256 of the SPKI of the journal key that a unit's certificate binds, or undefined. `subjectAltName` as Node prints it. */
export function journalKeyIn(subjectAltName: string | undefined): string | undefined {
  return /(?:^|, )URI:urn:longroof:journal-key:sha256:([0-9a-f]{64})(?:,|$)/.exec(subjectAltName ?? '')?.[1];
}

/** The unit that a certificate names. Throws `denied` (LR_CERT_NAME). */
export function unitIn(certificate: X509Certificate): string {
  const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1];
  if (!isId(name)) throw new Fault('denied', 'LR_CERT_NAME', 'a certificate that names no unit');
  return name;
}

const CLIENT_AUTH_OID = '1.3.6.1.5.5.7.3.2';
/** The centre's name as a client of a broker: no unit's, because of its dot. */
export const CENTRE_NAME = 'centre.longroof';

/** Checks that a certificate makes its holder `unit` at `utcMs`, as a TLS server would. Throws `denied` (LR_HELLO_CERTIFICATE). */
export function checkUnitCertificate(rootPem: string, pem: string, unit: string, utcMs: UtcMs): X509Certificate {
  const bad = (why: string): Fault => new Fault('denied', 'LR_HELLO_CERTIFICATE', `the certificate in a hello ${why}`);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw bad('cannot be read');
  }
  if (!isFor(certificate, new X509Certificate(rootPem), CLIENT_AUTH_OID, utcMs)) throw bad('is not one of this fleet that holds now');
  if (unitIn(certificate) !== unit) throw bad('names another unit');
  return certificate;
}

/** True when the certificate is signed by the root, inside its time and meant for `oid`. */
function isFor(certificate: X509Certificate, root: X509Certificate, oid: string, utcMs: UtcMs): boolean {
  return (
    certificate.checkIssued(root) &&
    certificate.verify(root.publicKey) &&
    Date.parse(certificate.validFrom) <= utcMs &&
    utcMs <= Date.parse(certificate.validTo) &&
    ((certificate.keyUsage as string[] | undefined) ?? []).includes(oid)
  );
}

/**
 * Keys of those certificates that the root lets sign `usage` at `utcMs`; the others, and what is no certificate at all, are left
 * out. Throws `denied` (LR_CERT_SIGNER) when none is left.
 */
export function signerKeys(rootPem: string, certificatePems: readonly string[], usage: SignerUsage, utcMs: UtcMs): KeyObject[] {
  const root = new X509Certificate(rootPem);
  const keys: KeyObject[] = [];
  for (const pem of certificatePems) {
    if (typeof pem !== 'string' || pem.length > CERTIFICATE_CHARS_MAX) continue;
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(pem);
    } catch {
      continue;
    }
    if (isFor(certificate, root, SIGNER_USAGE_OID[usage], utcMs))
      keys.push(createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' })));
  }
  if (keys.length === 0) throw new Fault('denied', 'LR_CERT_SIGNER', `no certificate of this fleet that may sign ${usage}`);
  return keys;
}

/**
 * The fleet's own authority: a root key in a folder, and the certificates it issues (RFC 5280, ECDSA P-256). Used at the centre and
 * by the installer's tool, never on a unit. The root's key is written once and read by its owner alone.
 */
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import path from 'node:path';
import type { UtcMs } from '@longroof/base/clock';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import * as x509 from '@peculiar/x509';
import { CENTRE_NAME, journalKeyUri, SIGNER_USAGE_OID, type SignerUsage } from './certificates.js';

type CryptoKey = webcrypto.CryptoKey;
type CryptoKeyPair = webcrypto.CryptoKeyPair;

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
const CSR_CHARS_MAX = 16 * 1024;

export interface KeyAndCertificate {
  keyPem: string;
  certificatePem: string;
}

/** All that `identity/` of a unit holds: unit.key, unit.crt, journal.key, ca.crt. */
export interface UnitIdentity {
  unitKeyPem: string;
  unitCertificatePem: string;
  journalKeyPem: string;
  rootPem: string;
}

export interface Authority {
  readonly rootPem: string;
  /** Makes the keys too. */
  issueUnit(unit: string): Promise<UnitIdentity>;
  /** For a request whose key stays on the unit. Throws LR_CSR. */
  signUnit(unit: string, csrPem: string): Promise<string>;
  /** `hosts`: DNS names and addresses by which units reach it. */
  issueServer(hosts: readonly string[]): Promise<KeyAndCertificate>;
  issueSigner(usage: SignerUsage): Promise<KeyAndCertificate>;
  /** The centre as a client of a broker that is not its own. */
  issueCentre(): Promise<KeyAndCertificate>;
}

type Issue = (subject: string, key: x509.PublicKeyType, days: number, extensions: x509.Extension[]) => Promise<string>;

/** Opens the authority in a folder, or makes it there the first time. */
export async function openAuthority(directory: string, disk: Disk, now: () => UtcMs): Promise<Authority> {
  const keyFile = path.join(directory, 'root.key');
  const certificateFile = path.join(directory, 'root.crt');
  if (!disk.stat(certificateFile)) await makeRoot(disk, directory, keyFile, certificateFile, now());
  const rootPem = disk.readFile(certificateFile).toString('utf8');
  const root = new x509.X509Certificate(rootPem);
  const rootKey = await importPrivate(disk.readFile(keyFile).toString('utf8'));

  const issue = issuer(root, rootKey, now);
  const clientUsage = (): x509.Extension => new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]);

  return {
    rootPem,
    async issueUnit(unit) {
      checkUnit(unit);
      const keys = await makeKeys();
      const journalKeyPem = await exportPrivate((await makeKeys()).privateKey);
      const uri = journalKeyUri(createPublicKey(createPrivateKey(journalKeyPem)));
      const names = new x509.SubjectAlternativeNameExtension([{ type: 'url', value: uri }]);
      const unitCertificatePem = await issue(unit, keys.publicKey, 365, [clientUsage(), names]);
      return { unitKeyPem: await exportPrivate(keys.privateKey), unitCertificatePem, journalKeyPem, rootPem };
    },
    async signUnit(unit, csrPem) {
      checkUnit(unit);
      const request = await readRequest(csrPem);
      const names = request.getExtension('2.5.29.17') as x509.SubjectAlternativeNameExtension | null;
      const urls = names?.names.items.filter((name) => name.type === 'url').map((name) => name.value) ?? [];
      const uri = urls.find((value) => /^urn:longroof:journal-key:sha256:[0-9a-f]{64}$/.test(value));
      if (!uri) throw new Fault('invalid', 'LR_CSR', 'the request does not name the journal key (URI urn:longroof:journal-key:sha256:HEX)');
      return issue(unit, request.publicKey, 365, [clientUsage(), new x509.SubjectAlternativeNameExtension([{ type: 'url', value: uri }])]);
    },
    async issueServer(hosts) {
      const keys = await makeKeys();
      const names = hosts.map((host) => ({ type: /^[\d.]+$|:/.test(host) ? ('ip' as const) : ('dns' as const), value: host }));
      const certificatePem = await issue(hosts[0] ?? 'longroof', keys.publicKey, 365, [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(names),
      ]);
      return { keyPem: await exportPrivate(keys.privateKey), certificatePem };
    },
    async issueSigner(usage) {
      const keys = await makeKeys();
      const certificatePem = await issue(`longroof ${usage}`, keys.publicKey, 730, [
        new x509.ExtendedKeyUsageExtension([SIGNER_USAGE_OID[usage]]),
      ]);
      return { keyPem: await exportPrivate(keys.privateKey), certificatePem };
    },
    async issueCentre() {
      const keys = await makeKeys();
      return {
        keyPem: await exportPrivate(keys.privateKey),
        certificatePem: await issue(CENTRE_NAME, keys.publicKey, 365, [clientUsage()]),
      };
    },
  };
}

function issuer(root: x509.X509Certificate, rootKey: CryptoKey, now: () => UtcMs): Issue {
  return async (subject, key, days, extensions) => {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${subject}`,
      issuer: root.subject,
      notBefore: new Date(now() - DAY_MS),
      notAfter: new Date(now() + days * DAY_MS),
      signingAlgorithm: ALGORITHM,
      publicKey: key,
      signingKey: rootKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        ...extensions,
      ],
    });
    return certificate.toString('pem');
  };
}

async function makeRoot(disk: Disk, directory: string, keyFile: string, certificateFile: string, nowMs: UtcMs): Promise<void> {
  disk.makeDirectory(directory);
  const keys = await makeKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Longroof fleet ${randomBytes(4).toString('hex')}`,
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + 20 * 365 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  writeDurably(disk, keyFile, await exportPrivate(keys.privateKey));
  writeDurably(disk, certificateFile, root.toString('pem'));
}

async function readRequest(csrPem: string): Promise<x509.Pkcs10CertificateRequest> {
  try {
    if (csrPem.length > CSR_CHARS_MAX) throw new Error('too long');
    const request = new x509.Pkcs10CertificateRequest(csrPem);
    if (await request.verify()) return request;
  } catch (error) {
    throw new Fault('invalid', 'LR_CSR', 'not a certificate request in PEM', { cause: error });
  }
  throw new Fault('invalid', 'LR_CSR', 'the signature of the certificate request does not fit its key');
}

function checkUnit(unit: string): void {
  if (!isId(unit))
    throw new Fault('invalid', 'LR_UNIT_NAME', `"${unit}" is no name for a unit: 1 to 32 lower-case letters, digits or hyphens`);
}

function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function makeKeys(): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;
}

async function exportPrivate(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' }) as string;
}

async function importPrivate(pem: string): Promise<CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

/**
 * The centre's keys, issued by the fleet's authority and kept in `data/keys`: TLS server, signer of receipts, signer of desired state.
 * Each is renewed before it runs out, and the server's when it goes by other names. Old certificates are kept: what they signed must
 * verify for as long as footage does.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import path from 'node:path';
import type { Clock } from '@longroof/base/clock';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { Authority, KeyAndCertificate } from '@longroof/protocol/authority';

export interface CentreKeys {
  server: KeyAndCertificate;
  receipt: KeyAndCertificate;
  desired: KeyAndCertificate;
  /** As the client of a broker that is not ours; undefined where none is needed. */
  centre?: KeyAndCertificate;
}

export interface KeyOptions {
  directory: string;
  /** By which units reach the centre. */
  hosts: readonly string[];
  /** Whether a broker that is not ours is to be connected to. */
  asClient?: boolean;
  authority: Authority;
  disk: Disk;
  clock: Clock;
  log: Log;
}

export const RENEW_MS = 30 * 86_400_000;
/** A centre that runs for so long that one of its certificates has less left must be started again. */
const URGENT_MS = 7 * 86_400_000;

export async function openKeys(options: KeyOptions): Promise<CentreKeys> {
  options.disk.makeDirectory(options.directory);
  const { authority, hosts } = options;
  return {
    server: await openPair(
      options,
      'server',
      () => authority.issueServer(hosts),
      (certificate) => hosts.every((host) => names(certificate, host)),
    ),
    receipt: await openPair(options, 'receipt', () => authority.issueSigner('receipt')),
    desired: await openPair(options, 'desired', () => authority.issueSigner('desired')),
    ...(options.asClient ? { centre: await openPair(options, 'centre', () => authority.issueCentre()) } : {}),
  };
}

/** Throws `conflict` (LR_KEY_EXPIRES) when a certificate runs out soon. */
export function checkKeys(keys: CentreKeys, clock: Clock): void {
  for (const [name, pair] of Object.entries(keys) as [string, KeyAndCertificate][]) {
    const { validTo } = new X509Certificate(pair.certificatePem);
    if (Date.parse(validTo) - clock.utc() < URGENT_MS)
      throw new Fault('conflict', 'LR_KEY_EXPIRES', `the certificate ${name} ends ${validTo}`, {
        hint: 'Start the controller again: it renews it.',
      });
  }
}

type Fits = (certificate: X509Certificate) => boolean;

async function openPair(
  options: KeyOptions,
  name: string,
  issue: () => Promise<KeyAndCertificate>,
  fits: Fits = () => true,
): Promise<KeyAndCertificate> {
  const { directory, disk, log } = options;
  const file = path.join(directory, `${name}.pem`);
  const known = readPair(disk, file);
  if (known && fits(known.certificate) && isCurrent(known.certificate, options)) return known.pair;
  if (known) keepOld(options, name, known);
  const pair = await issue();
  // Key and certificate stand in one file, so that no stop can leave one without the other.
  writeDurably(disk, file, `${pair.keyPem.trimEnd()}\n${pair.certificatePem.trimEnd()}\n`);
  log.info(
    { certificate: name, until: new X509Certificate(pair.certificatePem).validTo },
    known ? 'certificate renewed' : 'certificate issued',
  );
  return pair;
}

interface KnownPair {
  pair: KeyAndCertificate;
  certificate: X509Certificate;
}

function readPair(disk: Disk, file: string): KnownPair | undefined {
  if (!disk.stat(file)) return undefined;
  const content = disk.readFile(file).toString('latin1');
  const at = content.indexOf('-----BEGIN CERTIFICATE-----');
  try {
    const pair = { keyPem: content.slice(0, Math.max(0, at)), certificatePem: content.slice(Math.max(0, at)) };
    const certificate = new X509Certificate(pair.certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(pair.keyPem)))
      throw new Fault('corrupt', 'LR_KEY_FILE', 'key and certificate differ');
    return { pair, certificate };
  } catch (error) {
    throw new Fault('corrupt', 'LR_KEY_FILE', `${file}: ${toFault(error).message}`, {
      cause: error,
      hint: 'Restore it from a backup, or remove it: another is then issued.',
    });
  }
}

function isCurrent(certificate: X509Certificate, { authority, clock }: KeyOptions): boolean {
  const root = new X509Certificate(authority.rootPem);
  return certificate.verify(root.publicKey) && Date.parse(certificate.validTo) - clock.utc() > RENEW_MS;
}

function keepOld({ directory, disk }: KeyOptions, name: string, { pair, certificate }: KnownPair): void {
  const folder = path.join(directory, 'old');
  disk.makeDirectory(folder);
  writeDurably(disk, path.join(folder, `${name}-${certificate.serialNumber.toLowerCase()}.crt`), pair.certificatePem);
}

function names(certificate: X509Certificate, host: string): boolean {
  return /^[\d.]+$|:/.test(host) ? certificate.checkIP(host) !== undefined : certificate.checkHost(host) !== undefined;
}

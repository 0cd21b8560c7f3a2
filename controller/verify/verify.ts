/**
 * Examines one exported pull, step by step, each on what the ones before have shown. What is false is told and ends the examination of
 * what hangs on it; the rest is examined all the same. Reads; writes nothing.
 */
import type { X509Certificate } from 'node:crypto';
import { type Fault, toFault } from '@longroof/base/errors';
import { type Answer, compareAnswer, readAnswer } from './answer.js';
import { type CameraProof, proveCamera } from './binding.js';
import { type Countersigned, checkCountersigned } from './countersigned.js';
import { checkFiles, fileOf, type Manifest, parseCanonical, readAll, readManifest, readSignature } from './documents.js';
import { type CheckedFootage, checkFootage } from './footage.js';
import { type Journal, readJournal } from './journal.js';
import { type Reel, readReels } from './reels.js';
import type { Source } from './source.js';
import { checkStored, type StoredSpan } from './stored.js';
import { checkSignature, journalKeyOf, readCertificate, trustRoot } from './trust.js';
import { readZip, type ZipEntry } from './zip.js';

export interface Finding {
  code: string;
  message: string;
}

export interface Examination {
  faults: Finding[];
  manifest: Manifest | undefined;
  root: { sha256: string; given: boolean } | undefined;
  journals: Journal[];
  /** Epochs whose key is bound to the unit by a certificate of the fleet. */
  keysBound: number;
  cameras: CameraProof[];
  stored: StoredSpan | undefined;
  /** Checkpoints that the centre signed too. */
  countersigned: Countersigned[];
  answer: Answer | undefined;
}

/** Never throws for what is in the file. */
export function examine(source: Source, givenRoot: X509Certificate | undefined): Examination {
  const found: Examination = {
    faults: [],
    manifest: undefined,
    root: undefined,
    journals: [],
    keysBound: 0,
    cameras: [],
    stored: undefined,
    countersigned: [],
    answer: undefined,
  };
  const step = <T>(run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      const fault: Fault = toFault(error);
      found.faults.push({ code: fault.code, message: fault.message });
      return undefined;
    }
  };
  const entries = step(() => readZip(source));
  const manifest = entries && step(() => readManifest(readAll(fileOf(entries, 'manifest.json').content, 'LR_PROOF_MANIFEST')));
  if (!entries || !manifest) return found;
  found.manifest = manifest;
  step(() => checkFiles(manifest, entries));
  const root = step(() => trustRoot(readCertificate(pemOf(entries, manifest.root), 'the root certificate'), givenRoot));
  if (root) {
    found.root = { sha256: root.fingerprint256.replaceAll(':', '').toLowerCase(), given: givenRoot !== undefined };
    step(() => checkManifest(entries, manifest, root));
    for (const epoch of manifest.epochs) step(() => takeJournal(found, entries, epoch, root));
    step(() => takeCentresWord(found, entries, manifest, root));
  }
  const reels = step(() => readReels(fileOf(entries, 'proof/reels.jsonl').content)) ?? new Map<string, Reel>();
  const footage: CheckedFootage[] = [];
  for (const one of manifest.footage) {
    const checked = step(() => checkFootage(entries, one, manifest.unit));
    if (checked) footage.push(checked);
  }
  found.stored = step(() => checkStored(fileOf(entries, 'proof/stored.jsonl').content, manifest, footage));
  for (const camera of new Set(footage.map((one) => one.camera))) {
    const ofCamera = footage.filter((one) => one.camera === camera);
    const proof = step(() => proveCamera(ofCamera, found.journals, reels));
    if (proof && proof.fragments > 0) found.cameras.push(proof);
  }
  return found;
}

function pemOf(entries: ReadonlyMap<string, ZipEntry>, name: string): Buffer {
  return readAll(fileOf(entries, name).content, 'LR_PROOF_CERTIFICATE');
}

function checkManifest(entries: ReadonlyMap<string, ZipEntry>, manifest: Manifest, root: X509Certificate): void {
  const signature = readSignature(readAll(fileOf(entries, 'signature.json').content, 'LR_PROOF_SIGNATURE'));
  const signer = readCertificate(pemOf(entries, manifest.signer), 'the certificate of the signer');
  checkSignature(signature, manifest, fileOf(entries, 'manifest.json').sha256, signer, root);
}

function takeCentresWord(found: Examination, entries: ReadonlyMap<string, ZipEntry>, manifest: Manifest, root: X509Certificate): void {
  const bytes = readAll(fileOf(entries, 'proof/answer.json').content, 'LR_PROOF_ANSWER');
  const answer = readAnswer(parseCanonical(bytes, 'LR_PROOF_ANSWER', 'proof/answer.json'), root);
  compareAnswer(answer, manifest);
  found.answer = answer;
  const source = fileOf(entries, 'proof/countersigned.jsonl').content;
  found.countersigned = checkCountersigned(source, entries, { unit: manifest.unit, journals: found.journals }, root);
}

function takeJournal(
  found: Examination,
  entries: ReadonlyMap<string, ZipEntry>,
  epoch: Manifest['epochs'][number],
  root: X509Certificate,
): void {
  const manifest = found.manifest as Manifest;
  const certificate =
    epoch.certificate === null ? undefined : readCertificate(pemOf(entries, epoch.certificate), `the certificate of ${manifest.unit}`);
  const key = journalKeyOf(epoch, manifest.unit, certificate, root);
  const journal = readJournal(entries, epoch, { unit: manifest.unit, pullId: manifest.pull.id }, key);
  found.journals.push(journal);
  if (certificate) found.keysBound += 1;
}

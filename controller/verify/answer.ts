/**
 * The centre's signed answer to a request for footage (docs/verification.md, 10): granted, in part, none and why, refused, called off.
 * Checked in an export against what the export holds, or alone as the file that whoever asked was given.
 */
import type { X509Certificate } from 'node:crypto';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { toFault } from '@longroof/base/errors';
import { isCount, isHash, isName, isNumber, isText, type Manifest } from './documents.js';
import { broken } from './source.js';
import { checkSigner, isSigned, keyIdOf, readCertificate } from './trust.js';

const ANSWERS = ['granted', 'partial', 'none', 'refused', 'cancelled'] as const;

export interface Answer {
  pullId: string | null;
  unit: string;
  cameras: string[];
  rendition: string;
  from: string;
  to: string;
  person: string;
  reason: string;
  answer: (typeof ANSWERS)[number];
  code: string | null;
  fragments: number;
  bytes: number;
  missing: { camera: string; fromUtcMs: number; toUtcMs: number; cause: string }[];
  utcMs: number;
}

const CODE = 'LR_PROOF_ANSWER';
const bad = (why: string) => broken(CODE, `the answer to the request: ${why}`);

/** Throws LR_PROOF_ANSWER, LR_PROOF_CERTIFICATE. */
export function readAnswer(m: Record<string, unknown>, root: X509Certificate): Answer {
  const { keyId, signature, certificate } = m;
  const statement = (m['statement'] ?? {}) as Record<string, unknown>;
  if (Object.keys(m).length !== 4 || !isHash(keyId) || !isText(signature) || !isText(certificate) || !isAnswer(statement))
    throw bad('it has not the form of one');
  const signer = readCertificate(Buffer.from(certificate), 'the certificate of the answer');
  checkSigner(signer, root, statement.utcMs, 'the certificate of the answer');
  if (
    keyIdOf(signer.publicKey) !== keyId ||
    !isSigned(signer.publicKey, Buffer.from(canonicalJson(statement as unknown as Json)), signature)
  )
    throw bad('its signature does not fit');
  return statement;
}

function isAnswer(value: unknown): value is Answer {
  const s = value as Record<string, unknown>;
  const orNull = (one: unknown): boolean => one === null || isText(one);
  const isMissing = (one: unknown): boolean => {
    const { camera, fromUtcMs, toUtcMs, cause } = (one ?? {}) as Record<string, unknown>;
    return isName(camera) && isNumber(fromUtcMs) && isNumber(toUtcMs) && isText(cause);
  };
  return (
    s['what'] === 'longroof-answer-1' &&
    [s['unit'], s['rendition'], s['from'], s['to'], s['person'], s['reason'], s['storeEpoch']].every(isText) &&
    [s['pullId'], s['code'], s['caseNumber'], s['rate']].every(orNull) &&
    Array.isArray(s['cameras']) &&
    s['cameras'].every(isName) &&
    (ANSWERS as readonly unknown[]).includes(s['answer']) &&
    [s['fragments'], s['bytes']].every(isCount) &&
    [s['requestedUtcMs'], s['endedUtcMs'], s['utcMs']].every(isNumber) &&
    Array.isArray(s['missing']) &&
    s['missing'].every(isMissing)
  );
}

/** That it answers the request of this export, and tells of what is in it. Throws LR_PROOF_ANSWER. */
export function compareAnswer(answer: Answer, manifest: Manifest): void {
  const { pull, footage, missing } = manifest;
  const asked =
    answer.pullId === pull.id &&
    answer.unit === manifest.unit &&
    answer.cameras.join() === pull.cameras.join() &&
    answer.rendition === pull.rendition &&
    Date.parse(answer.from) === Math.round(pull.fromUtcMs) &&
    Date.parse(answer.to) === Math.round(pull.toUtcMs) &&
    answer.person === pull.person &&
    answer.reason === pull.reason;
  if (!asked) throw bad('it is the answer to another request');
  const count = footage.reduce((sum, one) => sum + one.count, 0);
  if (answer.fragments !== count) throw bad(`it tells of ${answer.fragments} fragments; ${count} are in this file`);
  const gaps = (list: Answer['missing']): string =>
    list.map(({ camera, fromUtcMs, toUtcMs, cause }) => `${camera} ${fromUtcMs} ${toUtcMs} ${cause}`).join('\n');
  if (gaps(answer.missing) !== gaps(missing) || answer.code !== pull.code) throw bad('it gives other reasons than the manifest');
}

const WORDS: Readonly<Record<Answer['answer'], string>> = {
  granted: 'granted',
  partial: 'granted in part',
  none: 'there is no footage',
  refused: 'refused',
  cancelled: 'called off',
};

export function sayAnswer({ answer, code, person, utcMs }: Answer): string {
  return `The centre's signed answer to ${person}'s request, of ${iso(utcMs)}: ${WORDS[answer]}${code === null ? '' : ` (${code})`}.`;
}

/** All of a receipt that is checked alone, in lines of a terminal. */
export function printAnswer(file: string, answer: Answer): string {
  const facts: [string, string][] = [
    ['Wagon', answer.unit],
    ['Cameras', `${answer.cameras.join(', ')} (${answer.rendition})`],
    ['Time', `${answer.from} to ${answer.to}`],
    ['Reason', answer.reason],
    ['Footage', `${answer.fragments} fragments, ${answer.bytes} bytes at the centre`],
    ...answer.missing.map(({ camera, fromUtcMs, toUtcMs, cause }): [string, string] => [
      'Missing',
      `${camera}: ${iso(fromUtcMs)} to ${iso(toUtcMs)}: ${cause}`,
    ]),
  ];
  const lines = facts.map(([name, text]) => `  ${name.padEnd(8)} ${text}`);
  return [`${file}: PROVEN`, sayAnswer(answer), ...lines, "It is the centre's word; footage itself is proven by an export.", ''].join('\n');
}

function iso(utcMs: number): string {
  const date = new Date(utcMs);
  return Number.isNaN(date.getTime()) ? `${utcMs} ms` : date.toISOString();
}

/** A receipt alone, in any form of JSON: the statement is put into its canonical form. Throws as `readAnswer`. */
export function readAnswerFile(text: string, root: X509Certificate): Answer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(toFault(error).message);
  }
  if (typeof value !== 'object' || value === null) throw bad('it has not the form of one');
  return readAnswer(value as Record<string, unknown>, root);
}

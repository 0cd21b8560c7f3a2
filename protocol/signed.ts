/** Signs and checks statements. Which key may sign what is the certificate's business: see `authority.ts`. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { signBytes, verifyBytes } from './journal.js';
import type { Signed } from './messages.js';

const keyIds = new WeakMap<KeyObject, string>();

/** Hex SHA-256 of the key's SubjectPublicKeyInfo. Takes a private or a public key. Worked out once per key. */
export function keyId(key: KeyObject): string {
  const known = keyIds.get(key);
  if (known !== undefined) return known;
  const spki = (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
  const id = createHash('sha256').update(spki).digest('hex');
  keyIds.set(key, id);
  return id;
}

export function signStatement<T>(key: KeyObject, statement: T): Signed<T> {
  const bytes = Buffer.from(canonicalJson(statement as unknown as Json));
  return { statement, keyId: keyId(key), signature: signBytes(key, bytes) };
}

/** True when the signature fits the statement and the key is the one that is named. */
export function verifyStatement<T>(key: KeyObject, signed: Signed<T>): boolean {
  return keyId(key) === signed.keyId && verifyBytes(key, Buffer.from(canonicalJson(signed.statement as unknown as Json)), signed.signature);
}

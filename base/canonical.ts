/**
 * Canonical JSON (the subset of RFC 8785 we use): object keys in code-unit order, no white space, numbers as ECMAScript
 * prints them, `undefined` members left out. What is hashed or signed is always these bytes.
 */
import { createHash, hash } from 'node:crypto';
import { Fault } from './errors.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Throws `invalid` for NaN and infinities, which JSON cannot carry. */
export function canonicalJson(value: Json | undefined): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Fault('invalid', 'LR_JSON_NUMBER', 'a number that JSON cannot carry');
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
  if (value === undefined) return 'null';
  const object = value as { readonly [key: string]: Json | undefined };
  let text = '';
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}

export function sha256(...parts: readonly (Uint8Array | string)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function sha256Hex(...parts: readonly (Uint8Array | string)[]): string {
  const [only, ...others] = parts;
  // In one call, without an object to be collected: half the time for a text of some hundred characters.
  return only !== undefined && others.length === 0 ? hash('sha256', only, 'hex') : sha256(...parts).toString('hex');
}

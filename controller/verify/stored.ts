/** The centre's statements on when it had each fragment: one for every fragment of the footage, and the hash is the footage's. */
import { isCount, isHash, isName, isNumber, isText, lines, type Manifest, parseCanonical } from './documents.js';
import type { CheckedFootage } from './footage.js';
import { broken, type Source } from './source.js';

export interface StoredSpan {
  firstUtcMs: number;
  lastUtcMs: number;
}

/** Undefined where there is no footage. Throws LR_PROOF_STORED. */
export function checkStored(source: Source, manifest: Manifest, footage: readonly CheckedFootage[]): StoredSpan | undefined {
  const bad = (why: string) => broken('LR_PROOF_STORED', `proof/stored.jsonl: ${why}`);
  const open = new Map<string, string>();
  const key = (stream: { camera: string; rendition: string }, one: { epoch: string; run: number; seq: number }): string =>
    `${one.epoch}/${stream.camera}.${stream.rendition}/${one.run}/${one.seq}`;
  for (const one of footage) for (const fragment of one.fragments) open.set(key(one, fragment), fragment.sha256);
  const told = footage.length === manifest.footage.length;
  let span: StoredSpan | undefined;
  for (const line of lines(source, 'LR_PROOF_STORED')) {
    const m = parseCanonical(line, 'LR_PROOF_STORED', 'proof/stored.jsonl');
    const ok =
      m['what'] === 'longroof-stored-1' &&
      m['unit'] === manifest.unit &&
      m['storeEpoch'] === manifest.export.storeEpoch &&
      isText(m['epoch']) &&
      isName(m['camera']) &&
      isText(m['rendition']) &&
      [m['run'], m['seq'], m['bytes']].every(isCount) &&
      isHash(m['sha256']) &&
      isNumber(m['storedUtcMs']);
    if (!ok) throw bad('a line has not the form of one');
    const named = m as unknown as { epoch: string; camera: string; rendition: string; run: number; seq: number };
    const sha256 = open.get(key(named, named));
    // Of footage that is broken the fragments are not known.
    if (sha256 === undefined ? told : sha256 !== m['sha256']) throw bad(`fragment ${named.seq} of ${named.camera} is another one`);
    open.delete(key(named, named));
    const utcMs = m['storedUtcMs'] as number;
    span = { firstUtcMs: Math.min(span?.firstUtcMs ?? utcMs, utcMs), lastUtcMs: Math.max(span?.lastUtcMs ?? utcMs, utcMs) };
  }
  if (open.size > 0) throw bad(`${open.size} fragments are not in it`);
  return span;
}

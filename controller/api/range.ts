/** One byte range of a file (RFC 9110, 14.1.2). Several ranges at once, other units and nonsense are answered with the whole file. */
export type RangeAnswer = { kind: 'whole' } | { kind: 'part'; from: number; toExclusive: number } | { kind: 'unsatisfiable' };

const WHOLE: RangeAnswer = { kind: 'whole' };

/** `ifRange`: an entity tag (14.1.5): with another one than the file's the range does not hold. A date never does: files have none. */
export function readRange(range: string | undefined, ifRange: string | undefined, etag: string, bytes: number): RangeAnswer {
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return WHOLE;
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(range);
  if (!match || (match[1] === '' && match[2] === '')) return WHOLE;
  if (match[1] === '') {
    const suffix = Math.min(bytes, Number(match[2]));
    return suffix > 0 ? { kind: 'part', from: bytes - suffix, toExclusive: bytes } : { kind: 'unsatisfiable' };
  }
  const from = Number(match[1]);
  const last = match[2] === '' ? bytes - 1 : Number(match[2]);
  if (last < from) return match[2] === '' ? { kind: 'unsatisfiable' } : WHOLE;
  return from < bytes ? { kind: 'part', from, toExclusive: Math.min(bytes, last + 1) } : { kind: 'unsatisfiable' };
}

/** If-None-Match (13.1.2): weak comparison, a list or `*`. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}

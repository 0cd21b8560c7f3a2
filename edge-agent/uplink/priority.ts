/**
 * The order of footage on the wire: what a person waits for, then what a hold keeps, then what was asked for, then what an earlier store
 * had, then what goes without being asked for. One number, lowest first: each claim has a band, and an order within it.
 */

export const CLAIMS = ['urgent', 'held', 'pull', 'offer', 'policy'] as const;
export type Claim = (typeof CLAIMS)[number];

/** Bytes of a pull, its order within its claim, are fewer. */
const BAND = 2 ** 50;
const FIRST = CLAIMS.indexOf('pull');

/** `within` the claim: lowest first. */
export function priorityOf(claim: Claim, within: number): number {
  return (CLAIMS.indexOf(claim) - FIRST) * BAND + Math.min(Math.max(0, within), BAND - 1);
}

export function claimOf(priority: number): Claim {
  return CLAIMS[Math.min(Math.max(0, Math.floor(priority / BAND) + FIRST), CLAIMS.length - 1)] as Claim;
}

/** Of a better claim: what is under way gives way to it. Within one claim a fragment is sent to its end. */
export function goesBefore(one: number, other: number): boolean {
  return CLAIMS.indexOf(claimOf(one)) < CLAIMS.indexOf(claimOf(other));
}

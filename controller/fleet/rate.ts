/** The bit rate of a copy as people write it: `300k`, `2M`. */
import { Fault } from '@longroof/base/errors';
import { isRateBps } from '@longroof/protocol/messages';

export const RATE_PATTERN = '^[1-9]\\d{0,4}[kM]$';

/** Bits a second. Throws LR_PULL_RATE. */
export function parseRate(text: string): number {
  const bps = new RegExp(RATE_PATTERN).test(text) ? Number(text.slice(0, -1)) * (text.endsWith('k') ? 1000 : 1_000_000) : undefined;
  if (!isRateBps(bps)) throw new Fault('invalid', 'LR_PULL_RATE', `${text} is no rate for a copy: 50k to 8M, bits a second`);
  return bps;
}

export function formatRate(bps: number): string {
  return bps % 1_000_000 === 0 ? `${bps / 1_000_000}M` : `${Math.round(bps / 1000)}k`;
}

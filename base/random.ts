/** A small seeded generator for tests and simulations (mulberry32): the same seed gives the same run everywhere. Not for secrets. */
export interface Random {
  /** 0 <= x < 1 */
  next(): number;
  /** Whole number in [from, to). */
  int(from: number, to: number): number;
  pick<T>(items: readonly T[]): T;
  bytes(length: number): Buffer;
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (from: number, to: number): number => from + Math.floor(next() * (to - from));
  return {
    next,
    int,
    pick: (items) => {
      const item = items[int(0, items.length)];
      if (item === undefined) throw new RangeError('nothing to pick from');
      return item;
    },
    bytes: (length) => Buffer.from(Array.from({ length }, () => int(0, 256))),
  };
}

/** The seed of a test run: from LONGROOF_SEED, or a new one. Print it. */
export function testSeed(environment: NodeJS.ProcessEnv = process.env): number {
  const given = Number(environment['LONGROOF_SEED']);
  return Number.isSafeInteger(given) && given > 0 ? given : Math.floor(Math.random() * 0x7fffffff) + 1;
}

/** How many cases a fuzz test runs: LONGROOF_FUZZ_CASES, or `few` in a quick run. */
export function fuzzCases(few: number, environment: NodeJS.ProcessEnv = process.env): number {
  const given = Number(environment['LONGROOF_FUZZ_CASES']);
  return Number.isSafeInteger(given) && given > 0 ? given : few;
}

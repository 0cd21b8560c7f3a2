/** What all actors of a campaign share: the programs, the links, and the account of what was done to them. */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@longroof/base/random';
import type { FaultWagon } from '../wagon.js';
import type { FaultCentre } from './centre.js';
import type { Cutter } from './cutter.js';
import type { DurableBook } from './durable.js';
import type { Meddler } from './meddler.js';
import type { Restarted } from './programs.js';

export interface Ground {
  wagon: FaultWagon;
  agent: Restarted;
  centre: FaultCentre;
  link: Cutter;
  meddler: Meddler;
  book: DurableBook;
  journal: EventLog;
  pullsFile: string;
}

/** Times of everything that was done, for whoever looks for a cause afterwards. */
export class EventLog {
  readonly counts: Record<string, number> = {};
  readonly #file: string;
  readonly #startMs = performance.now();

  constructor(file: string) {
    this.#file = file;
  }

  note(what: string, detail = ''): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    const atS = ((performance.now() - this.#startMs) / 1000).toFixed(1);
    fs.appendFileSync(this.#file, `${atS.padStart(8)} s  ${new Date().toISOString()}  ${what} ${detail}\n`);
  }
}

/** `count` acts, spread evenly over `overMs`, each somewhere within its share. */
export async function spread(count: number, overMs: number, random: Random, act: (n: number) => Promise<void>): Promise<void> {
  const startMs = performance.now();
  for (let n = 0; n < count; n += 1) {
    const atMs = ((n + 0.1 + 0.8 * random.next()) * overMs) / count;
    await delay(Math.max(0, startMs + atMs - performance.now()));
    await act(n + 1);
  }
}

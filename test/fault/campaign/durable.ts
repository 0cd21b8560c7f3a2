/**
 * Writes down what is durable, at the time, from the disk itself: rows of the index while the agent runs, and after each kill also the
 * fragments that stand whole in a reel's file. What the agent says of them later does not matter here.
 */
import fs from 'node:fs';
import type { Durable } from '../checker/known.js';
import { nameOf } from '../checker/known.js';
import { readReelFile, reelFiles } from '../checker/reels.js';
import { type Row, spoolRows } from '../rows.js';
import { monoMs } from '../wagon.js';

const TRUE_MS = 500;

export class DurableBook {
  readonly #spool: string;
  readonly #file: string;
  readonly #known = new Map<string, string>();
  /** By reel's file, its size and time when it was last read. */
  readonly #read = new Map<string, string>();
  readonly conflicts: string[] = [];
  fromReels = 0;

  constructor(spool: string, file: string) {
    this.#spool = spool;
    this.#file = file;
    fs.writeFileSync(file, '');
  }

  get size(): number {
    return this.#known.size;
  }

  /** The index, also of a running agent. */
  lookAtIndex(): void {
    let rows: Row[] = [];
    try {
      rows = spoolRows(this.#spool);
    } catch {
      // A disk or an index in the middle of being made: the next look sees it.
      return;
    }
    this.#add(rows);
  }

  /** The reels themselves, while no agent runs. */
  lookAtReels(): void {
    for (const file of reelFiles(this.#spool)) {
      const { size, mtimeMs } = fs.statSync(file);
      const state = `${size} ${mtimeMs}`;
      if (this.#read.get(file) === state) continue;
      this.#read.set(file, state);
      const before = this.#known.size;
      this.#add(readReelFile(file).map((one) => ({ ...one, endMonoMs: one.startMonoMs + one.durationMs })));
      this.fromReels += this.#known.size - before;
    }
  }

  #add(rows: readonly Row[]): void {
    const offsetMs = Date.now() - monoMs();
    const lines: string[] = [];
    for (const row of rows) {
      const name = nameOf(row);
      const known = this.#known.get(name);
      if (known !== undefined) {
        if (known !== row.sha256) this.conflicts.push(`${name} was ${known}, then ${row.sha256}`);
        continue;
      }
      this.#known.set(name, row.sha256);
      const { epoch, camera, rendition, run, seq, sha256, bytes, startMonoMs, endMonoMs, wallUtcMs } = row;
      const fromUtcMs = startMonoMs + offsetMs;
      const one: Durable = {
        ...{ epoch, camera, rendition, run, seq, sha256, bytes, fromUtcMs, toUtcMs: endMonoMs + offsetMs },
        clockTrue: Math.abs(wallUtcMs - fromUtcMs) < TRUE_MS,
      };
      lines.push(`${JSON.stringify(one)}\n`);
    }
    if (lines.length > 0) fs.appendFileSync(this.#file, lines.join(''));
  }
}

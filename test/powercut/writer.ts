/**
 * A program of the crash points: records, reclaims, closes, dies and starts again in the spool of its argument, by a seed, and says
 * after each commit what is durable now (a line on descriptor 3); it goes on only when that was written down (a byte on 4).
 *
 *   writer.js SPOOL SEED COMMITS KEY-FILE
 */
import fs from 'node:fs';
import { SimClock } from '@longroof/base/clock-sim';
import { type Random, seededRandom } from '@longroof/base/random';
import { openCore, type SpoolCore } from '@longroof/edge-agent/spool/core';
import { testFragment, testInit } from '@longroof/edge-agent/spool/test-fragments';
import { type Mark, rowsOf, STREAMS, spoolOptions, streamKey } from './life.js';

const [spool = '', seedText = '', commitsText = '', keyFile = ''] = process.argv.slice(2);
const journalKeyPem = fs.readFileSync(keyFile, 'utf8');
const MARKS_FD = 3;
const ANSWERS_FD = 4;

class Writer {
  readonly #random: Random;
  readonly #clock = new SimClock(5000);
  readonly #next = new Map<string, number>();
  #known = new Map<string, string>();
  #records: [number, string][] = [];
  #core: SpoolCore;
  commits = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#core = this.#open();
  }

  #open(): SpoolCore {
    const core = openCore(spoolOptions(spool, journalKeyPem, 'boot-1', this.#clock));
    for (const stream of STREAMS) {
      this.#next.set(streamKey(stream), this.#clock.mono());
      core.openStream(stream);
    }
    this.#mark(core);
    return core;
  }

  /** What the index shows after a commit is what was reported durable. */
  #mark(core: SpoolCore): void {
    if (core.state.diskState.fault) throw core.state.diskState.fault;
    const rows = rowsOf(core);
    const mark: Mark = {
      added: [...rows].filter(([key]) => !this.#known.has(key)),
      gone: [...this.#known.keys()].filter((key) => !rows.has(key)),
      records: this.#records.splice(0),
      utcMs: this.#clock.utc(),
    };
    this.#known = rows;
    this.commits += 1;
    fs.writeSync(MARKS_FD, `${JSON.stringify(mark)}\n`);
    if (fs.readSync(ANSWERS_FD, Buffer.alloc(1)) !== 1) throw new Error('nobody listens');
  }

  async step(): Promise<void> {
    const random = this.#random;
    const action = random.next();
    if (action < 0.5) this.#write();
    else if (action < 0.7) {
      this.#core.commit({ force: true });
      this.#mark(this.#core);
    } else if (action < 0.93) await this.#clock.advance(random.int(100, 4000));
    else if (action < 0.97) this.#record();
    else if (action < 0.98) await this.#clock.advance(random.int(10_000, 60_000));
    else if (action < 0.99) await this.#restart();
  }

  #write(): void {
    const random = this.#random;
    for (const stream of STREAMS) {
      const from = this.#next.get(streamKey(stream)) ?? 0;
      const durationMs = random.int(40, 1500);
      if (from + durationMs > this.#clock.mono()) continue;
      this.#next.set(streamKey(stream), from + durationMs);
      const payloadBytes = random.int(200, 12_000) * 4;
      const fragment = testFragment(random, stream, { startMonoMs: from, durationMs, payloadBytes, init: testInit() });
      this.#core.write(fragment, { utcMs: this.#clock.utc() - this.#clock.mono() + from, source: 'ntp', errorMs: 20 });
    }
  }

  #record(): void {
    const note = `n${this.#random.int(0, 1e9)}`;
    this.#core.record('event', { event: note }, false, (seq) => {
      if (typeof seq === 'number') this.#records.push([seq, note]);
    });
  }

  /** Closed well, or the process was killed. */
  async #restart(): Promise<void> {
    if (this.#random.next() < 0.4) this.#core.close();
    else this.#core.abandon();
    await this.#clock.advance(this.#random.int(100, 20_000));
    this.#core = this.#open();
  }
}

const writer = new Writer(seededRandom(Number(seedText)));
while (writer.commits < Number(commitsText)) await writer.step();
process.exit(0);

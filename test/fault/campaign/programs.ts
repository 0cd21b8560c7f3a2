/** A program that is killed and started over and over; what it printed in each life is kept in one file. */
import fs from 'node:fs';
import type { Program } from '../../peers/program.js';

export class Restarted {
  readonly name: string;
  readonly #make: () => Promise<Program>;
  readonly #logFile: string;
  #program: Program | undefined;
  #startedMs = 0;
  #wanted = false;
  #turn: Promise<unknown> = Promise.resolve();
  starts = 0;
  kills = 0;
  /** It went without being told to. */
  readonly deaths: string[] = [];

  constructor(name: string, logFile: string, make: () => Promise<Program>) {
    this.name = name;
    this.#logFile = logFile;
    this.#make = make;
  }

  get program(): Program | undefined {
    return this.#program;
  }

  get pid(): number | undefined {
    return this.#program?.pid;
  }

  get ageMs(): number {
    return this.#program ? performance.now() - this.#startedMs : 0;
  }

  /** One at a time: a start waits for the end before it. Starts again what fails to start. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      this.#wanted = true;
      while (this.#wanted && !this.#program) {
        this.starts += 1;
        this.#startedMs = performance.now();
        try {
          this.#adopt(await this.#make());
        } catch (error) {
          this.#keep(`did not start: ${(error as Error).message}`);
          await new Promise((resolve) => setTimeout(resolve, 1000));
        }
      }
    });
  }

  /** How it ended; undefined when it did not run. */
  async stop(signal: NodeJS.Signals, withinMs?: number): Promise<number | string | undefined> {
    this.#wanted = false;
    return this.#inTurn(async () => {
      const program = this.#program;
      this.#program = undefined;
      if (!program) return undefined;
      if (signal === 'SIGKILL') this.kills += 1;
      const how = await program.stop(signal, withinMs);
      this.#keep(program.output());
      return how;
    });
  }

  #adopt(program: Program): void {
    this.#program = program;
    void program.exited.then((how) => {
      if (this.#program !== program) return;
      // Nobody told it to: a service manager would start it again, and so do we.
      this.#program = undefined;
      this.deaths.push(`${this.name} ended by itself with ${how}`);
      this.#keep(program.output());
      if (this.#wanted) void this.start();
    });
  }

  #keep(text: string): void {
    fs.appendFileSync(this.#logFile, `${text}\n--- ${this.name}, life ${this.starts}, ${new Date().toISOString()}\n`);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(act, act);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

/**
 * A program of the demo that is kept running: when it ends unasked it is said and started again, after 1 s first and up to 15 s.
 * Its output goes to a file, which is begun anew when it grows past a bound; the last lines are kept to explain an end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { Backoff } from '@longroof/base/retry';

const LOG_BYTES_MAX = 8 * 1024 * 1024;
const TAIL_CHARS = 4000;
/** Who has run so long was well: the next wait is the first again. */
const WELL_MS = 60_000;

export interface ChildSpec {
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  logFile: string;
  /** The pattern by which it says that it is ready; without one it is ready at once. */
  ready?: RegExp;
  /** Keep its standard input open for `tell`. */
  stdin?: boolean;
}

export class Child {
  readonly spec: ChildSpec;
  readonly #say: (text: string) => void;
  readonly #changed: () => void;
  readonly #backoff = new Backoff({ firstMs: 1000, maxMs: 15_000 });
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #log = -1;
  #logBytes = 0;
  #tail = '';
  #stopping = false;
  #ready: ((match: RegExpMatchArray) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  /** `say` tells the person in front; `changed` is called when the process id changes. */
  constructor(spec: ChildSpec, say: (text: string) => void, changed: () => void) {
    this.spec = spec;
    this.#say = say;
    this.#changed = changed;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves with the match of `ready`; rejects when the first start ends before or takes longer than `withinMs`. */
  start(withinMs = 20_000): Promise<RegExpMatchArray | undefined> {
    const waiting = this.spec.ready
      ? new Promise<RegExpMatchArray>((resolve, reject) => {
          const timer = setTimeout(
            () => reject(new Error(`${this.spec.name} was not ready within ${withinMs} ms\n${this.#tail}`)),
            withinMs,
          );
          this.#ready = (match) => {
            clearTimeout(timer);
            resolve(match);
          };
          this.#failed = (error) => {
            clearTimeout(timer);
            reject(error);
          };
        })
      : Promise.resolve(undefined);
    this.#launch();
    return waiting;
  }

  tell(line: string): void {
    const stdin = this.#process?.stdin;
    if (stdin?.writable && stdin.writableLength < 64 * 1024) stdin.write(`${line}\n`);
  }

  /** Asks it to end, and makes it after `withinMs`. Resolves when it is gone. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const running = this.#process;
    if (running) {
      const gone = new Promise<void>((resolve) => running.once('exit', () => resolve()));
      const timer = setTimeout(() => running.kill('SIGKILL'), withinMs);
      running.stdin?.end();
      running.kill('SIGTERM');
      await gone;
      clearTimeout(timer);
    }
    if (this.#log >= 0) fs.closeSync(this.#log);
    this.#log = -1;
  }

  #launch(): void {
    const { command, args, env, stdin } = this.spec;
    const startedMs = performance.now();
    // A group of its own: Ctrl-C reaches the demo alone, which then stops its children in order. When the demo dies, they do.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', command, ...args], {
      env: { ...process.env, ...env },
      stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#process = child;
    this.#tail = '';
    child.stdout?.on('data', (chunk: Buffer) => this.#take(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#take(chunk));
    // A child that is ending closes its input: what was written last may go nowhere, and its end is told by `exit`.
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.on('error', (error) => this.#take(Buffer.from(`${error.message}\n`)));
    child.on('exit', (code, signal) =>
      this.#ended(code === null ? (signal ?? 'no reason') : `exit code ${code}`, performance.now() - startedMs),
    );
    this.#changed();
  }

  #take(chunk: Buffer): void {
    if (this.#log < 0 && !this.#stopping) {
      this.#log = fs.openSync(this.spec.logFile, 'a', 0o600);
      this.#logBytes = fs.fstatSync(this.#log).size;
    }
    if (this.#logBytes > LOG_BYTES_MAX) {
      fs.ftruncateSync(this.#log, 0);
      this.#logBytes = 0;
    }
    if (this.#log >= 0) this.#logBytes += fs.writeSync(this.#log, chunk);
    this.#tail = (this.#tail + chunk.toString('utf8')).slice(-TAIL_CHARS);
    const match = this.spec.ready && this.#ready ? this.#tail.match(this.spec.ready) : null;
    if (!match) return;
    this.#ready?.(match);
    this.#ready = undefined;
    this.#failed = undefined;
  }

  #ended(how: string, livedMs: number): void {
    this.#process = undefined;
    this.#changed();
    if (this.#stopping) return;
    if (this.#failed) {
      this.#stopping = true;
      this.#failed(new Error(`${this.spec.name} ended (${how}) before it was ready:\n${this.#tail.trimEnd()}`));
      return;
    }
    if (livedMs > WELL_MS) this.#backoff.reset();
    const waitMs = this.#backoff.nextMs();
    const last = this.#tail.trimEnd().split('\n').at(-1)?.slice(0, 300) ?? '';
    this.#say(
      `${this.spec.name} ended (${how}); starting it again in ${(waitMs / 1000).toFixed(1)} s${last ? `. It said last: ${last}` : ''}`,
    );
    this.#timer = setTimeout(() => this.#launch(), waitMs);
  }
}

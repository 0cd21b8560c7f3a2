/**
 * A program that works on footage beside the recording: at the lowest priority of CPU and disk, first to go when memory runs short,
 * bounded in time and in output, with nothing of our environment. What it reads comes through a pipe, so that it needs no right to any
 * file and no name or secret stands in its arguments.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';

export interface RunAs {
  uid: number;
  gid: number;
}

export interface LowChildOptions {
  program: string;
  args: readonly string[];
  input: AsyncIterable<Uint8Array>;
  /** May throw: the program is then ended. */
  output: (bytes: Buffer) => void;
  outputBytesMax: number;
  timeMs: number;
  clock: Clock;
  signal: AbortSignal;
  runAs?: RunAs | undefined;
}

/** nice(1), ionice(1) and choom(1) each become what they start: one process, ours to end. */
const LOW = ['-n', '19', 'ionice', '-c', '3', 'choom', '-n', '800', '--'];
/** Of nice, ionice and choom where there is no such program. */
const NO_PROGRAM = 127;
const COMPLAINT_CHARS_MAX = 2048;

/**
 * Resolves when it has ended well. Throws LR_COPY_PROGRAM, LR_COPY_FAILED, LR_COPY_TIME, LR_COPY_OUTPUT, LR_CANCELLED, and what the
 * input and `output` throw. No process is left behind.
 */
export async function runLow(options: LowChildOptions): Promise<void> {
  const { program, args, runAs, clock, signal, timeMs } = options;
  if (signal.aborted) throw cancelled();
  const child = spawn('nice', [...LOW, program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    ...(runAs ?? {}),
  });
  const run = new Run(child, options);
  const stop = (): void => run.fail(cancelled());
  signal.addEventListener('abort', stop, { once: true });
  const late = clock.after(timeMs, () => run.fail(new Fault('too-large', 'LR_COPY_TIME', `${program} took longer than ${timeMs} ms`)));
  try {
    await Promise.all([run.feed(), run.ended]);
  } finally {
    late.cancel();
    signal.removeEventListener('abort', stop);
  }
  run.check();
}

class Run {
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #options: LowChildOptions;
  #bytes = 0;
  #complaints = '';
  #code: number | null = null;
  #over = false;
  #fault: unknown;

  constructor(child: ChildProcess, options: LowChildOptions) {
    this.#child = child;
    this.#options = options;
    child.stdout?.on('data', (bytes: Buffer) => this.#output(bytes));
    child.stderr?.on('data', (bytes: Buffer) => {
      this.#complaints = (this.#complaints + bytes.toString('utf8')).slice(-COMPLAINT_CHARS_MAX);
    });
    // It may end before it has read everything; its exit code then says how that was.
    child.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const gone = (): void => {
        this.#over = true;
        resolve();
      };
      child.once('error', (error) => {
        this.#fault ??= new Fault('not-found', 'LR_COPY_PROGRAM', `nice cannot be started: ${error.message}`, { cause: error });
        gone();
      });
      child.once('close', (code) => {
        this.#code = code;
        gone();
      });
    });
  }

  /** The first reason counts. */
  fail(fault: unknown): void {
    if (this.#over) return;
    this.#fault ??= fault;
    this.#child.kill('SIGKILL');
  }

  async feed(): Promise<void> {
    const { stdin } = this.#child;
    if (!stdin) return;
    try {
      for await (const bytes of this.#options.input) {
        if (this.#over || this.#fault !== undefined || stdin.destroyed) break;
        if (!stdin.write(bytes)) await Promise.race([once(stdin, 'drain').catch(() => undefined), this.ended]);
      }
    } catch (error) {
      this.fail(error);
    }
    stdin.end();
  }

  #output(bytes: Buffer): void {
    if (this.#fault !== undefined) return;
    const { output, outputBytesMax, program } = this.#options;
    this.#bytes += bytes.length;
    try {
      if (this.#bytes > outputBytesMax) throw new Fault('too-large', 'LR_COPY_OUTPUT', `${program} made more than ${outputBytesMax} bytes`);
      output(bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  check(): void {
    const { program } = this.#options;
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#code === 0) return;
    const said = this.#complaints.trim().split('\n').slice(-3).join(' | ');
    if (this.#code === NO_PROGRAM) throw new Fault('not-found', 'LR_COPY_PROGRAM', `there is no ${program} on this unit: ${said}`);
    throw new Fault('corrupt', 'LR_COPY_FAILED', `${program} ended with ${this.#code ?? 'a signal'}: ${said}`);
  }
}

function cancelled(): Fault {
  return new Fault('cancelled', 'LR_CANCELLED', 'the copy is no longer wanted');
}

/** ffmpeg as a child: its output handed on, its complaints kept short, its end certain. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '@longroof/base/clock';
import { redactUrls } from '@longroof/base/log';

const STDERR_CHARS_MAX = 4096;
const KILL_AFTER_MS = 2000;

export interface FfmpegEvents {
  /** May throw. */
  output(bytes: Buffer): void;
  failed(error: unknown): void;
  /** It is gone; comes once, behind all output. `how` is an exit code, a signal, or why it did not start. */
  exited(how: string, started: boolean): void;
}

export class FfmpegProcess {
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #exited: Promise<void>;
  #complaints = '';
  #over = false;

  constructor(args: readonly string[], clock: Clock, events: FfmpegEvents) {
    this.#clock = clock;
    this.#child = spawn('ffmpeg', [...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' } });
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      if (this.#over) return;
      try {
        events.output(bytes);
      } catch (error) {
        events.failed(error);
      }
    });
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#complaints = (this.#complaints + bytes.toString('utf8')).slice(-STDERR_CHARS_MAX);
    });
    this.#exited = new Promise((resolve) => {
      const gone = (how: string, started: boolean): void => {
        if (!this.#over) events.exited(how, started);
        this.#over = true;
        resolve();
      };
      this.#child.once('error', (error) => gone(error.message, this.#child.pid !== undefined));
      this.#child.once('close', (code, signal) => gone(code === null ? String(signal) : `code ${code}`, true));
    });
  }

  /** The last lines it wrote to standard error, without credentials. */
  get complaints(): string {
    return redactUrls(this.#complaints).trim().split('\n').slice(-3).join(' | ').slice(-500);
  }

  /** Resolves when it is gone: asked first, killed after 2 s. Output of the meantime still counts. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.#child.kill('SIGTERM');
    const timer = this.#clock.after(KILL_AFTER_MS, () => this.#child.kill('SIGKILL'));
    await this.#exited;
    timer.cancel();
  }
}

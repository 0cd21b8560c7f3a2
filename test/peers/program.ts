/**
 * Runs a program as a user would and waits for what it says. The program dies with its owner's `stop`; its output is kept, bounded,
 * for the message of a test that fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** How long a condition is waited for. Generous: who passes never waits for it, and a busy machine is slow without being wrong. */
export const PATIENCE_MS = 60_000;
const OUTPUT_CHARS_MAX = 256 * 1024;

export interface Program {
  readonly pid: number;
  readonly child: ChildProcess;
  /** All it has printed, both streams, the end of it. */
  output(): string;
  /** Resolves with the match when the output fits; rejects when the program ends or the time is up first. */
  says(pattern: RegExp, withinMs?: number): Promise<RegExpMatchArray>;
  /** Sends the signal and resolves with the exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals, withinMs?: number): Promise<number | string>;
  readonly exited: Promise<number | string>;
}

export interface ProgramOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
}

export function startProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Program {
  const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const listeners = new Set<() => void>();
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-OUTPUT_CHARS_MAX);
    for (const listener of listeners) listener();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  let ended = false;
  const exited = new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  }).then((how) => {
    ended = true;
    for (const listener of listeners) listener();
    return how;
  });
  return {
    pid: child.pid ?? 0,
    child,
    exited,
    output: () => output,
    says: (pattern, withinMs = PATIENCE_MS) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => finish(new Error(`${command} did not say ${pattern} within ${withinMs} ms:\n${output}`)), withinMs);
        const finish = (result: RegExpMatchArray | Error): void => {
          clearTimeout(timer);
          listeners.delete(look);
          if (result instanceof Error) reject(result);
          else resolve(result);
        };
        const look = (): void => {
          const match = output.match(pattern);
          if (match) finish(match);
          else if (ended) finish(new Error(`${command} ended before it said ${pattern}:\n${output}`));
        };
        listeners.add(look);
        look();
      }),
    async stop(signal = 'SIGTERM', withinMs = 10_000) {
      if (!ended) child.kill(signal);
      const how = await Promise.race([exited, delay(withinMs, 'late' as const, { ref: false })]);
      if (how !== 'late') return how;
      child.kill('SIGKILL');
      await exited;
      throw new Error(`${command} (${child.pid}) did not end within ${withinMs} ms of ${signal}:\n${output}`);
    },
  };
}

/** Polls until `look` gives something other than undefined or false; the deadline's error carries `what`. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = PATIENCE_MS,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(50);
  }
}

/** CPU seconds used so far by a process and all its threads (utime + stime of proc(5) stat, 100 ticks a second). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident and proportional set size in bytes. */
export function memoryBytes(pid: number): { rssBytes: number; pssBytes: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const read = (name: string): number => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))?.[1] ?? 0) * 1024;
  return { rssBytes: read('Rss'), pssBytes: read('Pss') };
}

export function descriptorCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

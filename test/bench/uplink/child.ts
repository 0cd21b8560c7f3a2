/**
 * A part of the uplink's bench in a process of its own, so that its CPU can be told apart: the owner calls it by name over Node's
 * channel and waits for the answer. It ends with its owner.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { cpuSeconds } from '../../peers/program.js';

type Handlers = Record<string, (options: never) => Promise<unknown>>;

interface Call {
  id: number;
  name: string;
  options: unknown;
}
interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

/** In the child: answers calls for as long as its owner lives. */
export function serve(handlers: Handlers): void {
  const answer = (message: Answer): void => void process.send?.(message);
  process.on('message', ({ id, name, options }: Call) => {
    const handler = handlers[name];
    const work = handler ? handler(options as never) : Promise.reject(new Error(`no ${name} here`));
    work.then(
      (value) => answer({ id, value }),
      (error: unknown) => answer({ id, error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

/** The words of `#!/usr/bin/env -S ...`, as a command. */
function interpreterOf(program: string): string[] {
  const [first = ''] = readFileSync(program, 'utf8').split('\n');
  const words = /^#!\/usr\/bin\/env -S (.+)$/.exec(first)?.[1];
  if (words === undefined) throw new Error(`${program} does not say how it is started: ${first}`);
  return ['env', ...words.split(' ')];
}

export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  readonly #exited: Promise<void>;
  #calls = 0;

  /** `script` stands beside this file; `within` names the network namespace it runs in, `as` the program whose first line says how Node is started. */
  constructor(script: string, { within, as }: { within?: string | undefined; as?: string } = {}) {
    this.#name = script;
    const node = as === undefined ? [process.execPath] : interpreterOf(as);
    const words = [...node, path.join(import.meta.dirname, `${script}.js`)];
    const [command, ...args] = within ? ['ip', 'netns', 'exec', within, ...words] : words;
    this.#process = spawn(command as string, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#process.on('message', ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error !== undefined) waiting?.reject(new Error(`${this.#name}: ${error}`));
      else waiting?.resolve(value as never);
    });
    this.#exited = new Promise((resolve) => {
      const end = (why: string): void => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${this.#name}: ${why}`));
        this.#waiting.clear();
        resolve();
      };
      this.#process.on('error', (error) => end(error.message));
      this.#process.on('exit', (code, signal) => end(`ended with ${code ?? signal}`));
    });
  }

  call<T>(name: string, options: object = {}): Promise<T> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, name, options } satisfies Call, (error) => {
        if (error) reject(error);
      });
    });
  }

  cpuSeconds(): number {
    return cpuSeconds(this.#process.pid as number);
  }

  async close(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    await this.#exited;
  }
}

/**
 * A unit and a centre in network namespaces of their own, joined by a link whose rate tc shapes (tbf, with a modem's deep queue) both
 * ways, and whose length delay.c adds. Needs root and a kernel with tbf and TUN; without them it says what is missing.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../peers/wagon.js';

const run = promisify(execFile);

export interface ShapedLink {
  unit: string;
  centre: string;
  centreAddress: string;
  /** Bytes that went up, headers and all. */
  upBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface LinkShape {
  bitsPerS: number;
  delayMs: number;
  /** Where the program for the delay is put. */
  folder: string;
}

/** What a modem holds, as time at the link's rate: a greedy sender waits that long. */
const QUEUE_MS = 2000;
const BURST_BYTES = 6000;
const UNIT_ADDRESS = '10.211.0.1';
const CENTRE_ADDRESS = '10.211.0.2';

/** Why links cannot be shaped here; undefined where they can. */
export async function whyNoNetwork(): Promise<string | undefined> {
  const name = `lrb${process.pid}x`;
  try {
    await run('ip', ['netns', 'add', name]);
  } catch (error) {
    return `no network namespaces can be made here (root is needed): ${firstLine(error)}`;
  }
  try {
    const within = ['netns', 'exec', name];
    await run('ip', [...within, 'ip', 'tuntap', 'add', 'dev', 'probe', 'mode', 'tun']);
    await run('ip', [...within, 'tc', 'qdisc', 'add', 'dev', 'probe', 'root', 'tbf', 'rate', '2mbit', 'burst', '6000', 'limit', '100000']);
    return undefined;
  } catch (error) {
    return `no link can be shaped here (tc with tbf, /dev/net/tun and gcc are needed): ${firstLine(error)}`;
  } finally {
    await run('ip', ['netns', 'del', name]);
  }
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return ((stderr ?? '').trim() || message).split('\n')[0] as string;
}

export function compileDelay(folder: string): string {
  const program = path.join(folder, 'delay');
  const source = path.join(ROOT, 'test/bench/uplink/delay.c');
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source], { stdio: 'inherit' });
  return program;
}

export async function openShapedLink(shape: LinkShape): Promise<ShapedLink> {
  const mark = `lrb${process.pid}`;
  const ends = [
    { name: `${mark}u`, address: UNIT_ADDRESS },
    { name: `${mark}c`, address: CENTRE_ADDRESS },
  ] as const;
  const program = compileDelay(shape.folder);
  const delay = spawn(program, [ends[0].name, ends[1].name, String(shape.delayMs)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => delay.once('exit', () => resolve()));
  const close = async (): Promise<void> => {
    delay.stdin.end();
    await ended;
    for (const { name } of ends) await run('ip', ['netns', 'del', name]);
  };
  try {
    await new Promise((resolve) => delay.stdout.once('data', resolve));
    for (const [index, { name, address }] of ends.entries()) {
      const within = ['netns', 'exec', name];
      const { bitsPerS } = shape;
      const limit = Math.round((bitsPerS / 8000) * QUEUE_MS);
      const shaper = ['rate', `${bitsPerS}bit`, 'burst', String(BURST_BYTES), 'limit', String(limit)];
      await run('ip', ['netns', 'add', name]);
      await run('ip', ['link', 'set', name, 'netns', name]);
      await run('ip', [...within, 'ip', 'addr', 'add', address, 'peer', (ends[1 - index] as (typeof ends)[0]).address, 'dev', name]);
      await run('ip', [...within, 'ip', 'link', 'set', 'lo', 'up']);
      await run('ip', [...within, 'ip', 'link', 'set', name, 'up']);
      await run('ip', [...within, 'tc', 'qdisc', 'replace', 'dev', name, 'root', 'tbf', ...shaper]);
    }
  } catch (error) {
    delay.stdin.end();
    throw error;
  }
  return {
    unit: ends[0].name,
    centre: ends[1].name,
    centreAddress: CENTRE_ADDRESS,
    async upBytes() {
      const { stdout } = await run('ip', ['netns', 'exec', ends[0].name, 'tc', '-s', 'qdisc', 'show', 'dev', ends[0].name]);
      return Number(/Sent (\d+) bytes/.exec(stdout)?.[1]);
    },
    close,
  };
}

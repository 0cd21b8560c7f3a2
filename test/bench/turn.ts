/** One turn of one recorder: start, warm up, measure, stop, and see that it really recorded what was sent. */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@longroof/base/clock';
import { cpuSeconds, memoryBytes } from '../peers/program.js';
import { bytesBelow, type RecorderName, startRecorder } from './recorders.js';
import type { BenchServer } from './server.js';

export interface Turn {
  cpuSPerCameraHour: number;
  rssMb: number;
  pssMb: number;
  /** Bytes on disk over media bytes sent. */
  recordedShare: number;
}

export interface TurnOptions {
  warmUpS: number;
  seconds: number;
  folder: string;
  reader: string;
}

const SAMPLE_MS = 1000;
const MB = 1024 * 1024;

/** The processes and all that descend from them (proc(5) stat, field 4 is the parent). */
function family(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const all = [...roots];
  for (let i = 0; i < all.length; i++) all.push(...(children.get(all[i] as number) ?? []));
  return all;
}

/** Undefined for a process that has just ended. */
function parentOf(pid: string): number | undefined {
  if (!fs.existsSync(`/proc/${pid}/stat`)) return undefined;
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

export async function takeTurn(name: RecorderName, server: BenchServer, options: TurnOptions): Promise<Turn> {
  const startMonoMs = systemClock.mono();
  const running = await startRecorder(name, server.urls, options.folder, options.reader);
  const roots = running.programs.map(({ pid }) => pid);
  const cpu = (): number => family(roots).reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  try {
    await delay(options.warmUpS * 1000);
    const cpuBefore = cpu();
    const begunMs = performance.now();
    let rssMb = 0;
    let pssMb = 0;
    while (performance.now() - begunMs < options.seconds * 1000) {
      await delay(Math.min(SAMPLE_MS, options.seconds * 1000));
      const memory = family(roots).map(memoryBytes);
      rssMb = Math.max(rssMb, memory.reduce((sum, { rssBytes }) => sum + rssBytes, 0) / MB);
      pssMb = Math.max(pssMb, memory.reduce((sum, { pssBytes }) => sum + pssBytes, 0) / MB);
    }
    const measuredH = (performance.now() - begunMs) / 3_600_000;
    const cpuSPerCameraHour = (cpu() - cpuBefore) / server.urls.length / measuredH;
    await running.stop();
    const recordedShare = bytesBelow(running) / (await server.bytesSince(startMonoMs));
    return { cpuSPerCameraHour, rssMb, pssMb, recordedShare };
  } finally {
    for (const program of running.programs) await program.stop('SIGKILL');
    fs.rmSync(options.folder, { recursive: true, force: true });
  }
}

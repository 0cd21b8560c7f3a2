/** What recording costs: the agent beside ffmpeg and beside the floor, on the same streams in one run, taking turns. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { compileReader, RECORDERS, type RecorderName } from './recorders.js';
import { type Sender, startBenchServer } from './server.js';
import { type Turn, takeTurn } from './turn.js';

export interface CaptureBenchOptions {
  cameras: number[];
  senders: Sender[];
  seconds: number;
  warmUpS: number;
  rounds: number;
  say: (text: string) => void;
}

export interface CaptureResult {
  cameras: number;
  sender: Sender;
  /** Medians over the rounds. */
  cpuSPerCameraHour: Record<RecorderName, number>;
  ratioToFfmpeg: number;
  ratioToReader: number;
  /** Of the agent, the most seen. */
  rssMb: number;
  /** The most seen, of all processes of each together. */
  memoryMb: Record<RecorderName, { rss: number; pss: number }>;
  /** Bytes on disk over media bytes sent, the one furthest from 1. */
  recordedShare: Record<RecorderName, number>;
}

/** A recorder that wrote more or less than this beside what was sent did something else. */
export const SHARE_OFF_MAX = 0.05;

export async function benchCapture(options: CaptureBenchOptions): Promise<CaptureResult[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-bench-'));
  try {
    const reader = compileReader(folder);
    const results: CaptureResult[] = [];
    for (const cameras of options.cameras) {
      for (const sender of options.senders) results.push(await benchOne(cameras, sender, folder, reader, options));
    }
    return results;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function benchOne(
  cameras: number,
  sender: Sender,
  folder: string,
  reader: string,
  options: CaptureBenchOptions,
): Promise<CaptureResult> {
  const { seconds, warmUpS, rounds, say } = options;
  const turns: Record<RecorderName, Turn[]> = { ours: [], ffmpeg: [], reader: [] };
  const server = await startBenchServer(folder, cameras, sender, (seconds + warmUpS + 30) * 2);
  try {
    for (let round = 0; round < rounds; round++) {
      // Each goes first once, so that none always has the quiet machine.
      for (let i = 0; i < RECORDERS.length; i++) {
        const name = RECORDERS[(round + i) % RECORDERS.length] as RecorderName;
        const turn = await takeTurn(name, server, { seconds, warmUpS, reader, folder: path.join(folder, 'turn') });
        turns[name].push(turn);
        const cost = `${turn.cpuSPerCameraHour.toFixed(1)} CPU-s per camera-hour, ${turn.rssMb.toFixed(0)} MB`;
        say(`${cameras} x ${sender}, round ${round + 1}: ${name} ${cost}, ${(turn.recordedShare * 100).toFixed(1)} % of what was sent`);
      }
    }
  } finally {
    await server.close();
  }
  return summarise(cameras, sender, turns);
}

function summarise(cameras: number, sender: Sender, turns: Record<RecorderName, Turn[]>): CaptureResult {
  const each = <T>(pick: (turns: Turn[]) => T): Record<RecorderName, T> => ({
    ours: pick(turns.ours),
    ffmpeg: pick(turns.ffmpeg),
    reader: pick(turns.reader),
  });
  // Ratios within a round, where the machine was in one mood; their median.
  const ratio = (other: RecorderName): number =>
    median(turns.ours.map((turn, round) => turn.cpuSPerCameraHour / (turns[other][round]?.cpuSPerCameraHour ?? Number.NaN)));
  const most = (all: Turn[], pick: (turn: Turn) => number): number => rounded(Math.max(...all.map(pick)));
  const memoryMb = each((all) => ({ rss: most(all, (turn) => turn.rssMb), pss: most(all, (turn) => turn.pssMb) }));
  return {
    ...{ cameras, sender },
    cpuSPerCameraHour: each((all) => rounded(median(all.map((turn) => turn.cpuSPerCameraHour)))),
    ratioToFfmpeg: rounded(ratio('ffmpeg')),
    ratioToReader: rounded(ratio('reader')),
    rssMb: memoryMb.ours.rss,
    memoryMb,
    recordedShare: each((all) => all.map((turn) => turn.recordedShare).reduce((a, b) => (Math.abs(b - 1) > Math.abs(a - 1) ? b : a), 1)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

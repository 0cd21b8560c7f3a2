/**
 * What the uplink costs and how it uses a link: CPU beside a bare HTTPS PUT of the same fragments in the same run, the share of a thin
 * link that footage gets and how long the journal takes beside it, and what is sent again after cuts.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import type { StoredFragment } from '@longroof/edge-agent/spool/spool';
import { openAuthority } from '@longroof/protocol/authority';
import { until } from '../peers/program.js';
import { type SlowLink, startSlowLink } from '../uplink/slow-link.js';
import { median } from './capture.js';
import { Child } from './uplink/child.js';
import { openShapedLink } from './uplink/network.js';
import { Pair, UNIT } from './uplink/pair.js';

export interface UplinkBenchOptions {
  /** Of the CPU part, of each round and each way. */
  mb: number;
  rounds: number;
  fragmentKb: number;
  /** Of each run on a shaped link. */
  seconds: number;
  runs: number;
  /** Of a shaped link, each way. */
  delayMs: number;
  /** Of the part with cuts; one cut for each 100 MB, at least one. */
  cutMb: number;
  say: (text: string) => void;
}

const MB = 1_000_000;
const DONE_MS = 900_000;
const BEAT_MS = 500;
const ALONE_MS = 4000;

/** Runs `work` with a folder of its own, gone afterwards. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-bench-'));
  try {
    return await work(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

export interface CpuResult {
  /** Medians over the rounds; CPU seconds per 10^9 bytes of footage. */
  unitSPerGb: number;
  centreSPerGb: number;
  putSenderSPerGb: number;
  putReceiverSPerGb: number;
  /** Median of the rounds' own. */
  ratioToPut: number;
}

interface CpuTurn {
  sender: number;
  receiver: number;
}

export function benchCpu(options: UplinkBenchOptions): Promise<CpuResult> {
  const { mb, rounds, fragmentKb, say } = options;
  const count = Math.ceil((mb * MB) / (fragmentKb * 1000));
  return inFolder(async (folder) => {
    // One round more: the first warms both up.
    const pair = await Pair.start({ folder, fragments: count * (rounds + 1), fragmentBytes: fragmentKb * 1000 });
    const puts = await startPut(folder);
    try {
      const turns: { ours: CpuTurn; put: CpuTurn }[] = [];
      for (let round = 0; round <= rounds; round += 1) {
        const fragments = await pair.unit.call<StoredFragment[]>('fragments', { from: round * count, count });
        const gb = fragments.reduce((sum, { meta }) => sum + meta.bytes, 0) / 1e9;
        const ours = async (): Promise<CpuTurn> => {
          const before = pair.cpuSeconds();
          await pair.done(await pair.pull(round * count, count), DONE_MS);
          const after = pair.cpuSeconds();
          return { sender: (after.unit - before.unit) / gb, receiver: (after.centre - before.centre) / gb };
        };
        const put = async (): Promise<CpuTurn> => {
          const before = puts.cpuSeconds();
          await puts.put(fragments);
          const after = puts.cpuSeconds();
          return { sender: (after.sender - before.sender) / gb, receiver: (after.receiver - before.receiver) / gb };
        };
        // Each goes first in turn, so that neither always has the quiet machine.
        const turn = round % 2 === 0 ? { ours: await ours(), put: await put() } : { put: await put(), ours: await ours() };
        const text = ({ sender, receiver }: CpuTurn): string => `${sender.toFixed(2)} + ${receiver.toFixed(2)}`;
        const what = `${text(turn.ours)} CPU-s/GB (unit + centre), PUT ${text(turn.put)}`;
        say(`${round === 0 ? 'warm-up' : `round ${round}`}: ${what}, ratio ${ratio(turn).toFixed(2)}`);
        if (round > 0) turns.push(turn);
      }
      return {
        unitSPerGb: median(turns.map(({ ours }) => ours.sender)),
        centreSPerGb: median(turns.map(({ ours }) => ours.receiver)),
        putSenderSPerGb: median(turns.map(({ put }) => put.sender)),
        putReceiverSPerGb: median(turns.map(({ put }) => put.receiver)),
        ratioToPut: median(turns.map(ratio)),
      };
    } finally {
      await pair.close();
      await puts.close();
    }
  });
}

function ratio({ ours, put }: { ours: CpuTurn; put: CpuTurn }): number {
  return (ours.sender + ours.receiver) / (put.sender + put.receiver);
}

async function startPut(folder: string) {
  const authority = await openAuthority(path.join(folder, 'put-authority'), systemDisk, systemClock.utc);
  const { rootPem } = authority;
  const unit = await authority.issueUnit(UNIT);
  const sender = new Child('put-sender');
  const receiver = new Child('put-receiver');
  const server = await authority.issueServer(['127.0.0.1']);
  const { port } = await receiver.call<{ port: number }>('start', { dir: path.join(folder, 'put'), rootPem, ...server });
  return {
    put: (fragments: StoredFragment[]) =>
      sender.call('put', { port, rootPem, keyPem: unit.unitKeyPem, certificatePem: unit.unitCertificatePem, fragments }),
    cpuSeconds: () => ({ sender: sender.cpuSeconds(), receiver: receiver.cpuSeconds() }),
    close: async () => void (await Promise.all([sender.close(), receiver.close()])),
  };
}

export interface LinkResult {
  /** Footage that arrived over what the link could carry, medians of the runs. */
  share: number;
  /** Of all bytes with their headers. */
  wireShare: number;
  /** From the wish to say something until it is acknowledged, median of the runs' own. */
  journalP50Ms: number;
  journalP95Ms: number;
  /** The same with no footage beside it: what the link, both disks and the machine take. */
  journalAloneMs: number;
}

/** From the first byte of footage on, slow start included. */
export function benchLink(bitsPerS: number, options: UplinkBenchOptions): Promise<LinkResult> {
  const { runs, seconds, say } = options;
  return inFolder(async (folder) => {
    const results: LinkResult[] = [];
    for (let run = 0; run < runs; run += 1) {
      const result = await oneRun(path.join(folder, String(run)), bitsPerS, seconds, options);
      const used = `${(result.share * 100).toFixed(1)} % for footage, ${(result.wireShare * 100).toFixed(1)} % in all`;
      const journal = `journal p50 ${result.journalP50Ms.toFixed(0)} ms, p95 ${result.journalP95Ms.toFixed(0)} ms, alone ${result.journalAloneMs.toFixed(0)} ms`;
      say(`${bitsPerS / MB} Mbit/s, run ${run + 1}: ${used}; ${journal}`);
      results.push(result);
    }
    const of = (pick: (result: LinkResult) => number): number => median(results.map(pick));
    return {
      share: of((one) => one.share),
      wireShare: of((one) => one.wireShare),
      journalP50Ms: of((one) => one.journalP50Ms),
      journalP95Ms: of((one) => one.journalP95Ms),
      journalAloneMs: of((one) => one.journalAloneMs),
    };
  });
}

async function oneRun(folder: string, bitsPerS: number, seconds: number, options: UplinkBenchOptions): Promise<LinkResult> {
  const { delayMs } = options;
  fs.mkdirSync(folder, { recursive: true });
  const fragmentBytes = options.fragmentKb * 1000;
  // More than the link can carry in the time.
  const fragments = Math.ceil(((bitsPerS / 8) * seconds * 1.2) / fragmentBytes) + 4;
  const link = await openShapedLink({ bitsPerS, delayMs, folder });
  try {
    const pair = await Pair.start({ folder, fragments, fragmentBytes, within: link });
    try {
      const alone = (await pair.unit.call<number[]>('beats', { forMs: ALONE_MS, everyMs: BEAT_MS })).sort((a, b) => a - b);
      await pair.pull(0, fragments);
      await until('footage flows', async () => (await pair.progress()).footageBytes > 0);
      const [before, wireBefore] = [await pair.progress(), await link.upBytes()];
      const startMs = performance.now();
      const trips = await pair.unit.call<number[]>('beats', { forMs: seconds * 1000, everyMs: BEAT_MS });
      const [after, wireAfter] = [await pair.progress(), await link.upBytes()];
      const could = ((performance.now() - startMs) / 1000) * (bitsPerS / 8);
      trips.sort((a, b) => a - b);
      const at = (share: number): number => trips[Math.min(trips.length - 1, Math.floor(trips.length * share))] ?? Number.NaN;
      return {
        journalAloneMs: median(alone),
        share: (after.footageBytes - before.footageBytes) / could,
        wireShare: (wireAfter - wireBefore) / could,
        journalP50Ms: at(0.5),
        journalP95Ms: at(0.95),
      };
    } finally {
      await pair.close();
    }
  } finally {
    await link.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

export interface CutResult {
  cuts: number;
  /** Footage bytes sent beyond one time each, over the footage. */
  resentShare: number;
}

/** A link of 80 Mbit/s and 40 ms there and back with a queue of 1 MiB: what is in it when it is cut is lost. */
const CUT_LINK = { bytesPerS: 10_000_000, delayMs: 20 };

export function benchCuts(options: UplinkBenchOptions): Promise<CutResult> {
  const { cutMb, say } = options;
  const fragmentBytes = options.fragmentKb * 1000;
  const fragments = Math.ceil((cutMb * MB) / fragmentBytes);
  const cuts = Math.max(1, Math.round(cutMb / 100));
  return inFolder(async (folder) => {
    let link: SlowLink | undefined;
    const through = async (port: number): Promise<number> => {
      link = await startSlowLink(port, CUT_LINK);
      return link.port;
    };
    const pair = await Pair.start({ folder, fragments, fragmentBytes, through });
    try {
      const footage = await pair.unit.call<StoredFragment[]>('fragments', { from: 0, count: fragments });
      const bytes = footage.reduce((sum, { meta }) => sum + meta.bytes, 0);
      const id = await pair.pull(0, fragments);
      for (let cut = 1; cut <= cuts; cut += 1) {
        const due = (bytes * (cut - 0.5)) / cuts;
        await until('it is time for a cut', async () => (await pair.counters()).footageBytesSent >= due, DONE_MS);
        // Not always at the same place of a fragment.
        await delay((cut * 37) % 50);
        link?.cut();
        say(`cut ${cut} of ${cuts}`);
      }
      await pair.done(id, DONE_MS);
      const { footageBytesSent, connects } = await pair.counters();
      if (connects <= cuts) throw new Error(`${connects} connections for ${cuts} cuts: the cuts did not cut`);
      const resentShare = footageBytesSent / bytes - 1;
      say(`${cuts} cuts in ${(bytes / MB).toFixed(0)} MB: ${(resentShare * 100).toFixed(2)} % sent again`);
      return { cuts, resentShare };
    } finally {
      await pair.close();
      await link?.close();
    }
  });
}

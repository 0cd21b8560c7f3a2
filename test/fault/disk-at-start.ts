/** The agent starts while its spool's file system is read-only: a new spool first, then one with footage in it after a kill. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../peers/program.js';
import { ROOT } from '../peers/wagon.js';
import { accountedFor, check, fsckClean, gapMs, nothingLost } from './checks.js';
import type { Report } from './report.js';
import { SmallDisk } from './small-disk.js';
import { FaultWagon, monoMs } from './wagon.js';

/** From the start of the program until it looks at its disk, on a busy machine. */
const BEGUN_MS_MAX = 5000;
/** It tries again within 5 s, and a fragment takes a second. */
const RECORDS_MS_MAX = 15_000;

interface Wait {
  startMonoMs: number;
  writableMonoMs: number;
  code: string;
  tookMs: number;
}

/** Starts it on the read-only disk, hears what it says of that, makes the disk writable and sees it record. */
async function waits(wagon: FaultWagon, disk: SmallDisk): Promise<Wait> {
  disk.become('ro');
  const startMonoMs = monoMs();
  const agent = wagon.start();
  const code = await until(`/healthz says why\n${agent.output().slice(-3000)}`, async () => {
    const { status, problems } = await wagon.health();
    return status === 503 && /cannot be opened.*\((LR_[A-Z_]+)\)/.exec(problems)?.[1];
  });
  const documented = fs.readFileSync(path.join(ROOT, 'docs/errors.md'), 'utf8');
  check(documented.includes(`\`${code}\``) || code === 'LR_SYS_EROFS', `${code} is not explained in docs/errors.md`);
  await delay(6000);
  check(agent.child.exitCode === null, `the agent ended on a read-only disk: ${agent.output().slice(-2000)}`);
  check((await wagon.health()).problems.includes(code), 'it no longer says why while the disk is still read-only');
  disk.become('rw');
  const writableMonoMs = monoMs();
  await wagon.recordsSince(writableMonoMs, RECORDS_MS_MAX);
  const tookMs = monoMs() - writableMonoMs;
  await until('/healthz is well', async () => (await wagon.health()).status === 200);
  return { startMonoMs, writableMonoMs, code, tookMs };
}

export async function readOnlyAtStart(report: Report): Promise<void> {
  const disk = new SmallDisk(96);
  let wagon: FaultWagon | undefined;
  try {
    wagon = await FaultWagon.make({ spool: path.join(disk.path, 'spool'), quota: '64MB' });
    const first = await waits(wagon, disk);
    await wagon.agent?.stop('SIGKILL');
    const before = wagon.rows();
    const second = await waits(wagon, disk);
    const endMonoMs = monoMs();
    await wagon.recordsSince(endMonoMs);
    const exit = await wagon.agent?.stop('SIGTERM');
    check(exit === 0, `the agent ended with ${exit}: ${wagon.agent?.output().slice(-2000)}`);
    nothingLost(before, wagon.rows());
    await fsckClean(wagon);
    const gaps = wagon.gaps();
    const fromMonoMs = Math.min(...gaps.map((gap) => gap.fromMonoMs));
    check(fromMonoMs - first.startMonoMs < BEGUN_MS_MAX, `the first wait is told from ${Math.round(fromMonoMs - first.startMonoMs)} ms on`);
    accountedFor(wagon, fromMonoMs + 1, endMonoMs);
    for (const { startMonoMs, writableMonoMs } of [first, second]) {
      for (const camera of wagon.cameras) {
        const foundMs = gapMs(gaps, camera, 'disk-failed', startMonoMs, writableMonoMs);
        const missingMs = writableMonoMs - startMonoMs - foundMs;
        check(missingMs < BEGUN_MS_MAX, `${camera}: ${Math.round(missingMs)} ms of the wait are not disk-failed: ${JSON.stringify(gaps)}`);
      }
    }
    const took = [first, second].map(({ tookMs }) => `${Math.round(tookMs)} ms`).join(' and ');
    report.figure(`disk read-only at start: /healthz says ${first.code}, then ${second.code}; recording ${took} after it was writable`);
  } finally {
    await wagon?.close(report.keep);
    disk.remove();
  }
}

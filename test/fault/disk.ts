/** The disk under the spool fails in the ways that disks do; the agent says so, and records again when it is back. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@longroof/base/random';
import { until } from '../peers/program.js';
import { fsck } from '../peers/wagon.js';
import { accountedFor, check, fsckClean, gapMs, nothingLost } from './checks.js';
import type { Report } from './report.js';
import { SmallDisk } from './small-disk.js';
import { FaultWagon, monoMs } from './wagon.js';

const EROFS = 30;

async function healthy(wagon: FaultWagon): Promise<void> {
  wagon.start();
  await wagon.recordsSince(monoMs());
}

/** After the fault: records again, ends in order, nothing that was durable is gone, every second has its cause. */
async function recovered(wagon: FaultWagon, before: ReturnType<FaultWagon['rows']>): Promise<void> {
  const monoNow = monoMs();
  await wagon.recordsSince(monoNow, 30_000);
  const exit = await wagon.agent?.stop('SIGTERM');
  check(exit === 0, `the agent ended with ${exit}: ${wagon.agent?.output().slice(-2000)}`);
  nothingLost(before, wagon.rows());
  await fsckClean(wagon);
  accountedFor(wagon, wagon.accountableFromMonoMs(), monoNow);
}

function expectCause(wagon: FaultWagon, cause: string, fromMonoMs: number, toMonoMs: number, leastMs: number): void {
  for (const camera of wagon.cameras) {
    const found = gapMs(wagon.gaps(), camera, cause, fromMonoMs - 3000, toMonoMs + 3000);
    check(
      found >= leastMs,
      `${camera}: ${Math.round(found)} ms of ${cause}, expected at least ${leastMs} ms; gaps ${JSON.stringify(wagon.gaps().slice(-6))}`,
    );
  }
}

/** S7: a state with an alarm. It may be trying again just then. */
async function tells(wagon: FaultWagon, problem: string): Promise<void> {
  await until(`/healthz says that ${problem}`, async () => {
    const { status, problems } = await wagon.health();
    return status === 503 && problems.includes(problem);
  });
}

export async function diskFull(report: Report): Promise<void> {
  const disk = new SmallDisk(96);
  let wagon: FaultWagon | undefined;
  try {
    wagon = await FaultWagon.make({ spool: path.join(disk.path, 'spool'), quota: '64MB' });
    await healthy(wagon);
    const before = wagon.rows();
    const fullMonoMs = monoMs();
    const filler = path.join(disk.path, 'filler');
    try {
      fs.writeFileSync(filler, Buffer.alloc(128 * 1024 * 1024));
    } catch {
      // The point of it: there is no room left.
    }
    await delay(6000);
    await tells(wagon, 'the disk is full');
    fs.rmSync(filler);
    const freeMonoMs = monoMs();
    await recovered(wagon, before);
    expectCause(wagon, 'disk-full', fullMonoMs, freeMonoMs, 2000);
  } finally {
    await wagon?.close(report.keep);
    disk.remove();
  }
}

export async function diskReadOnly(report: Report): Promise<void> {
  const wagon = await FaultWagon.make();
  try {
    await healthy(wagon);
    const before = wagon.rows();
    const fromMonoMs = monoMs();
    wagon.faults(`errno=${EROFS}`);
    await delay(5000);
    await tells(wagon, 'the disk is read-only');
    wagon.faults('');
    const toMonoMs = monoMs();
    await recovered(wagon, before);
    expectCause(wagon, 'disk-failed', fromMonoMs, toMonoMs, 2000);
  } finally {
    await wagon.close(report.keep);
  }
}

/** Each sync takes 3 s longer for a while: capture must not lose a packet. */
export async function syncStalled(report: Report): Promise<void> {
  const wagon = await FaultWagon.make({ cameras: 4 });
  try {
    await healthy(wagon);
    const before = wagon.rows();
    const fromMonoMs = monoMs();
    wagon.faults('stall=3000');
    await delay(3500);
    wagon.faults('');
    const toMonoMs = monoMs();
    await recovered(wagon, before);
    for (const camera of wagon.cameras) {
      const rows = wagon.rows().filter((row) => row.camera === camera && row.endMonoMs > fromMonoMs && row.startMonoMs < toMonoMs + 5000);
      const footageMs = rows.reduce((sum, row) => sum + row.endMonoMs - row.startMonoMs, 0);
      const spanMs = Math.max(...rows.map((row) => row.endMonoMs)) - Math.min(...rows.map((row) => row.startMonoMs));
      check(spanMs - footageMs < 150, `${camera}: ${Math.round(spanMs - footageMs)} ms of footage missing over a stalled sync`);
    }
    report.figure('sync stalled 3 s, 4 cameras: no footage missing');
  } finally {
    await wagon.close(report.keep);
  }
}

export async function indexDeleted(report: Report): Promise<void> {
  const wagon = await FaultWagon.make();
  try {
    await healthy(wagon);
    await delay(2000);
    await wagon.agent?.stop('SIGKILL');
    const before = wagon.rows();
    for (const name of fs.readdirSync(wagon.spool)) if (name.startsWith('index.db')) fs.rmSync(path.join(wagon.spool, name));
    await healthy(wagon);
    await recovered(wagon, before);
    report.figure(`index deleted: ${before.length} fragments found again from the reels`);
  } finally {
    await wagon.close(report.keep);
  }
}

/** fsck finds damage in this reel, and nowhere else. */
async function namesExactly(wagon: FaultWagon, reel: string): Promise<void> {
  const answer = await fsck(wagon.spool);
  check(answer.code === 1, `fsck ended with ${answer.code} on a damaged reel: ${answer.text.slice(0, 2000)}`);
  const { damage } = answer.report as { damage: { where: string }[] };
  const named = [...new Set(damage.map(({ where }) => where))];
  check(named.join() === path.join('reels', reel), `fsck names ${named.join(', ') || 'nothing'}, damaged is ${reel}`);
}

export async function bytesFlipped(random: Random, report: Report): Promise<void> {
  const wagon = await FaultWagon.make();
  try {
    await healthy(wagon);
    await delay(3000);
    const exit = await wagon.agent?.stop('SIGTERM');
    check(exit === 0, `the agent ended with ${exit}`);
    const reels = fs
      .readdirSync(path.join(wagon.spool, 'reels'), { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.mp4'));
    const damaged = random.pick(reels.sort());
    const file = path.join(wagon.spool, 'reels', damaged);
    const bytes = fs.readFileSync(file);
    const at = random.int(Math.floor(bytes.length / 2), bytes.length - 16);
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    fs.writeFileSync(file, bytes);
    await namesExactly(wagon, damaged);
    const before = wagon.rows();
    await healthy(wagon);
    const endMonoMs = monoMs();
    await wagon.recordsSince(endMonoMs);
    const last = await wagon.agent?.stop('SIGTERM');
    check(last === 0, `the agent ended with ${last}`);
    await namesExactly(wagon, damaged);
    nothingLost(before, wagon.rows());
    accountedFor(wagon, wagon.accountableFromMonoMs(), endMonoMs);
  } finally {
    await wagon.close(report.keep);
  }
}

export async function strays(report: Report): Promise<void> {
  const wagon = await FaultWagon.make();
  try {
    await healthy(wagon);
    await wagon.agent?.stop('SIGKILL');
    const before = wagon.rows();
    const reels = path.join(wagon.spool, 'reels');
    fs.mkdirSync(path.join(reels, 'lost+found'));
    fs.mkdirSync(path.join(reels, wagon.cameras[0] ?? '', 'a-folder.mp4'));
    fs.writeFileSync(path.join(reels, wagon.cameras[0] ?? '', 'notes.txt'), 'hello');
    fs.writeFileSync(path.join(reels, wagon.cameras[0] ?? '', 'zzz.mp4'), randomBytes(100_000));
    fs.writeFileSync(path.join(wagon.spool, 'stray'), randomBytes(1000));
    fs.mkdirSync(path.join(wagon.spool, 'stray-folder'));
    await healthy(wagon);
    await recovered(wagon, before);
  } finally {
    await wagon.close(report.keep);
  }
}

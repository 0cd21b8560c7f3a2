/** Cameras that go, cameras that are none, and a wall clock that jumps. */
import { setTimeout as delay } from 'node:timers/promises';
import { accountedFor, check, fsckClean, gapMs, nothingLost } from './checks.js';
import type { Report } from './report.js';
import { FaultWagon, monoMs } from './wagon.js';

const DAY_MS = 86_400_000;

async function finish(wagon: FaultWagon, before: ReturnType<FaultWagon['rows']>): Promise<void> {
  const monoNow = monoMs();
  await wagon.recordsSince(monoNow, 40_000);
  const exit = await wagon.agent?.stop('SIGTERM');
  check(exit === 0, `the agent ended with ${exit}`);
  nothingLost(before, wagon.rows());
  await fsckClean(wagon);
  accountedFor(wagon, wagon.accountableFromMonoMs(), monoNow);
}

/** `cause` must explain at least all but 8 s of the time away (noticing takes up to 5 s). */
async function away(
  report: Report,
  awayMs: number,
  cause: string,
  leave: (wagon: FaultWagon) => Promise<void>,
  back: (wagon: FaultWagon) => Promise<void>,
): Promise<void> {
  const wagon = await FaultWagon.make();
  try {
    wagon.start();
    await wagon.recordsSince(monoMs());
    const before = wagon.rows();
    const fromMonoMs = monoMs();
    await leave(wagon);
    await delay(awayMs);
    await back(wagon);
    const toMonoMs = monoMs();
    await finish(wagon, before);
    for (const camera of wagon.cameras) {
      const explainedMs = gapMs(wagon.gaps(), camera, cause, fromMonoMs - 1500, toMonoMs);
      check(
        explainedMs >= awayMs - 8000,
        `${camera}: ${Math.round(explainedMs)} of ${awayMs} ms are ${cause}; gaps ${JSON.stringify(wagon.gaps())}`,
      );
    }
  } finally {
    await wagon.close(report.keep);
  }
}

export function cameraGone(report: Report, awayMs: number): Promise<void> {
  return away(
    report,
    awayMs,
    'camera-unreachable',
    (wagon) => wagon.server.kill(),
    (wagon) => wagon.server.restart(),
  );
}

export function cameraIsHttp(report: Report, awayMs: number): Promise<void> {
  return away(
    report,
    awayMs,
    'camera-not-rtsp',
    async (wagon) => {
      wagon.server.answer('http');
      await wagon.server.kill();
      await wagon.server.restart();
    },
    async (wagon) => {
      wagon.server.answer('rtsp');
      await wagon.server.kill();
      await wagon.server.restart();
    },
  );
}

export function cameraStalls(report: Report, awayMs: number): Promise<void> {
  const stall = async (wagon: FaultWagon, on: boolean): Promise<void> => {
    for (const camera of wagon.cameras) wagon.server.mount(camera).stall(on);
  };
  return away(
    report,
    awayMs,
    'camera-stalled',
    (wagon) => stall(wagon, true),
    (wagon) => stall(wagon, false),
  );
}

/** The wall clock is stepped by a day while it records: not a frame is lost, nothing is out of order, nothing expires. */
export async function wallStepped(report: Report, days: 1 | -1): Promise<void> {
  const wagon = await FaultWagon.make();
  try {
    wagon.start();
    await wagon.recordsSince(monoMs());
    const before = wagon.rows();
    const fromMonoMs = monoMs();
    wagon.faults(`wall=${days * DAY_MS}`);
    const stepMs = wagon.wallStepMs();
    check(Math.abs(stepMs - days * DAY_MS) < 60_000, `the wall clock was stepped by ${stepMs} ms`);
    await delay(4000);
    wagon.faults('');
    await delay(2000);
    const toMonoMs = monoMs();
    await finish(wagon, before);
    for (const camera of wagon.cameras) {
      const lost = wagon.gaps().filter((gap) => gap.camera === camera && gap.fromMonoMs >= fromMonoMs && gap.fromMonoMs < toMonoMs);
      check(lost.length === 0, `${camera}: a step of the wall clock made a gap: ${JSON.stringify(lost)}`);
    }
  } finally {
    await wagon.close(report.keep);
  }
}

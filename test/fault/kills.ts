/** The agent is killed without warning, again and again, while it records. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@longroof/base/random';
import { accountedFor, check, fsckClean, gapMs, nothingLost } from './checks.js';
import type { Report } from './report.js';
import { FaultWagon, monoMs } from './wagon.js';

const NEWEST_LOSS_MS_MAX = 1500;

export async function kills(count: number, random: Random, report: Report): Promise<void> {
  const wagon = await FaultWagon.make({ cameras: 4 });
  let worstMs = 0;
  const losses: number[] = [];
  const deaths: { fromMonoMs: number; toMonoMs: number }[] = [];
  try {
    for (let round = 1; round <= count; round++) {
      const agent = wagon.start();
      const startMonoMs = monoMs();
      await wagon.recordsSince(startMonoMs);
      if (deaths.length > 0) (deaths.at(-1) as { toMonoMs: number }).toMonoMs = startMonoMs;
      await delay(random.int(200, 2500));
      const before = wagon.rows();
      const killMonoMs = monoMs();
      await agent.stop('SIGKILL');
      deaths.push({ fromMonoMs: killMonoMs, toMonoMs: killMonoMs });
      const after = wagon.rows();
      nothingLost(before, after);
      for (const camera of wagon.cameras) {
        const newest = Math.max(...after.filter((row) => row.camera === camera).map((row) => row.endMonoMs));
        losses.push(killMonoMs - newest);
        worstMs = Math.max(worstMs, killMonoMs - newest);
        check(killMonoMs - newest <= NEWEST_LOSS_MS_MAX, `kill ${round}: ${camera} lost its newest ${Math.round(killMonoMs - newest)} ms`);
      }
      report.progress(`kill ${round} of ${count}, worst newest loss ${Math.round(worstMs)} ms`);
    }
    const before = wagon.rows();
    const agent = wagon.start();
    const restartMonoMs = monoMs();
    (deaths.at(-1) as { toMonoMs: number }).toMonoMs = restartMonoMs;
    await wagon.recordsSince(restartMonoMs);
    const exit = await agent.stop('SIGTERM');
    check(exit === 0, `the agent ended with ${exit}`);
    nothingLost(before, wagon.rows());
    await fsckClean(wagon);
    accountedFor(wagon, wagon.accountableFromMonoMs(), restartMonoMs);
    const gaps = wagon.gaps();
    for (const { fromMonoMs, toMonoMs } of deaths) {
      for (const camera of wagon.cameras) {
        const deadMs = toMonoMs - fromMonoMs;
        const explainedMs = gapMs(gaps, camera, 'agent-restart', fromMonoMs, toMonoMs);
        check(deadMs > 0 && explainedMs > deadMs - 1, `${camera}: ${explainedMs} of ${deadMs} ms after a kill are agent-restart`);
      }
    }
    losses.sort((a, b) => a - b);
    report.figure(
      `${count} kills, 4 cameras: newest loss median ${Math.round(losses[losses.length >> 1] ?? 0)} ms, worst ${Math.round(worstMs)} ms`,
    );
  } finally {
    await wagon.close(report.keep);
  }
}

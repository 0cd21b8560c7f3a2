/**
 * `npm run test:firmware`: a unit on Debian's own arm64 kernel in QEMU, with real GPIO lines, cameras and a centre on the host; beside it a stock
 * Debian, for the time to the first durable fragment against its time to a login. Ends with `N passed, N failed`.
 */
import '../guest/own-mounts.js';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { check } from '../fault/checks.js';
import { stockImage, unitImage } from '../guest/image.js';
import { Machine } from '../guest/machine.js';
import { prepareGuestWagon, spoolDisk } from '../guest/wagon.js';
import { fsck, journalRecords } from '../peers/wagon.js';
import * as mend from './mend.js';
import * as unit from './unit.js';

const options = new Command('test:firmware')
  .option('--quick', 'no dead PID 1 and no stock Debian to compare with', false)
  .option('--keep', 'keep the folder, with all that was said on the serial line', false)
  .parse()
  .opts<{ quick: boolean; keep: boolean }>();

const SPOOL_MB = 256;
const GOAL = 0.6;
// Sockets have short paths.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lr-fw-'));
const beganMs = performance.now();
const say = (text: string): void => void process.stdout.write(`${text}\n`);
let passed = 0;
let failed = 0;

/** What fails is described, and `after` puts the machine right for the next one. */
async function scenario<T>(name: string, run: () => Promise<T>, after?: () => Promise<void>): Promise<T | undefined> {
  const startMs = performance.now();
  const tookS = (): string => ((performance.now() - startMs) / 1000).toFixed(1);
  try {
    const result = await run();
    passed += 1;
    say(`ok: ${name} (${tookS()} s)`);
    return result;
  } catch (error) {
    failed += 1;
    say(`FAILED: ${name} (${tookS()} s): ${(error as Error).message}`);
    await after?.().catch((fault: unknown) => say(`   the machine could not be put right: ${(fault as Error).message}`));
    return undefined;
  }
}

async function stockBoot(): Promise<number> {
  const own = path.join(folder, 'stock');
  fs.mkdirSync(own);
  const machine = await Machine.start({ folder: own, image: await stockImage() });
  try {
    await machine.says(/ login: /, unit.SLOW_MS);
    return performance.now() - machine.startedMs;
  } finally {
    await machine.cut();
  }
}

async function checkSpool(file: string): Promise<void> {
  const mount = path.join(folder, 'after');
  fs.mkdirSync(mount);
  execFileSync('mount', ['-o', 'loop', file, mount]);
  try {
    const answer = await fsck(mount);
    check(answer.code === 0, `fsck ended with ${answer.code}: ${answer.text.slice(0, 2000)}`);
    const power = journalRecords(mount).filter(({ type }) => type === 'power');
    const flushed = power.some(({ body }) => JSON.stringify(body) === '{"flush":"done","reason":"supply-lost"}');
    check(flushed, `the journal does not say that all was flushed: ${JSON.stringify(power.slice(-4))}`);
  } finally {
    execFileSync('umount', [mount]);
  }
}

const image = await unitImage();
const wagon = await prepareGuestWagon({ folder, image, withCentre: true });
const spool = await spoolDisk(folder, image, SPOOL_MB);
const machine = await Machine.start({
  ...{ folder, image, config: wagon.config, spool: `file=${spool},format=raw` },
  high: [unit.LINES.ignition, unit.LINES.powerGood],
});
const given = { machine, wagon, say };
const onMachine = <T>(name: string, run: (given: unit.Scenario) => Promise<T>): Promise<T | undefined> =>
  scenario(
    name,
    () => run(given),
    () => mend.describeAndMend(given),
  );
try {
  const firstMs = await onMachine('board and agent start, the first fragment is durable', unit.firstStart);
  await onMachine('relays and lamp are read back from outside', unit.outputsFromOutside);
  await onMachine('the key bounces: one change, and the state follows', unit.bouncingKey);
  await onMachine('footage reaches the centre', unit.footageAtTheCentre);
  await onMachine('onoff sees every edge of a kernel line', unit.everyEdge);
  await onMachine('a dead recorder is started again', unit.deadAgent);
  if (!options.quick) await onMachine('a dead PID 1 is reset by the hardware watchdog, and the unit says why', unit.deadInit);
  await scenario(
    'power-good is lost: flushed, cut off, switched off',
    () => unit.supplyLost(given),
    () => mend.describe(given),
  );
  await machine.cut();
  await scenario('the spool is whole afterwards', () => checkSpool(spool));
  const stockMs = options.quick ? undefined : await scenario('a stock Debian starts to a login', stockBoot);
  if (firstMs !== undefined && stockMs !== undefined) {
    const ratio = firstMs / stockMs;
    say(
      `first durable fragment ${(firstMs / 1000).toFixed(1)} s after the kernel started; stock Debian to a login ${(stockMs / 1000).toFixed(1)} s: ` +
        `${ratio.toFixed(2)}, the goal of ${GOAL} is ${ratio <= GOAL ? 'reached' : 'missed'}`,
    );
  }
} finally {
  await machine.cut();
  await wagon.close();
  if (options.keep) say(`kept: ${folder}`);
  else fs.rmSync(folder, { recursive: true, force: true });
}
say(`${((performance.now() - beganMs) / 1000).toFixed(0)} s`);
say(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

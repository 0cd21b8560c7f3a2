/**
 * `npm run test:firmware`: a unit on Debian's own arm64 kernel in QEMU, with real GPIO lines, cameras and a centre on the host; beside it a stock
 * Debian, for the time to the first durable fragment against its time to a login. Ends with `N passed, N failed`.
 */
import '../guest/own-mounts.js';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { check } from '../fault/checks.js';
import { stockImage, unitImage } from '../guest/image.js';
import { Machine } from '../guest/machine.js';
import { prepareGuestWagon, spoolDisk } from '../guest/wagon.js';
import { fsck } from '../peers/wagon.js';
import * as unit from './unit.js';

const SLOW_MS = 600_000;
const SPOOL_MB = 256;
// Sockets have short paths.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lr-fw-'));
const say = (text: string): void => void process.stdout.write(`${text}\n`);
let passed = 0;
let failed = 0;

async function scenario<T>(name: string, run: () => Promise<T>): Promise<T | undefined> {
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
    return undefined;
  }
}

async function stockBoot(): Promise<number> {
  const own = path.join(folder, 'stock');
  fs.mkdirSync(own);
  const machine = await Machine.start({ folder: own, image: await stockImage() });
  try {
    await machine.says(/ login: /, SLOW_MS);
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
try {
  const firstMs = await scenario('board and agent start, the first fragment is durable', async () => {
    return (await unit.firstDurable(machine)) - machine.startedMs;
  });
  await scenario('relays and lamp are read back from outside', () => unit.outputsFromOutside(given));
  await scenario('the key bounces: one change, and the state follows', () => unit.bouncingKey(given));
  await scenario('footage reaches the centre', () => unit.footageAtTheCentre(given));
  await scenario('onoff sees every edge of a kernel line', () => unit.everyEdge(given));
  await scenario('a dead recorder is started again', () => unit.deadAgent(given));
  await scenario('a dead PID 1 is reset by the hardware watchdog, and the unit says why', () => unit.deadInit(given));
  await scenario('power-good is lost: flushed, cut off, switched off', () => unit.supplyLost(given));
  await machine.cut();
  await scenario('the spool is whole afterwards', () => checkSpool(spool));
  const stockMs = await scenario('a stock Debian starts to a login', stockBoot);
  if (firstMs !== undefined && stockMs !== undefined) {
    const ratio = (firstMs / stockMs).toFixed(2);
    say(
      `first durable fragment ${(firstMs / 1000).toFixed(1)} s after the kernel started; stock Debian to a login ${(stockMs / 1000).toFixed(1)} s: ${ratio}`,
    );
  }
} finally {
  await machine.cut();
  await wagon.close();
  fs.rmSync(folder, { recursive: true, force: true });
}
say(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

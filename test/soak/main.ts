/**
 * A long run of one wagon: cameras with sub-streams, the real agent and the real controller over mTLS through a counting relay. Samples
 * memory and descriptors, counts the journal's bytes on the wire and looks for gaps that nothing explains.
 *
 *   node test/dist/soak/main.js [--minutes 60] [--cameras 8] [--json FILE]
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { CAMERA, makeMedia, SMALL } from '../peers/media.js';
import { cpuSeconds, descriptorCount, memoryBytes, startProgram } from '../peers/program.js';
import { startRtspServer } from '../peers/rtsp/server.js';
import type { MountSpec } from '../peers/rtsp/spec.js';
import { bin, fsck, journalRecords, prepareWagon } from '../peers/wagon.js';
import { startCountingRelay } from './relay.js';
import { type Sample, trend } from './trend.js';

const options = new Command()
  .option('--minutes <n>', 'how long', Number, 60)
  .option('--cameras <n>', 'each with its sub-stream', Number, 8)
  .option('--quota <size>', 'of the spool', '4GB')
  .option('--json <file>', 'write the figures there')
  .parse()
  .opts<{ minutes: number; cameras: number; quota: string; json?: string }>();

const SAMPLE_MS = 10_000;
const WARM_UP_S = Math.min(600, options.minutes * 10);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-soak-'));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const mounts: Record<string, MountSpec> = {};
for (let i = 1; i <= options.cameras; i++) {
  mounts[`cam-${i}`] = { files: [await makeMedia({ ...CAMERA, variant: i % 2 })] };
  mounts[`cam-${i}-sub`] = { files: [await makeMedia({ ...SMALL, variant: i % 2 })] };
}
const rtsp = await startRtspServer({ mounts, logMax: 1000 });

fs.writeFileSync(
  path.join(folder, 'controller.yaml'),
  JSON.stringify({ data: './centre', http: { host: '127.0.0.1', port: 0 }, mqtt: { host: '127.0.0.1', port: 0 } }),
);
const controller = startProgram(process.execPath, [
  bin('controller', 'longroof-controller'),
  '--config',
  path.join(folder, 'controller.yaml'),
]);
const [, mqttPort] = (await controller.says(/mqtts:\/\/[^:\s]+:(\d+)/)) as unknown as [string, string];
const relay = await startCountingRelay(Number(mqttPort));
const unitFile = await prepareWagon({
  folder,
  authority: path.join(folder, 'centre/authority'),
  controller: `mqtts://127.0.0.1:${relay.port}`,
  quota: options.quota,
  keep: '60s',
  cameras: Array.from({ length: options.cameras }, (_, i) => ({
    id: `cam-${i + 1}`,
    url: rtsp.url(`cam-${i + 1}`),
    sub: rtsp.url(`cam-${i + 1}-sub`),
  })),
});
const agent = startProgram(bin('edge-agent', 'longroof-agent'), ['--config', unitFile]);
say(`seed none; ${options.cameras} cameras with sub-streams for ${options.minutes} min in ${folder}`);

const measures: Record<string, Sample[]> = { rssMb: [], pssMb: [], descriptors: [], centreRssMb: [], centreDescriptors: [] };
const startMs = performance.now();
const cpuStart = cpuSeconds(agent.pid);
const endMs = startMs + options.minutes * 60_000;
let ended: number | string | undefined;
void agent.exited.then((how) => {
  ended = how;
});
let countsAfterWarmUp: { atS: number; upBytes: number; downBytes: number } | undefined;
while (performance.now() < endMs) {
  await delay(SAMPLE_MS);
  if (ended !== undefined) throw new Error(`the agent ended: ${ended}\n${agent.output().slice(-4000)}`);
  const atS = (performance.now() - startMs) / 1000;
  const memory = memoryBytes(agent.pid);
  const push = (name: string, value: number): void => void measures[name]?.push({ atS, value });
  push('rssMb', memory.rssBytes / 2 ** 20);
  push('pssMb', memory.pssBytes / 2 ** 20);
  push('descriptors', descriptorCount(agent.pid));
  push('centreRssMb', memoryBytes(controller.pid).rssBytes / 2 ** 20);
  push('centreDescriptors', descriptorCount(controller.pid));
  if (!countsAfterWarmUp && atS >= WARM_UP_S) countsAfterWarmUp = { atS, ...relay.counts() };
  if (Math.round(atS / 10) % 30 === 0)
    say(
      `${Math.round(atS / 60)} min: ${(memory.rssBytes / 2 ** 20).toFixed(1)} MB RSS, ${measures['descriptors']?.at(-1)?.value} descriptors, ${relay.counts().upBytes} bytes up`,
    );
}
const seconds = (performance.now() - startMs) / 1000;
const cpuS = cpuSeconds(agent.pid) - cpuStart;
const counts = relay.counts();
const stopMs = performance.now();
const exit = await agent.stop('SIGTERM');
const stopS = (performance.now() - stopMs) / 1000;
const check = await fsck(path.join(folder, 'spool'));
await controller.stop('SIGTERM');
await relay.close();
await rtsp.close();

const gaps = journalRecords(path.join(folder, 'spool'))
  .filter((record) => record['type'] === 'gap')
  .map((record) => record['body'] as { camera: string; rendition: string; cause: string; durationMs: number; detail?: string });
const unexpected = gaps.filter((gap) => gap.cause !== 'starting' && gap.cause !== 'stopped');
const measuredS = seconds - (countsAfterWarmUp?.atS ?? 0);
const perDayMb = (bytes: number): number => ((bytes / measuredS) * 86_400) / 1e6;
const result = {
  minutes: options.minutes,
  cameras: options.cameras,
  cpuSPerCameraHour: Number((((cpuS / seconds) * 3600) / options.cameras).toFixed(2)),
  journalMbPerDay: {
    up: Number(perDayMb(counts.upBytes - (countsAfterWarmUp?.upBytes ?? 0)).toFixed(3)),
    down: Number(perDayMb(counts.downBytes - (countsAfterWarmUp?.downBytes ?? 0)).toFixed(3)),
    connections: counts.connections,
  },
  measures: Object.fromEntries(Object.entries(measures).map(([name, samples]) => [name, trend(samples, WARM_UP_S)])),
  gaps: { all: gaps.length, notStarting: unexpected },
  fsckExit: check.code,
  agentExit: exit,
  stopS: Number(stopS.toFixed(2)),
};
say(JSON.stringify(result, null, 2));
if (options.json) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
if (check.code !== 0) say(check.text.slice(0, 4000));
const passed = check.code === 0 && unexpected.length === 0 && exit === 0;
if (passed) fs.rmSync(folder, { recursive: true, force: true });
say(passed ? '1 passed, 0 failed' : '0 passed, 1 failed');
process.exit(passed ? 0 : 1);

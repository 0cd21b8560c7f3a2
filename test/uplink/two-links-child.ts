/**
 * Runs in a network namespace of its own, as two-links.test.ts starts it: two interfaces, and the kernel's route to the centre set to one
 * or the other. Prints one JSON line: what was seen over each.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { linkRulesOf, Traffic } from '@longroof/edge-agent/uplink/traffic';
import { createUplink } from '@longroof/edge-agent/uplink/uplink';
import { openAuthority } from '@longroof/protocol/authority';
import type { Rendition } from '@longroof/protocol/fragment';
import { until } from '../peers/program.js';
import { MemorySpool } from './memory-spool.js';
import { ScriptedController } from './scripted-controller.js';

const UNIT = 'wagon-1';
const ADDRESSES = { wwan0: '10.77.1.1', wlan0: '10.77.2.1' } as const;
const MOVE_MS = 60_000;

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
/** By which interface's address the kernel reaches the centre. */
const route = (name: keyof typeof ADDRESSES): void =>
  ip(
    ...[
      'route',
      'replace',
      'local',
      '127.0.0.1',
      'dev',
      'lo',
      'table',
      'local',
      'proto',
      'kernel',
      'scope',
      'host',
      'src',
      ADDRESSES[name],
    ],
  );
/** Sent over the loopback, headers and all: this namespace's own count, which sysfs would not show. */
const loBytes = (): number => Number(/lo:\s*\d+(?:\s+\d+){7}\s+(\d+)/.exec(readFileSync('/proc/self/net/dev', 'utf8'))?.[1]);

ip('link', 'set', 'lo', 'up');
for (const [name, address] of Object.entries(ADDRESSES)) {
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-far`);
  ip('addr', 'add', `${address}/32`, 'dev', name);
  for (const end of [name, `${name}-far`]) ip('link', 'set', end, 'up');
}
route('wwan0');

const dir = mkdtempSync(path.join(tmpdir(), 'longroof-two-links-'));
try {
  const authority = await openAuthority(dir, systemDisk, () => systemClock.utc());
  const { unitKeyPem, unitCertificatePem } = await authority.issueUnit(UNIT);
  const controller = await ScriptedController.make(UNIT, authority);
  await controller.start();
  const stored: string[] = [];
  controller.onStored = ({ rendition }) => stored.push(rendition);
  const spool = new MemorySpool(systemClock, seededRandom(testSeed()), UNIT);
  const add = (rendition: Rendition, bytes: number): void => void spool.addFragment({ camera: 'front', rendition }, 0, bytes);
  for (let n = 0; n < 3; n += 1) add('original', 300_000);
  for (let n = 0; n < 3; n += 1) add('proxy', 60_000);
  for (let n = 0; n < 3; n += 1) add('strip', 20_000);
  const links = [
    { interface: 'wwan0', class: 'metered' as const },
    { interface: 'wl*', class: 'free' as const },
  ];
  const traffic = new Traffic({ rules: linkRulesOf({ links, metered: undefined, free: undefined }) });
  const uplink = createUplink({
    config: { host: '127.0.0.1', port: controller.port, unit: UNIT },
    identity: () => ({ keyPem: unitKeyPem, certificatePem: unitCertificatePem, rootPem: authority.rootPem }),
    ...{ spool, clock: systemClock, log: silentLog, version: '0.1.0', traffic },
    status: () => ({ front: { state: 'recording' } }),
  });
  const before = loBytes();
  uplink.start();
  await until('strips over the metered link', () => stored.length >= 3);
  await systemClock.sleep(2000);
  const metered = { link: traffic.status(), stored: [...stored] };
  route('wlan0');
  await until('the rest over the free link', () => stored.length >= 9, MOVE_MS);
  const free = { link: traffic.status(), stored: stored.slice(3) };
  const told = controller.statuses.at(-1)?.link;
  route('wwan0');
  await until('back on the metered link', () => traffic.status()?.interface === 'wwan0' && uplink.connected, MOVE_MS);
  const back = traffic.status();
  await uplink.stop();
  const { meteredBytes, freeBytes } = traffic;
  const seen = { metered, free, told, back, connects: uplink.counters.connects, meteredBytes, freeBytes, kernelBytes: loBytes() - before };
  await controller.stop();
  process.stdout.write(`${JSON.stringify(seen)}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}

/** A unit's real spool, uplink and commander, with fragments on its disk, in front of a controller that does as a test wants. */
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog as log } from '@longroof/base/log';
import type { Random } from '@longroof/base/random';
import { type Commander, createCommander } from '@longroof/edge-agent/command/commander';
import { openSpool } from '@longroof/edge-agent/spool/open';
import type { Spool, StoredFragment } from '@longroof/edge-agent/spool/spool';
import { testFragment } from '@longroof/edge-agent/spool/test-fragments';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import { type Authority, openAuthority, type UnitIdentity } from '@longroof/protocol/authority';
import type { UnitSettings } from '@longroof/protocol/settings';
import type { Test } from 'tap';
import { until } from '../peers/program.js';
import { ScriptedController } from '../uplink/scripted-controller.js';

export const UNIT = 'wagon-1';
const FRONT = { camera: 'front', rendition: 'original' } as const;
const FRAGMENT_MS = 100;

export interface UnitBench {
  authority: Authority;
  identity: UnitIdentity;
  controller: ScriptedController;
  spool: Spool;
  uplink: Uplink;
  commander: Commander;
  taken: UnitSettings[];
  fragments(): Promise<StoredFragment[]>;
  /** As after a restart of the agent, on the same disk. */
  restart(): Promise<void>;
}

export async function unitBench(t: Test, random: Random, count: number): Promise<UnitBench> {
  const dir = t.testdir();
  const authority = await openAuthority(path.join(dir, 'authority'), systemDisk, () => systemClock.utc());
  const identity = await authority.issueUnit(UNIT);
  const controller = await ScriptedController.make(UNIT, authority);
  await controller.start();
  const fromUtcMs = systemClock.utc() - 1000;
  const spool = await open(dir, identity);
  await fill(spool, random, count);
  const taken: UnitSettings[] = [];
  const bench = { authority, identity, controller, spool, taken, ...startUplink(dir, identity, controller.port, spool, taken) };
  t.teardown(async () => {
    await bench.commander.stop();
    await bench.uplink.stop();
    await bench.spool.close();
    await controller.stop();
  });
  return Object.assign(bench, {
    fragments: async () => (await bench.spool.select([FRONT], fromUtcMs, systemClock.utc() + 60_000)).fragments,
    async restart() {
      await bench.commander.stop();
      await bench.uplink.stop();
      await bench.spool.close();
      bench.spool = await open(dir, identity);
      Object.assign(bench, startUplink(dir, identity, controller.port, bench.spool, taken));
    },
  });
}

function open(dir: string, identity: UnitIdentity): Promise<Spool> {
  return openSpool({
    ...{ path: path.join(dir, 'spool'), quotaBytes: 256 * 1024 * 1024, unit: UNIT, journalKeyPem: identity.journalKeyPem },
    ...{ version: '0.1.0', configSha256: '0'.repeat(64), cameras: [{ camera: FRONT.camera, renditions: [FRONT.rendition] }] },
    ...{ clock: systemClock, log },
  });
}

async function fill(spool: Spool, random: Random, count: number): Promise<void> {
  const startMonoMs = systemClock.mono();
  const offsetMs = systemClock.utc() - startMonoMs;
  spool.noteClock({ atMonoMs: startMonoMs, offsetMs, source: 'ntp', errorMs: 10 });
  let durable = 0;
  spool.onDurable((streams) => {
    for (const { seq } of streams) durable = seq + 1;
  });
  spool.openStream(FRONT);
  for (let seq = 0; seq < count; seq += 1) {
    const monoMs = startMonoMs + seq * FRAGMENT_MS;
    const fragment = testFragment(random, FRONT, { startMonoMs: monoMs, durationMs: FRAGMENT_MS, payloadBytes: 4000 });
    const wall = { utcMs: monoMs + offsetMs, source: 'ntp' as const, errorMs: 10 };
    await until('room in the queue', () => spool.write(fragment, wall));
  }
  await until('all durable', () => durable >= count);
}

function startUplink(
  dir: string,
  identity: UnitIdentity,
  port: number,
  spool: Spool,
  taken: UnitSettings[],
): { uplink: Uplink; commander: Commander } {
  const folder = path.join(dir, 'spool');
  const uplink = createUplink({
    config: { host: '127.0.0.1', port, unit: UNIT },
    identity: () => ({ keyPem: identity.unitKeyPem, certificatePem: identity.unitCertificatePem, rootPem: identity.rootPem }),
    ...{ spool, clock: systemClock, log, status: () => ({}), version: '0.1.0', keep: { disk: systemDisk, dir: folder } },
  });
  const commander = createCommander({
    ...{ uplink, spool, disk: systemDisk, clock: systemClock, log, dir: folder },
    configure: async (settings) => void taken.push(settings),
  });
  commander.start();
  uplink.start();
  return { uplink, commander };
}

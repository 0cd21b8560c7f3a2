/** A wagon without cameras and without a centre: a real spool that was filled at once, a real commander, and an uplink by hand. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { type Commander, createCommander } from '@longroof/edge-agent/command/commander';
import { openSpool } from '@longroof/edge-agent/spool/open';
import type { Spool, StoredFragment } from '@longroof/edge-agent/spool/spool';
import type { Outcome } from '@longroof/edge-agent/uplink/fragment-queue';
import type { DesiredReceiver } from '@longroof/edge-agent/uplink/session';
import type { DoneBody } from '@longroof/protocol/journal';
import type { DesiredPull } from '@longroof/protocol/messages';
import type { Test } from 'tap';
import { fillSpool, footageOf } from '../peers/footage.js';
import { type MediaRecipe, makeMedia, SMALL } from '../peers/media.js';
import { journalRecords } from '../peers/wagon.js';

const UNIT = 'wagon-1';
export const FRONT = { camera: 'front', rendition: 'original' as const };
const SECONDS = 130;

export class HandUplink {
  receiver: DesiredReceiver | undefined;
  readonly sent: StoredFragment[] = [];
  answers = true;
  attach(receiver: DesiredReceiver): void {
    this.receiver = receiver;
  }
  enqueue(fragment: StoredFragment): Promise<Outcome> {
    this.sent.push(fragment);
    return this.answers ? Promise.resolve('stored') : new Promise(() => undefined);
  }
}

export interface Unit {
  spool: Spool;
  uplink: HandUplink;
  commander: Commander;
  stop(): Promise<void>;
}

export class Wagon {
  readonly dir = mkdtempSync(path.join(tmpdir(), 'longroof-copies-'));
  readonly #keyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  #generation = 0;

  async start(boot: string): Promise<Unit> {
    const spool = await openSpool({
      ...{ path: path.join(this.dir, 'spool'), quotaBytes: 512 * 2 ** 20, unit: UNIT, journalKeyPem: this.#keyPem, version: '0.1.0' },
      ...{ configSha256: '0'.repeat(64), cameras: [{ camera: 'front', renditions: ['original'] }], clock: systemClock, log: silentLog },
      faults: { boot },
    });
    const uplink = new HandUplink();
    const dir = path.join(this.dir, 'spool');
    const commander = createCommander({ uplink, spool, disk: systemDisk, clock: systemClock, log: silentLog, dir });
    commander.start();
    const stop = async (): Promise<void> => {
      await commander.stop();
      await spool.close();
    };
    return { spool, uplink, commander, stop };
  }

  give({ spool, uplink }: Unit, ...pulls: DesiredPull[]): void {
    this.#generation += 1;
    const state = { what: 'longroof-desired-1', unit: UNIT, epoch: spool.identity.epoch, generation: this.#generation, pulls };
    uplink.receiver?.desired(JSON.parse(JSON.stringify(state)) as Record<string, unknown>);
  }

  done(pullId: string): DoneBody[] {
    return journalRecords(path.join(this.dir, 'spool'))
      .filter((record) => record['type'] === 'done')
      .map((record) => record['body'] as DoneBody)
      .filter((body) => body.pullId === pullId);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Has recorded 130 s, until a few seconds ago, in an earlier boot; the times lie inside of it. */
export async function recordedWagon(
  t: Test,
  recipe: MediaRecipe = { ...SMALL, gopS: 2 },
): Promise<{ wagon: Wagon; fromUtcMs: number; toUtcMs: number }> {
  const wagon = new Wagon();
  t.teardown(() => wagon.remove());
  const first = await wagon.start('boot-1');
  const startMonoMs = systemClock.mono() - (SECONDS + 5) * 1000;
  const file = await makeMedia(recipe);
  await fillSpool(first.spool, await footageOf({ file, seconds: SECONDS, stream: FRONT, startMonoMs }));
  await first.stop();
  const beginUtcMs = systemClock.utc() - systemClock.mono() + startMonoMs;
  return { wagon, fromUtcMs: beginUtcMs + 15_500, toUtcMs: beginUtcMs + 115_500 };
}

/** The unit of the uplink's bench: the real spool, uplink and commander. Its footage is bytes of chance in fragments of one size. */
import { randomFillSync } from 'node:crypto';
import path from 'node:path';
import { systemClock as clock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog as log } from '@longroof/base/log';
import { seededRandom } from '@longroof/base/random';
import { createCommander } from '@longroof/edge-agent/command/commander';
import { openSpool } from '@longroof/edge-agent/spool/open';
import type { Spool, StoredFragment } from '@longroof/edge-agent/spool/spool';
import { testFragment, testInit } from '@longroof/edge-agent/spool/test-fragments';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import type { UnitIdentity } from '@longroof/protocol/authority';
import { until } from '../../peers/program.js';
import { serve } from './child.js';

export interface UnitStart {
  dir: string;
  unit: string;
  host: string;
  port: number;
  identity: UnitIdentity;
  fragments: number;
  fragmentBytes: number;
}

/** Short, so that filling takes less time than the footage tells of; a reel still holds as many as in a minute of 1 s each. */
const FRAGMENT_MS = 50;
const REEL_FRAGMENTS = 60;
const PAST_MS = 60_000;
const FRONT = { camera: 'front', rendition: 'original' } as const;
const ACK_MS_MAX = 30_000;

let spool: Spool;
let uplink: Uplink;
let startUtcMs = 0;
let acknowledged = 0;

async function fill(count: number, bytes: number): Promise<void> {
  const random = seededRandom(1);
  // All of it happened some time ago: a pull waits for nothing.
  const offsetMs = clock.utc() - clock.mono() - count * FRAGMENT_MS - PAST_MS;
  const startMonoMs = clock.mono();
  startUtcMs = startMonoMs + offsetMs;
  spool.noteClock({ atMonoMs: startMonoMs, offsetMs, source: 'ntp', errorMs: 10 });
  let durable = 0;
  spool.onDurable((streams) => {
    for (const { seq } of streams) durable = seq + 1;
  });
  spool.openStream(FRONT);
  for (let i = 0; i < count; i += 1) {
    const monoMs = startMonoMs + i * FRAGMENT_MS;
    const init = testInit(Math.floor(i / REEL_FRAGMENTS));
    const options = { startMonoMs: monoMs, durationMs: FRAGMENT_MS, payloadBytes: bytes, zeros: true, init };
    const fragment = testFragment(random, FRONT, options);
    randomFillSync(fragment.parts[1] as Buffer);
    await until('room in the queue', () => spool.write(fragment, { utcMs: monoMs + offsetMs, source: 'ntp', errorMs: 10 }));
  }
  await until('all durable', () => durable >= count, 300_000);
}

/** Wall time that covers these fragments, and no others. */
function range(from: number, count: number): { fromUtcMs: number; toUtcMs: number } {
  return { fromUtcMs: startUtcMs + from * FRAGMENT_MS + 5, toUtcMs: startUtcMs + (from + count) * FRAGMENT_MS - 5 };
}

function watchAcknowledgements(): void {
  const tell = spool.journalAcknowledged.bind(spool);
  spool.journalAcknowledged = (next) => {
    acknowledged = Math.max(acknowledged, next);
    tell(next);
    for (const look of waiting) look();
  };
}
const waiting = new Set<() => void>();

/** Milliseconds from the wish to say something until the centre has acknowledged it. */
async function beat(): Promise<number> {
  const fromMs = clock.mono();
  const seq = await spool.record('event', { event: 'beat' }, { urgent: true });
  await new Promise<void>((resolve, reject) => {
    const late = clock.after(ACK_MS_MAX, () => reject(new Error(`a record was not acknowledged within ${ACK_MS_MAX} ms`)));
    const look = (): void => {
      if (acknowledged <= seq) return;
      waiting.delete(look);
      late.cancel();
      resolve();
    };
    waiting.add(look);
    look();
  });
  return clock.mono() - fromMs;
}

serve({
  async start({ dir, unit, host, port, identity, fragments, fragmentBytes }: UnitStart) {
    spool = await openSpool({
      ...{ path: path.join(dir, 'spool'), quotaBytes: fragments * fragmentBytes * 2 + 512 * 1024 * 1024, unit, version: '0.1.0' },
      ...{ journalKeyPem: identity.journalKeyPem, configSha256: '0'.repeat(64), clock, log },
      cameras: [{ camera: FRONT.camera, renditions: [FRONT.rendition] }],
    });
    await fill(fragments, fragmentBytes);
    watchAcknowledgements();
    const pems = { keyPem: identity.unitKeyPem, certificatePem: identity.unitCertificatePem, rootPem: identity.rootPem };
    const status = () => ({ front: { state: 'recording' as const } });
    uplink = createUplink({ config: { host, port, unit }, identity: () => pems, spool, clock, log, status, version: '0.1.0' });
    const commander = createCommander({ uplink, spool, disk: systemDisk, clock, log, dir: path.join(dir, 'spool') });
    commander.start();
    uplink.start();
    await until('the welcome', () => uplink.connected, 60_000);
  },
  range: async ({ from, count }: { from: number; count: number }) => range(from, count),
  counters: async () => ({ ...uplink.counters }),
  async fragments({ from, count }: { from: number; count: number }): Promise<StoredFragment[]> {
    const { fromUtcMs, toUtcMs } = range(from, count);
    return (await spool.select([FRONT], fromUtcMs, toUtcMs)).fragments;
  },
  async beats({ forMs, everyMs }: { forMs: number; everyMs: number }): Promise<number[]> {
    const trips: number[] = [];
    const endMs = clock.mono() + forMs;
    while (clock.mono() < endMs) {
      const nextMs = clock.mono() + everyMs;
      trips.push(await beat());
      await clock.sleep(Math.max(0, Math.min(nextMs, endMs) - clock.mono()));
    }
    return trips;
  },
});

/**
 * The whole way of a fragment between the real halves: the unit's spool, uplink and commander, and the centre's broker, ingest and
 * store. A pull is asked for; every fragment arrives byte for byte and its receipt releases it, though the connection is cut and the
 * centre restarted on the way. Then the window, on a link of known speed.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { createLog, silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { fragmentKey } from '@longroof/controller/store/blobs';
import { type Commander, createCommander } from '@longroof/edge-agent/command/commander';
import { openSpool } from '@longroof/edge-agent/spool/open';
import type { Spool, StoredFragment } from '@longroof/edge-agent/spool/spool';
import { testFragment } from '@longroof/edge-agent/spool/test-fragments';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import { type StreamName, streamText } from '@longroof/protocol/fragment';
import t, { type Test } from 'tap';
import { type Centre, startCentre, type UnitIdentity } from '../ingest/centre.js';
import { until } from '../peers/program.js';
import { fsck } from '../peers/wagon.js';
import { type SlowLink, startSlowLink } from './slow-link.js';

const seed = testSeed();
t.setTimeout(300_000);
t.comment(`LONGROOF_SEED=${seed}`);
const random = seededRandom(seed);
const log = process.env['LONGROOF_TEST_LOG'] ? createLog('unit', 'debug') : silentLog;
const UNIT = 'wagon-1';
const FRONT: StreamName = { camera: 'front', rendition: 'original' };
const REAR: StreamName = { camera: 'rear', rendition: 'original' };
const FRAGMENT_MS = 20;

interface Unit {
  spool: Spool;
  uplink: Uplink;
  commander: Commander;
  fragments: () => Promise<StoredFragment[]>;
  fromUtcMs: number;
  toUtcMs: number;
  stop(): Promise<void>;
}

function folder(test: Test): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'longroof-way-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function emptySpool(dir: string, identity: UnitIdentity): Promise<Spool> {
  const cameras = [FRONT, REAR].map(({ camera, rendition }) => ({ camera, renditions: [rendition] }));
  return openSpool({
    path: path.join(dir, 'spool'),
    quotaBytes: 512 * 1024 * 1024,
    unit: UNIT,
    journalKeyPem: identity.journalKeyPem,
    version: '0.1.0',
    configSha256: '0'.repeat(64),
    cameras,
    clock: systemClock,
    log,
  });
}

/** Writes `count` fragments of each of two cameras, from now on, and gives the wall time at which they end. */
async function fill(spool: Spool, count: number, payloadBytes: number): Promise<number> {
  const startMonoMs = systemClock.mono();
  const offsetMs = systemClock.utc() - systemClock.mono();
  spool.noteClock({ atMonoMs: systemClock.mono(), offsetMs, source: 'ntp', errorMs: 10 });
  let durable = 0;
  spool.onDurable((streams) => {
    for (const { stream, seq } of streams) if (stream.camera === 'rear') durable = seq + 1;
  });
  for (const stream of [FRONT, REAR]) spool.openStream(stream);
  for (let i = 0; i < count; i += 1) {
    for (const stream of [FRONT, REAR]) {
      const monoMs = startMonoMs + i * FRAGMENT_MS;
      const fragment = testFragment(random, stream, {
        startMonoMs: monoMs,
        durationMs: FRAGMENT_MS,
        payloadBytes: random.int(payloadBytes / 4, payloadBytes) & ~3,
      });
      const wall = { utcMs: monoMs + offsetMs, source: 'ntp' as const, errorMs: 10 };
      await until('room in the queue', () => spool.write(fragment, wall));
    }
  }
  await until('all durable', () => durable >= count);
  return startMonoMs + offsetMs + count * FRAGMENT_MS;
}

async function startUnit(dir: string, identity: UnitIdentity, port: number, count: number, payloadBytes: number): Promise<Unit> {
  const fromUtcMs = systemClock.utc() - 1000;
  const spool = await emptySpool(dir, identity);
  const uplink = createUplink({
    config: { host: '127.0.0.1', port, unit: UNIT },
    identity: () => ({ keyPem: identity.unitKeyPem, certificatePem: identity.unitCertificatePem, rootPem: identity.rootPem }),
    spool,
    clock: systemClock,
    log,
    status: () => ({ front: { state: 'recording' }, rear: { state: 'recording' } }),
    version: '0.1.0',
    keep: { disk: systemDisk, dir: path.join(dir, 'spool') },
  });
  const commander = createCommander({ uplink, spool, disk: systemDisk, clock: systemClock, log, dir: path.join(dir, 'spool') });
  const toUtcMs = (await fill(spool, count, payloadBytes)) - 5;
  commander.start();
  uplink.start();
  return {
    spool,
    uplink,
    commander,
    fromUtcMs,
    toUtcMs,
    fragments: async () => (await spool.select([FRONT, REAR], fromUtcMs, toUtcMs)).fragments,
    async stop() {
      await commander.stop();
      await uplink.stop();
      await spool.close();
    },
  };
}

async function askFor(centre: Centre, unit: Unit): Promise<string> {
  await until('the unit is known', () => unit.uplink.connected);
  const { fromUtcMs, toUtcMs } = unit;
  return centre.pulls.create('staff', {
    unitId: UNIT,
    cameras: ['front', 'rear'],
    fromUtcMs,
    toUtcMs,
    rendition: 'original',
    reason: 'a test',
  });
}

/** Every fragment of the unit is at the centre byte for byte, and released. */
async function allArrived(test: Test, centre: Centre, unit: Unit): Promise<void> {
  const fragments = await unit.fragments();
  test.ok(fragments.length > 0);
  let wrong = 0;
  for (const fragment of fragments) {
    const { meta } = fragment;
    const key = fragmentKey({ ...meta, stream: streamText(meta) });
    const there = (await centre.blobs.read(key)) ?? Buffer.alloc(0);
    const here = await unit.spool.read(fragment);
    const same = there.equals(here) && createHash('sha256').update(there).digest('hex') === meta.sha256;
    if (!same || !fragment.released) wrong += 1;
  }
  test.equal(wrong, 0, `${fragments.length} fragments are there byte for byte, and released here`);
}

t.test('a pull from request to receipt, the connection cut and the centre restarted on the way', async (test) => {
  const dir = folder(test);
  let centre = await startCentre(path.join(dir, 'centre'));
  const identity = await centre.authority.issueUnit(UNIT);
  const link = await startSlowLink(centre.port, { bytesPerS: 4_000_000, delayMs: 5 });
  const unit = await startUnit(dir, identity, link.port, 30, 240_000);
  test.teardown(async () => {
    await unit.stop();
    await link.close();
    await centre.stop();
  });
  const id = await askFor(centre, unit);
  const stored = (): number => unit.uplink.counters.fragmentsStored;
  await until('some are there', () => stored() >= 5);
  link.cut();
  await until('more are there', () => stored() >= 20);
  const { port } = centre;
  await centre.stop();
  test.ok(stored() < 60, 'midway');
  centre = await startCentre(path.join(dir, 'centre'), { port });
  const pull = await until(
    'the pull is done',
    async () => {
      const shape = await centre.pulls.get(id);
      return shape?.state === 'done' && shape;
    },
    60_000,
  );
  test.equal(pull.bytesDone, pull.bytesTotal);
  await allArrived(test, centre, unit);
  test.ok(unit.uplink.counters.connects >= 3);
  test.equal(unit.uplink.counters.receiptsRefused + unit.uplink.counters.refusals + unit.uplink.counters.badMessages, 0);
  const again = await askFor(centre, unit);
  const before = unit.uplink.counters.chunksSent;
  await until('the same pull again', async () => (await centre.pulls.get(again))?.state === 'done');
  test.equal(unit.uplink.counters.chunksSent, before, 'what the centre has is not sent again');
  await checkCountersigned(test, centre, unit, path.join(dir, 'spool'));
});

/** The unit keeps the centre's signatures under its checkpoints, and they are over the records that it has. */
async function checkCountersigned(test: Test, centre: Centre, unit: Unit, spool: string): Promise<void> {
  const file = path.join(spool, 'countersigned.jsonl');
  await until('countersigned checkpoints', () => unit.uplink.counters.checkpointsCountersigned > 0);
  // From here on none comes: what is read below is what fsck sees.
  await unit.uplink.stop();
  const rows = await centre.store.db.selectFrom('countersigned').selectAll().orderBy('seq').execute();
  const kept = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  test.ok(kept.length > 0);
  for (const line of kept)
    test.ok(
      rows.some(({ text }) => text === line),
      'kept as the centre has it',
    );
  const counts = async (): Promise<unknown> => (await fsck(spool)).report;
  test.match(await counts(), { counts: { countersigned: kept.length }, damage: [] });
  writeFileSync(file, `${kept.join('\n').replace(/"hash":"[0-9a-f]{4}/, '"hash":"0000')}\n`);
  test.match(await counts(), { damage: [{ what: 'countersigned' }] }, 'one over another record is told');
}

async function measure(
  test: Test,
  bytesPerS: number,
  seconds: number,
): Promise<{ unit: Unit; link: SlowLink; p95Ms: number; bytes: number; stalls: number }> {
  const dir = folder(test);
  const centre = await startCentre(path.join(dir, 'centre'));
  const identity = await centre.authority.issueUnit(UNIT);
  const link = await startSlowLink(centre.port, { bytesPerS, delayMs: 20 });
  const unit = await startUnit(dir, identity, link.port, 20, Math.min(600_000, bytesPerS / 2));
  test.teardown(async () => {
    await unit.stop();
    await link.close();
    await centre.stop();
  });
  await askFor(centre, unit);
  await until('footage flows', () => unit.uplink.counters.chunksSent > 3);
  const from = { bytes: link.upBytes(), ms: systemClock.mono() };
  const trips: number[] = [];
  for (let left = seconds * 4; left > 0 && unit.commander.counters.running > 0; left -= 1) {
    const sentMs = systemClock.mono();
    const seq = await unit.spool.record('event', { event: 'beat' }, { urgent: true });
    await until('its record is there', () => acknowledged(unit) > seq);
    trips.push(systemClock.mono() - sentMs);
    await systemClock.sleep(150);
  }
  const bytes = ((link.upBytes() - from.bytes) * 1000) / (systemClock.mono() - from.ms);
  trips.sort((a, b) => a - b);
  return { unit, link, p95Ms: trips[Math.floor(trips.length * 0.95)] ?? 0, bytes, stalls: unit.uplink.counters.stalls };
}

const acknowledgedNext = new WeakMap<Spool, number>();

/** How far the centre has the journal, seen where the uplink tells the spool. */
function acknowledged({ spool }: Unit): number {
  if (!acknowledgedNext.has(spool)) {
    acknowledgedNext.set(spool, 0);
    const tell = spool.journalAcknowledged.bind(spool);
    spool.journalAcknowledged = (next) => {
      acknowledgedNext.set(spool, Math.max(next, acknowledgedNext.get(spool) ?? 0));
      tell(next);
    };
  }
  return acknowledgedNext.get(spool) ?? 0;
}

t.test('on a slow link the window stays small, the link full and the journal quick', async (test) => {
  const slow = await measure(test, 250_000, 5);
  test.comment(
    `2 Mbit/s: ${(slow.bytes / 125_000).toFixed(2)} Mbit/s used, journal p95 ${slow.p95Ms.toFixed(0)} ms, window ${slow.unit.uplink.counters.windowBytes}`,
  );
  test.ok(slow.unit.uplink.counters.windowBytes < 200_000, `window ${slow.unit.uplink.counters.windowBytes}`);
  test.ok(slow.bytes > 0.5 * 250_000, 'more than half of the link is used');
  test.ok(slow.p95Ms < 2000, `journal p95 ${slow.p95Ms.toFixed(0)} ms`);
  test.equal(slow.stalls, 0);
});

t.test('on a fast link the window grows and chunks get long', async (test) => {
  const fast = await measure(test, 10_000_000, 2);
  const { counters } = fast.unit.uplink;
  test.comment(
    `80 Mbit/s: ${(fast.bytes / 125_000).toFixed(1)} Mbit/s used, journal p95 ${fast.p95Ms.toFixed(0)} ms, window ${counters.windowBytes}`,
  );
  test.ok(counters.bytesSent / counters.chunksSent > 16 * 1024, 'long chunks');
  test.equal(fast.stalls, 0);
});

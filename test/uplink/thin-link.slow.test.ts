/**
 * Eight hours of a link that is up for a tenth of the time, half of it metered with a budget that does not suffice, the agent killed in
 * between: what arrives in which order, what the metered link takes, and that nothing is lost. The clock is simulated, the rest is not:
 * see thin-link.ts. The checks look at what the centre has and at the disk, not at what the unit says of itself.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemDisk } from '@longroof/base/disk';
import { seededRandom, testSeed } from '@longroof/base/random';
import { checkSpool } from '@longroof/edge-agent/spool/fsck';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import { recordText } from '@longroof/protocol/journal';
import t, { type Test } from 'tap';
import type { Way } from './sim-network.js';
import { ORIGINAL, PROXY, START_UTC_MS, STRIP, ThinWagon } from './thin-link.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
t.setTimeout(300_000);
const MINUTE_MS = 60_000;
const HOURS = 8;
const BLOCK_MIN = 20;
const BUDGET = 2_500_000;
const RATE = 12 * 1024;

type Kind = 'urgent' | 'held' | 'pull' | 'strip' | 'proxy' | 'original';
interface Arrival {
  kind: Kind;
  meta: FragmentMeta;
  way: Way;
  /** Number of the stretch of link. */
  stretch: number;
  atMs: number;
}

/** Minutes of each order, and when it is given. */
const ORDERS = {
  small: { at: 60, from: 50, to: 55 },
  held: { at: 120, from: 60, to: 70 },
  large: { at: 160, from: 90, to: 150 },
  urgent: { at: 320, from: 270, to: 275 },
} as const;

const within = (meta: FragmentMeta, { from, to }: { from: number; to: number }, sinceMs: number): boolean => {
  const startMin = (meta.wall.utcMs - START_UTC_MS) / MINUTE_MS;
  return sinceMs > 0 && startMin < to && startMin + meta.duration90k / 90 / MINUTE_MS > from;
};

class Observer {
  readonly arrivals: Arrival[] = [];
  stretch = 0;
  readonly #wagon: ThinWagon;

  constructor(wagon: ThinWagon) {
    this.#wagon = wagon;
    wagon.controller.onStored = (meta) => {
      const atMs = wagon.clock.utc();
      const { way } = wagon.network;
      if (way) this.arrivals.push({ kind: this.#kind(meta, atMs), meta, way, stretch: this.stretch, atMs });
    };
  }

  /** The best claim that there was to it when it came. */
  #kind(meta: FragmentMeta, atMs: number): Kind {
    const since = (order: { at: number }): number => atMs - this.#wagon.at(order.at);
    const isOriginal = meta.rendition === 'original';
    if (isOriginal && within(meta, ORDERS.urgent, since(ORDERS.urgent))) return 'urgent';
    if (meta.rendition !== 'strip' && within(meta, ORDERS.held, since(ORDERS.held))) return isOriginal ? 'held' : 'proxy';
    if (isOriginal && (within(meta, ORDERS.small, since(ORDERS.small)) || within(meta, ORDERS.large, since(ORDERS.large)))) return 'pull';
    return meta.rendition as Kind;
  }

  count(kind: Kind, way?: Way): number {
    return this.arrivals.filter((one) => one.kind === kind && (way === undefined || one.way === way)).length;
  }
}

/** One stretch of two minutes somewhere in each twenty, half of them metered. */
async function eightHours(wagon: ThinWagon, seen: Observer, random: ReturnType<typeof seededRandom>): Promise<number> {
  const blocks = (HOURS * 60) / BLOCK_MIN;
  const ways = Array.from({ length: blocks }, (_, index): Way => (index % 2 === 0 ? 'wwan0' : 'wlan0'));
  const orders: [number, () => void][] = [
    [ORDERS.small.at, () => wagon.ask({ pullId: 'small', ...span(ORDERS.small) })],
    [ORDERS.held.at, () => wagon.hold('h1', ORDERS.held.from, ORDERS.held.to)],
    [ORDERS.large.at, () => wagon.ask({ pullId: 'large', ...span(ORDERS.large) })],
    [ORDERS.urgent.at, () => wagon.ask({ pullId: 'urgent', ...span(ORDERS.urgent), urgent: true })],
  ];
  let upMs = 0;
  for (const [index, way] of ways.entries()) {
    for (const [at, give] of orders) if (at === index * BLOCK_MIN) give();
    const beforeMs = random.int(1, BLOCK_MIN - 3) * MINUTE_MS;
    await wagon.clock.advance(beforeMs);
    seen.stretch += 1;
    wagon.network.change(way);
    await wagon.clock.advance(2 * MINUTE_MS);
    upMs += 2 * MINUTE_MS;
    wagon.network.change(undefined);
    if (index === blocks / 2) await wagon.kill();
    await wagon.clock.advance(Math.max(0, START_UTC_MS + (index + 1) * BLOCK_MIN * MINUTE_MS - wagon.clock.utc()));
  }
  return upMs;
}

const span = ({ from, to }: { from: number; to: number }) => ({ from, to });

/** Metered: only what was asked for, and strips. Free: proxies before originals that nobody asked for, and held before pulls. */
function checkOrder(test: Test, seen: Observer): void {
  const metered = new Set(seen.arrivals.filter((one) => one.way === 'wwan0').map((one) => one.kind));
  for (const kind of ['proxy', 'original', 'held'] as const) test.notOk(metered.has(kind), `no ${kind} over the metered link`);
  for (const kind of ['strip', 'pull', 'urgent'] as const) test.ok(metered.has(kind), `${kind} over the metered link`);
  const strays: string[] = [];
  for (let stretch = 1; stretch <= seen.stretch; stretch += 1) {
    const of = seen.arrivals.filter((one) => one.stretch === stretch);
    const rank: Readonly<Record<Kind, number>> = { urgent: 0, held: 1, pull: 2, strip: 3, proxy: 4, original: 5 };
    // What was on the disk and wanted when the stretch began; of a worse claim no more comes first than may be open at once.
    const early = of.filter(
      ({ kind, atMs }, index) => kind !== 'held' && of.slice(index + 1).some((one) => rank[one.kind] < rank[kind] && isOld(one, atMs)),
    );
    if (early.length > 8) strays.push(`stretch ${stretch}: ${early.map(({ kind }) => kind).join()} too early`);
  }
  test.same(strays, [], 'within each stretch the better claim came first');
}

/** Its reel was closed and an order for it known for two minutes at least. */
function isOld({ kind, meta }: Arrival, atMs: number): boolean {
  const ordered = kind === 'pull' || kind === 'urgent' || kind === 'held';
  return !ordered && meta.wall.utcMs + meta.duration90k / 90 < atMs - 3 * MINUTE_MS;
}

/** Byte for byte at the centre; the journal whole; the disk clean. */
async function checkAll(test: Test, wagon: ThinWagon): Promise<void> {
  const { fragments } = await wagon.spool.select([ORIGINAL, PROXY, STRIP], 0, Number.MAX_SAFE_INTEGER);
  let wrong = 0;
  for (const fragment of fragments) {
    const there = wagon.controller.stored.get(fragment.meta.sha256);
    if (!there || !fragment.released || !there.equals(await wagon.spool.read(fragment))) wrong += 1;
  }
  test.equal(wrong, 0, `all ${fragments.length} fragments are at the centre byte for byte, and released`);
  const here = await wagon.spool.journal(0, 1e9);
  const there = wagon.controller.records;
  test.ok(there.length >= here.length - 20, `${there.length} of ${here.length} records are there`);
  const differing = there.filter((record, index) => recordText(record) !== recordText(here[index]!));
  test.same(differing, [], 'and each is the same');
}

t.test('eight hours on a thin link', async (test) => {
  const random = seededRandom(seed);
  const startedMs = performance.now();
  const wagon = await ThinWagon.make({
    ...{ test, random, beatMs: 10_000, sizes: { original: 16_000, proxy: 2000, strip: 1500 } },
    links: {
      links: [
        { interface: 'wwan0', class: 'metered' },
        { interface: 'wlan0', class: 'free' },
      ],
      metered: { monthlyBudget: BUDGET, budgetDay: 1, sends: ['pulls', 'strips'], beyond: ['urgent'] },
      free: undefined,
    },
  });
  wagon.network.bytesPerS = RATE;
  const seen = new Observer(wagon);
  const upMs = await eightHours(wagon, seen, random);
  const { bytes } = wagon.network;
  const table = (['urgent', 'held', 'pull', 'strip', 'proxy', 'original'] as const).map(
    (kind) => `${kind} ${seen.count(kind, 'wwan0')}+${seen.count(kind, 'wlan0')}`,
  );
  test.comment(
    `up ${((upMs / (HOURS * 36e5)) * 100).toFixed(0)} % of ${HOURS} h; metered ${bytes.wwan0} B, free ${bytes.wlan0} B; metered+free: ${table.join(', ')}`,
  );
  if (process.env['DBG'])
    for (const a of seen.arrivals.filter((x) => x.stretch === Number(process.env['DBG'])))
      console.error(a.kind, a.atMs - START_UTC_MS, a.meta.wall.utcMs - START_UTC_MS, a.meta.seq);
  checkOrder(test, seen);
  const urgentBytes = seen.arrivals
    .filter((one) => one.kind === 'urgent' && one.way === 'wwan0')
    .reduce((sum, one) => sum + one.meta.bytes, 0);
  test.comment(`budget ${BUDGET} B, urgent ${urgentBytes} B, counted ${wagon.budget?.usedBytes} B`);
  test.ok(bytes.wwan0 > BUDGET * 0.85, 'the budget was needed');
  test.ok(bytes.wwan0 - urgentBytes * 1.05 <= BUDGET, 'and kept: nothing but what was urgent went beyond');
  const counted = wagon.budget?.usedBytes ?? 0;
  test.ok(counted >= bytes.wwan0 - 64 * 1024 && counted <= bytes.wwan0 + 700_000, 'the count is right, but for what the kill cost');
  test.ok(seen.count('pull', 'wlan0') > 0, 'what had to wait went over the free link');
  wagon.network.bytesPerS = 1024 * 1024;
  seen.stretch += 1;
  wagon.network.change('wlan0');
  await wagon.clock.advance(15 * MINUTE_MS);
  const before = wagon.clock.utc();
  await wagon.clock.advance(5 * MINUTE_MS);
  const { fragments } = await wagon.spool.select([ORIGINAL, PROXY, STRIP], 0, before - 2 * MINUTE_MS);
  test.equal(fragments.filter(({ released }) => !released).length, 0, 'in the yard everything comes home');
  await checkEnd(test, wagon);
  test.comment(`${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
});

/** The camera stops, the last of it goes, and both sides are compared. */
async function checkEnd(test: Test, wagon: ThinWagon): Promise<void> {
  wagon.recording = false;
  for (const stream of [ORIGINAL, PROXY]) wagon.spool.closeStream(stream, 'stopped');
  await wagon.clock.advance(10 * MINUTE_MS);
  await checkAll(test, wagon);
  await wagon.stop();
  const { damage } = checkSpool(systemDisk, wagon.path, mkdtempSync(path.join(tmpdir(), 'longroof-thin-fsck-')));
  test.same(damage, []);
}

/** Partition leases: the decision, workers that die, sleep and lose the database, and the same rows in a real database. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Clock, systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { partition } from '@longroof/protocol/topics';
import t from 'tap';
import { openStore } from '../store/open.js';
import { decideLeases, type LeaseRow, PARTITIONS } from './lease-decision.js';
import { LeaseKeeper } from './lease-keeper.js';
import { LeaseTable } from './lease-table.js';

const LEASE_MS = 15_000;

/** The rows of a database that may be away, each change whole or not at all. */
class MemoryTable {
  readonly rows = new Map<string, LeaseRow>();
  readonly workers = new Map<string, number>();

  change(seen: LeaseRow, worker: string, term: number): boolean {
    const row = this.rows.get(seen.part);
    if (row?.worker !== seen.worker || row.term !== seen.term) return false;
    this.rows.set(seen.part, { part: seen.part, worker, term });
    return true;
  }

  as(isAway: () => boolean): Pick<LeaseTable, keyof LeaseTable> {
    const here = (): void => {
      if (isAway()) throw new Fault('unavailable', 'LR_STORE_GONE', 'away');
    };
    return {
      prepare: async () => {
        for (const part of PARTITIONS) if (!this.rows.has(part)) this.rows.set(part, { part, worker: '', term: 0 });
      },
      beat: async (worker, count) => {
        here();
        this.workers.set(worker, count);
        return { rows: [...this.rows.values()], workers: [...this.workers].map(([name, beat]) => ({ worker: name, beat })) };
      },
      take: async (worker, wanted) => {
        here();
        return wanted.filter((seen) => this.change(seen, worker, seen.term + 1)).map((seen) => ({ ...seen, worker, term: seen.term + 1 }));
      },
      give: async (given) => {
        here();
        for (const row of given) this.change(row, '', row.term);
      },
      holds: async (_, row) => this.change(row, row.worker, row.term),
      remove: async (worker, beat) => {
        here();
        if (beat === undefined || this.workers.get(worker) === beat) this.workers.delete(worker);
      },
    };
  }
}

/** A worker whose process may sleep: then time passes and nothing of it runs, and what was due runs after it. */
class SimWorker {
  readonly #timers = new SimClock();
  readonly heard = new Set<string>();
  readonly keeper: LeaseKeeper;
  readonly name: string;
  isAway = false;
  isAsleep = false;
  /** Until it must have noticed that it slept. */
  dazedMs = 0;
  #sleptMs = 0;

  constructor(table: MemoryTable, name: string) {
    this.name = name;
    const broker = {
      hold: (parts: readonly string[]) => parts.forEach((part) => void this.heard.add(part)),
      drop: async (parts: readonly string[]) => parts.forEach((part) => void this.heard.delete(part)),
    };
    const timers = this.#timers;
    const clock: Clock = {
      mono: () => timers.mono() + this.#sleptMs,
      utc: () => timers.utc(),
      sleep: (ms, signal) => timers.sleep(ms, signal),
      after: (ms, run) => timers.after(ms, run),
      every: (ms, run) => timers.every(ms, run),
    };
    const options = { worker: name, clock, log: silentLog, leaseMs: LEASE_MS, broker, taken: async () => undefined };
    this.keeper = new LeaseKeeper({ ...options, table: table.as(() => this.isAway) });
  }

  async pass(ms: number): Promise<void> {
    this.dazedMs = this.isAsleep ? LEASE_MS : Math.max(0, this.dazedMs - ms);
    if (this.isAsleep) this.#sleptMs += ms;
    else await this.#timers.advance(ms);
  }

  async mayWrite(unit: string): Promise<boolean> {
    return this.keeper.hold(undefined as never, unit).then(
      () => true,
      () => false,
    );
  }
}

async function passAll(workers: readonly SimWorker[], ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) for (const worker of workers) await worker.pass(500);
}

const sizes = (workers: readonly SimWorker[]) => workers.map((worker) => worker.heard.size);

t.test('the decision: even shares, nothing of one that lives, at once what is lost', async (t) => {
  const rows = PARTITIONS.map((part, n) => ({ part, worker: n < 200 ? 'a' : n < 250 ? 'dead' : '', term: 3 }));
  const held = new Map(rows.slice(0, 200).map(({ part, term }) => [part, term]));
  const alone = decideLeases({ self: 'a', rows, alive: new Set(['a']), held });
  t.match(alone, { drop: [], give: [] });
  t.equal(alone.take.length, 56, 'what belongs to none that lives');
  const shared = decideLeases({ self: 'a', rows, alive: new Set(['a', 'b', 'c']), held });
  t.equal(shared.give.length, 200 - 86);
  t.same(shared.take, []);
  t.equal(decideLeases({ self: 'b', rows, alive: new Set(['a', 'b']), held: new Map() }).take.length, 56);
  t.equal(decideLeases({ self: 'b', rows, alive: new Set(['a', 'b', 'dead']), held: new Map() }).take.length, 6);
  held.set('00', 2);
  held.set('ff', 3);
  const late = decideLeases({ self: 'a', rows, alive: new Set(['a']), held });
  t.same(late.drop, ['00', 'ff'], 'another term, another worker');
  t.match(late.take[0], { part: '00', term: 3 }, 'ours by the table: under a new term');
});

t.test('one starts, another joins, one leaves in order, one dies: all partitions are held, by one each', async (t) => {
  const table = new MemoryTable();
  const [a, b] = [new SimWorker(table, 'a'), new SimWorker(table, 'b')];
  await a.keeper.start();
  t.same(sizes([a]), [256]);
  await b.keeper.start();
  await passAll([a, b], 7000);
  t.same(sizes([a, b]), [128, 128]);
  await b.keeper.stop();
  t.equal(b.heard.size, 0);
  await passAll([a], 3500);
  t.same(sizes([a]), [256], 'given back: taken with the next beat');
  const c = new SimWorker(table, 'c');
  await c.keeper.start();
  await passAll([a, c], 7000);
  a.isAsleep = true;
  await passAll([c], LEASE_MS - 4000);
  t.same(sizes([c]), [128], 'not before its lease is over');
  await passAll([c], 7500);
  t.same(sizes([c]), [256]);
  t.equal(a.heard.size, 128, 'the sleeper does not know yet');
  const unit = 'wagon-1';
  t.ok(await c.mayWrite(unit));
  t.notOk(await a.mayWrite(unit), 'and may not write');
  a.isAsleep = false;
  await passAll([a, c], 10_000);
  t.same(sizes([a, c]), [128, 128], 'it has woken and has its share again');
  for (const part of a.heard) t.notOk(c.heard.has(part));
});

t.test('without the database a worker lets go by itself before another may take', async (t) => {
  const table = new MemoryTable();
  const [a, b] = [new SimWorker(table, 'a'), new SimWorker(table, 'b')];
  for (const worker of [a, b]) await worker.keeper.start();
  await passAll([a, b], 7000);
  a.isAway = true;
  let letGoMs = 0;
  let takenMs = 0;
  for (let ms = 500; ms <= 25_000; ms += 500) {
    await passAll([a, b], 500);
    if (letGoMs === 0 && a.heard.size === 0) letGoMs = ms;
    if (takenMs === 0 && b.heard.size === 256) takenMs = ms;
    for (const part of a.heard) if (b.heard.has(part)) t.fail(`${part} is held twice after ${ms} ms`);
  }
  t.ok(letGoMs > 0 && letGoMs <= LEASE_MS * 0.7, `let go after ${letGoMs} ms`);
  t.ok(takenMs > letGoMs && takenMs <= LEASE_MS + 4000, `taken after ${takenMs} ms`);
  a.isAway = false;
  await passAll([a, b], 8000);
  t.same(sizes([a, b]), [128, 128]);
});

t.test('random: whatever dies, sleeps or loses the database, nothing is written by two, and in the end all is held', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < Math.min(fuzzCases(6), 200); round += 1) {
    const table = new MemoryTable();
    const workers: SimWorker[] = [];
    for (let step = 0; step < 40; step += 1) {
      const act = random.int(0, 6);
      const one = workers.length > 0 ? random.pick(workers) : undefined;
      if (act === 0 && workers.length < 5) {
        const fresh = new SimWorker(table, `w${step}`);
        workers.push(fresh);
        await fresh.keeper.start();
      } else if (act === 1 && one) one.isAway = !one.isAway;
      else if (act === 2 && one) one.isAsleep = !one.isAsleep;
      else if (act === 3 && one && !one.isAway && !one.isAsleep) {
        await one.keeper.stop();
        workers.splice(workers.indexOf(one), 1);
      }
      await passAll(workers, random.int(0, 8) * 500);
      const awake = workers.filter((worker) => worker.dazedMs === 0);
      for (const part of PARTITIONS) if (awake.filter((w) => w.keeper.held.has(part)).length > 1) t.fail(`${part} is held twice`);
      const unit = `wagon-${random.int(0, 1000)}`;
      const writers = await Promise.all(workers.map((worker) => worker.mayWrite(unit)));
      if (writers.filter(Boolean).length > 1) t.fail(`${unit}, ${partition(unit)}: two may write`);
    }
    for (const worker of workers) worker.isAway = worker.isAsleep = false;
    await passAll(workers, 40_000);
    const all = workers.flatMap((worker) => [...worker.heard]);
    if (workers.length > 0) t.same(all.sort(), PARTITIONS, `${workers.length} workers hold all of it, each once`);
  }
});

t.test('in the database: of two connections one wins, and a term that is over holds nothing', async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'longroof-leases-'));
  const stores = [
    await openStore({ dir, clock: systemClock, log: silentLog }),
    await openStore({ dir, clock: systemClock, log: silentLog }),
  ];
  t.teardown(async () => {
    for (const store of stores) await store.close();
    rmSync(dir, { recursive: true });
  });
  const [a, b] = stores.map((store) => new LeaseTable(store.db)) as [LeaseTable, LeaseTable];
  await Promise.all([a.prepare(), b.prepare()]);
  const { rows } = await a.beat('a', 1);
  t.same(
    rows.map(({ part }) => part),
    PARTITIONS,
  );
  const [byA, byB] = await Promise.all([a.take('a', rows), b.take('b', rows)]);
  t.same([byA.length, byB.length].sort(), [0, 256].sort(), 'all to one');
  const [winner, table, db] = byA.length > 0 ? (['a', a, stores[0]?.db] as const) : (['b', b, stores[1]?.db] as const);
  const row = { part: '7f', worker: winner, term: 1 };
  t.ok(await db?.transaction().execute((trx) => table.holds(trx, row)));
  t.notOk(await db?.transaction().execute((trx) => table.holds(trx, { ...row, term: 0 })));
  await table.give([row]);
  t.notOk(await db?.transaction().execute((trx) => table.holds(trx, row)));
  t.same((await b.beat('b', 1)).workers.map(({ worker }) => worker).sort(), ['a', 'b']);
  await b.remove('a', 7);
  t.equal((await b.beat('b', 2)).workers.length, 2, 'it has beaten since');
  await b.remove('a', 1);
  t.same((await b.beat('b', 3)).workers, [{ worker: 'b', beat: 3 }]);
});

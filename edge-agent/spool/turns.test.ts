import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import type { GapBody } from '@longroof/protocol/journal';
import t, { type Test } from 'tap';
import { FRONT, TestSpool } from './test-spool.js';

t.setTimeout(0);

const short = ({ cause, fromMonoMs, durationMs }: GapBody): [string, number, number] => [cause, fromMonoMs, durationMs];

function opened(t: Test): TestSpool {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  return spool;
}

t.test('S5: an agent that ends on a busy machine: what passes between the end of its streams and that of its spool', async (t) => {
  const spool = opened(t);
  await spool.footage(FRONT, 3);
  const endMonoMs = spool.clock.mono();
  await spool.clock.advance(40);
  spool.core.closeStream(FRONT, 'stopped');
  await spool.clock.advance(182);
  spool.core.close();
  await spool.clock.advance(3000);
  spool.reopen();
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 3);
  spool.core.close();
  t.same(spool.fsck().damage, []);
  const gaps = spool.bodies('gap').map(short);
  t.same(new Set(gaps.map(([cause]) => cause)), new Set(['stopped']));
  t.equal(gaps[0]?.[1], endMonoMs);
  t.equal(
    gaps.reduce((sum, [, , durationMs]) => sum + durationMs, 0),
    3222,
  );
});

t.test('S5: a camera that is configured anew is recorded from then on, though no commit came between', async (t) => {
  const spool = opened(t);
  const { clock } = spool;
  await spool.footage(FRONT, 3);
  const startMonoMs = clock.mono();
  await clock.advance(1000);
  spool.write(FRONT, startMonoMs);
  await clock.advance(300);
  spool.core.closeStream(FRONT, 'configuration');
  spool.core.openStream(FRONT);
  spool.core.noteCause(FRONT, 'camera-unreachable', clock.mono(), 'no route');
  await clock.advance(2000);
  const againMonoMs = clock.mono();
  await clock.advance(1000);
  // The worker's disk stalled: it comes to all of it at once.
  spool.write(FRONT, againMonoMs);
  spool.core.commit();
  t.same(spool.bodies('gap').map(short), [
    ['configuration', startMonoMs + 1000, 300],
    ['camera-unreachable', startMonoMs + 1300, 2000],
  ]);
  for (let index = 0; index < 20; index++) {
    await clock.advance(1000);
    spool.core.commit();
  }
  t.match(spool.bodies('gap').at(-1), { cause: 'camera-stalled', fromMonoMs: againMonoMs + 1000 }, 'told while it lasts');
  await spool.footage(FRONT, 2);
  await spool.killed(60_000, { boot: 'boot-2', powerCut: true });
  t.equal(spool.bodies('gap').at(-1)?.cause, 'power-cut', 'and not what the camera was last closed for');
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('S5: a camera that is taken away while the agent ends', async (t) => {
  const spool = opened(t);
  await spool.footage(FRONT, 3);
  spool.core.closeStream(FRONT, 'configuration');
  await spool.clock.advance(500);
  spool.core.close();
  await spool.clock.advance(3000);
  spool.reopen();
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 1);
  spool.core.close();
  t.same(spool.fsck().damage, []);
  t.same(
    spool.bodies('gap').map(({ cause, durationMs }) => [cause, durationMs]),
    [['configuration', 3500]],
  );
});

/** A life of an agent on a machine that is busy: it comes late to everything, and commits when it comes to it. */
class BusyLife {
  readonly spool: TestSpool;
  readonly random: Random;
  #media90k = 900_000;
  #isOpen = false;
  #boots = 1;
  #lastEndMonoMs = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.spool = new TestSpool({}, seed);
    this.open();
  }

  open(): void {
    this.spool.core.openStream(FRONT);
    this.#isOpen = true;
    this.#lastEndMonoMs = this.spool.clock.mono();
  }

  /**
   * One or a few fragments, whose times jump by what the reads came late: written as they come, or all of them when a stalled machine
   * gets to them, with gaps told meanwhile. The last may end a little later than the clock says.
   */
  async footage(): Promise<void> {
    const { random, spool } = this;
    if (!this.#isOpen) return;
    const isStalled = random.next() < 0.15;
    const written: (() => void)[] = [];
    for (let count = random.int(1, isStalled ? 40 : 5); count > 0; count--) {
      const durationMs = random.int(100, 1000);
      const startMonoMs = Math.max(this.#lastEndMonoMs, spool.clock.mono()) + random.int(-20, random.next() < 0.1 ? 1500 : 200);
      if (random.next() < 0.1) this.#media90k += random.int(1, 200_000);
      const how = { durationMs, start90k: this.#media90k, lostPackets: random.next() < 0.1 ? 3 : 0 };
      await spool.clock.advance(
        Math.max(0, startMonoMs + durationMs - spool.clock.mono() + random.int(random.next() < 0.1 ? -500 : 0, 50)),
      );
      written.push(() => spool.write(FRONT, startMonoMs, 4000, how));
      if (!isStalled) written.pop()!();
      else if (random.next() < 0.5) spool.core.commit();
      this.#media90k += durationMs * 90;
      this.#lastEndMonoMs = startMonoMs + durationMs;
    }
    for (const write of written) write();
  }

  async step(): Promise<void> {
    const { random, spool } = this;
    const action = random.next();
    if (action < 0.4) await this.footage();
    else if (action < 0.6) spool.core.commit({ force: random.next() < 0.2 });
    else if (action < 0.7) await spool.clock.advance(random.int(0, random.next() < 0.2 ? 30_000 : 2000));
    else if (action < 0.78)
      spool.core.noteCause(FRONT, random.pick(['camera-stalled', 'camera-unreachable'] as const), spool.clock.mono() - random.int(0, 300));
    else if (action < 0.83) this.#release();
    else if (action < 0.9) await this.#configure();
    else if (action < 0.95) await this.#restart();
    else await this.#kill();
  }

  /** What is released goes first where space runs short. */
  #release(): void {
    const { core, clock } = this.spool;
    for (const { meta } of core.select([FRONT], 0, clock.utc() + 60_000).fragments)
      if (this.random.next() < 0.8) core.release(meta, () => undefined);
  }

  async #configure(): Promise<void> {
    const { random, spool } = this;
    spool.core.closeStream(FRONT, random.pick(['configuration', 'power-saving'] as const));
    this.#isOpen = false;
    if (random.next() < 0.3) await spool.clock.advance(random.int(0, 5000));
    if (random.next() < 0.3) spool.core.commit();
    if (random.next() < 0.8) this.open();
  }

  async #restart(): Promise<void> {
    const { random, spool } = this;
    if (this.#isOpen) spool.core.closeStream(FRONT, 'stopped');
    await spool.clock.advance(random.int(0, 800));
    if (random.next() < 0.3) spool.core.commit();
    spool.core.close();
    await spool.clock.advance(random.int(0, 3000));
    spool.options = { ...spool.options, quotaBytes: random.pick([64 * 1024, 64 * 2 ** 20]) };
    spool.reopen();
    await spool.clock.advance(random.int(0, 800));
    this.open();
  }

  async #kill(): Promise<void> {
    const { random, spool } = this;
    const isCut = random.next() < 0.4;
    if (isCut) this.#boots += 1;
    await spool.killed(random.int(0, 60_000), isCut ? { powerCut: true, boot: `boot-${this.#boots}` } : {});
    if (random.next() < 0.5) spool.core.commit();
    await spool.clock.advance(random.int(0, 800));
    this.open();
  }
}

t.test(
  'S5: lives on a busy machine: late footage, late commits, streams that end and begin, kills, footage released and gone',
  async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const lives = fuzzCases(12);
    for (let life = 0; life < lives; life++) {
      const busy = new BusyLife(seed + life);
      for (let step = 0; step < 60; step++) await busy.step();
      busy.spool.core.close();
      const { damage, counts } = busy.spool.fsck();
      t.same(damage, [], `seed ${seed + life}: ${counts.fragments} fragments, ${counts.gaps} gaps`);
      busy.spool.remove();
    }
  },
);

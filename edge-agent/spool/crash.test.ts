import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import { type StreamName, streamText } from '@longroof/protocol/fragment';
import t from 'tap';
import { SpoolCore } from './core.js';
import { checkSpool } from './fsck.js';
import type { CoreOptions } from './recover.js';
import { FaultDisk } from './test-disk.js';
import { testFragment, testInit } from './test-fragments.js';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const STREAMS: StreamName[] = [
  { camera: 'front', rendition: 'original' },
  { camera: 'front', rendition: 'proxy' },
  { camera: 'rear', rendition: 'original' },
];

/** A wagon's life: what it was told is durable, over any number of crashes. */
class Life {
  readonly durable = new Map<string, string>();
  readonly records = new Map<number, string>();
  readonly #random: Random;
  readonly #root: string;
  #generation = 0;
  #boot = 1;
  clock = new SimClock(5000);
  faults = new FaultDisk();
  core: SpoolCore;
  /** Per stream: where its next fragment begins, and the hash of each that was written. */
  readonly next = new Map<string, number>();
  #faulty = false;

  constructor(random: Random, root: string) {
    this.#random = random;
    this.#root = root;
    this.core = this.#open();
  }

  get path(): string {
    return path.join(this.#root, `g${this.#generation}`);
  }

  #open(): SpoolCore {
    const options: CoreOptions = {
      ...{ path: this.path, quotaBytes: 1e9, unit: 'wagon-7', journalKeyPem: key, version: '1', configSha256: '00' },
      cameras: [
        { camera: 'front', renditions: ['original', 'proxy'] },
        { camera: 'rear', renditions: ['original'] },
      ],
      ...{ retention: { originalMs: 1e9, proxyMs: 1e9 }, boot: `boot-${this.#boot}`, disk: this.faults.disk, clock: this.clock },
    };
    const core = new SpoolCore(options);
    for (const stream of STREAMS) {
      this.next.set(streamText(stream), this.clock.mono());
      core.openStream(stream);
    }
    return core;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const action = random.next();
    if (action < 0.55) this.#write();
    else if (action < 0.8) this.#commit();
    else if (action < 0.88) await this.#pass(random.int(10, 3000));
    else if (action < 0.9) await this.#pass(random.int(3000, 90_000));
    else if (action < 0.95) {
      const cause = random.pick(['camera-unreachable', 'camera-stalled', 'starting'] as const);
      this.core.noteCause(random.pick(STREAMS), cause, this.clock.mono());
    } else if (action < 0.98) this.#record();
    else this.#toggleFaults();
  }

  async #pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (const stream of STREAMS) {
      const at = this.next.get(streamText(stream))!;
      if (this.#random.next() < 0.3) this.next.set(streamText(stream), Math.max(at, this.clock.mono() - this.#random.int(0, 500)));
    }
  }

  #write(): void {
    const random = this.#random;
    const stream = random.pick(STREAMS);
    const from = this.next.get(streamText(stream))!;
    const durationMs = random.int(40, 1500);
    if (from + durationMs > this.clock.mono()) return;
    this.next.set(streamText(stream), from + durationMs);
    const init = testInit(random.next() < 0.98 ? 0 : 1);
    const fragment = testFragment(random, stream, { startMonoMs: from, durationMs, payloadBytes: random.int(1, 60) * 4, init });
    this.core.write(fragment, { utcMs: this.clock.utc() - this.clock.mono() + from, source: 'ntp', errorMs: 20 });
  }

  #commit(): void {
    const { unindexed } = this.core.state;
    const before = [...unindexed];
    const result = this.core.commit({ force: true });
    if (result.durable.length === 0) return;
    // What was claimed: every fragment that is in the index now, by what the index says.
    for (const { stream, seq } of result.durable) {
      const id = this.core.state.index.knownStreamId(streamText(stream))!;
      const { epoch, run } = this.core.identity;
      const reel = this.core.state.index.reelOf(id, epoch, run, seq)!;
      for (const row of this.core.state.index.fragments(reel))
        this.durable.set(`${streamText(stream)}/${run}/${row.seq}`, row.sha.toString('hex'));
    }
    for (const { meta, reel } of before) this.durable.set(`${reel.stream}/${meta.run}/${meta.seq}`, meta.sha256);
  }

  #record(): void {
    const note = `n${this.#random.int(0, 1e9)}`;
    this.core.record('event', { event: note }, false, (seq) => {
      if (typeof seq === 'number') this.records.set(seq, note);
    });
  }

  #toggleFaults(): void {
    this.#faulty = !this.#faulty;
    const code = this.#random.pick(['ENOSPC', 'EIO', 'EROFS'] as const);
    const rate = this.#random.pick([0.1, 0.5, 1]);
    this.faults.judge = (operation) => {
      if (!this.#faulty || operation === 'read' || this.#random.next() > rate) return undefined;
      return { code, torn: this.#random.int(0, 300) };
    };
  }

  heal(): void {
    this.#faulty = false;
    this.faults.judge = () => undefined;
  }

  /** The cord is pulled, or the process killed; then the next start. */
  async crash(): Promise<void> {
    const from = this.path;
    const isPowerCut = this.#random.next() < 0.6;
    this.heal();
    this.#generation += 1;
    this.faults.powerCut(from, this.path, this.#random);
    this.core.abandon();
    rmSync(from, { recursive: true });
    const utcMs = this.clock.utc() + this.#random.int(1000, 100_000);
    if (isPowerCut) {
      this.#boot += 1;
      this.clock = new SimClock(this.#random.int(3000, 20_000), utcMs);
    } else await this.clock.advance(this.#random.int(100, 60_000));
    this.faults = new FaultDisk();
    this.core = this.#open();
  }
}

function rowsOf(core: SpoolCore): Map<string, string> {
  const rows = new Map<string, string>();
  for (const { id, name } of core.state.index.streams())
    for (const reel of [...core.state.index.reelsOfStream(id)])
      for (const row of core.state.index.fragments(reel)) rows.set(`${name}/${reel.run}/${row.seq}`, row.sha.toString('hex'));
  return rows;
}

t.test(
  'S1 S2 S5: whatever fails and whenever the power goes, nothing durable is lost and fsck finds nothing',
  { timeout: 0 },
  async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const cases = fuzzCases(12);
    const parent = mkdtempSync(path.join(tmpdir(), 'longroof-crash-'));
    t.teardown(() => rmSync(parent, { recursive: true }));
    let crashes = 0;
    let claimed = 0;
    for (let round = 0; round < cases; round++) {
      const random = seededRandom(seed + round);
      const root = path.join(parent, `r${round}`);
      const life = new Life(random, root);
      for (let lives = random.int(1, 5); lives > 0; lives--) {
        for (let steps = random.int(20, 250); steps > 0; steps--) await life.step();
        await life.crash();
        crashes += 1;
        const rows = rowsOf(life.core);
        for (const [name, sha] of life.durable) if (rows.get(name) !== sha) t.fail(`seed ${seed + round}: ${name} was durable and is gone`);
        const journal = new Map(life.core.journal(0, 1e9).map((record) => [record.seq, record]));
        for (const [seq, note] of life.records)
          if ((journal.get(seq)?.body as { event?: string })?.event !== note)
            t.fail(`seed ${seed + round}: record ${seq} was durable and is gone`);
      }
      claimed += life.durable.size;
      life.core.close();
      const scratch = path.join(root, 'scratch');
      mkdirSync(scratch);
      const report = checkSpool(systemDisk, life.path, scratch);
      if (report.damage.length > 0) t.same(report.damage, [], `seed ${seed + round}`);
      rmSync(root, { recursive: true });
    }
    t.comment(`${cases} lives, ${crashes} crashes, ${claimed} durable fragments`);
    t.ok(claimed > 0);
  },
);

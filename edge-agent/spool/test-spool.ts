/** A spool in a temporary folder on a simulated clock, for tests. */
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { type Random, seededRandom } from '@longroof/base/random';
import type { StreamName } from '@longroof/protocol/fragment';
import type { JournalBodies, JournalRecord, JournalType } from '@longroof/protocol/journal';
import { openCore, type SpoolCore } from './core.js';
import { checkSpool, type FsckReport } from './fsck.js';
import type { CoreOptions } from './recover.js';
import { FaultDisk } from './test-disk.js';
import { type TestFragmentOptions, testFragment } from './test-fragments.js';

export const testKeyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
export const FRONT: StreamName = { camera: 'front', rendition: 'original' };
export const FRONT_PROXY: StreamName = { camera: 'front', rendition: 'proxy' };

export class TestSpool {
  readonly root: string;
  readonly random: Random;
  options: CoreOptions;
  clock = new SimClock(60_000);
  faults = new FaultDisk();
  core: SpoolCore;
  #copies = 0;

  constructor(given: Partial<CoreOptions> = {}, seed = 1) {
    this.root = mkdtempSync(path.join(tmpdir(), 'longroof-spool-'));
    this.random = seededRandom(seed);
    this.options = {
      ...{ path: path.join(this.root, 'spool0'), quotaBytes: 64 * 2 ** 20, unit: 'wagon-7', journalKeyPem: testKeyPem, version: '1' },
      ...{ configSha256: '00', cameras: [{ camera: 'front', renditions: ['original', 'proxy'] }], boot: 'boot-1' },
      ...{ retention: { originalMs: 3_600_000, proxyMs: 7_200_000 }, disk: this.faults.disk, clock: this.clock },
      ...given,
    };
    this.core = openCore(this.options);
  }

  /** `seconds` fragments of a second each, committed as they come. */
  async footage(stream: StreamName, seconds: number, payloadBytes = 400): Promise<void> {
    for (let index = 0; index < seconds; index++) {
      const startMonoMs = this.clock.mono();
      await this.clock.advance(1000);
      this.write(stream, startMonoMs, payloadBytes);
      this.core.commit();
    }
  }

  write(stream: StreamName, startMonoMs: number, payloadBytes = 400, more: Partial<TestFragmentOptions> = {}): boolean {
    const utcMs = this.clock.utc() - this.clock.mono() + startMonoMs;
    return this.core.write(testFragment(this.random, stream, { startMonoMs, payloadBytes, ...more }), {
      utcMs,
      source: 'ntp',
      errorMs: 20,
    });
  }

  /** Killed: what is in the page cache stays. Goes on from a copy. */
  async killed(downMs: number, options: { boot?: string; powerCut?: boolean; before?: (spool: string) => void } = {}): Promise<void> {
    this.#copies += 1;
    const to = path.join(this.root, `spool${this.#copies}`);
    if (options.powerCut) this.faults.powerCut(this.options.path, to, this.random);
    else cpSync(this.options.path, to, { recursive: true });
    this.core.abandon();
    if (options.boot) this.clock = new SimClock(9000, this.clock.utc() + downMs);
    else await this.clock.advance(downMs);
    this.faults = new FaultDisk();
    this.options = { ...this.options, path: to, disk: this.faults.disk, clock: this.clock, boot: options.boot ?? this.options.boot };
    options.before?.(to);
    this.core = openCore(this.options);
  }

  reopen(): void {
    this.core = openCore(this.options);
  }

  records<T extends JournalType>(type: T): JournalRecord<T>[] {
    return this.core.journal(0, 1e9).filter((record): record is JournalRecord<T> => record.type === type);
  }

  bodies<T extends JournalType>(type: T): JournalBodies[T][] {
    return this.records(type).map((record) => record.body);
  }

  /** Closes if need be, checks, and cleans nothing up. */
  fsck(): FsckReport {
    return checkSpool(systemDisk, this.options.path, mkdtempSync(path.join(this.root, 'scratch-')));
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}

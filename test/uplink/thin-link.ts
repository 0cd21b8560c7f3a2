/**
 * A wagon of one camera on a simulated clock: real spool, journal, uplink, commander and budget; a network that is up when it is told to
 * be; and the centre's side of the protocol. It records on its own, can be killed, and says what it has.
 */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type AsyncDisk, systemAsyncDisk } from '@longroof/base/async-disk';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import type { Random } from '@longroof/base/random';
import { type Commander, createCommander } from '@longroof/edge-agent/command/commander';
import { testFragment } from '@longroof/edge-agent/spool/test-fragments';
import { Budget } from '@longroof/edge-agent/uplink/budget';
import type { LinkIdentity } from '@longroof/edge-agent/uplink/link';
import { linkRulesOf, Traffic } from '@longroof/edge-agent/uplink/traffic';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import { openAuthority } from '@longroof/protocol/authority';
import type { StreamName } from '@longroof/protocol/fragment';
import type { DesiredHold, DesiredPull } from '@longroof/protocol/messages';
import type { UnitConfig } from '@longroof/protocol/unit-config';
import type { Test } from 'tap';
import { CoreSpool } from './core-spool.js';
import { ScriptedController } from './scripted-controller.js';
import { SimNetwork } from './sim-network.js';

export const UNIT = 'wagon-1';
export const ORIGINAL: StreamName = { camera: 'front', rendition: 'original' };
export const PROXY: StreamName = { camera: 'front', rendition: 'proxy' };
export const STRIP: StreamName = { camera: 'front', rendition: 'strip' };
const FRAGMENT_MS = 10_000;
const MINUTE_MS = 60_000;
export const START_UTC_MS = Date.UTC(2026, 10, 3, 8);

/** In memory where there is such a disk: what a flush costs is not the matter here. */
export function memoryFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}

/** Everything at once, where the system's disk goes through the thread pool: the same order in each run. */
function steadyDisk(): AsyncDisk & { dead: boolean } {
  const act = async <T>(run: () => T): Promise<T> => {
    if (disk.dead) throw new Fault('cancelled', 'LR_CANCELLED', 'killed');
    return run();
  };
  const disk = {
    ...systemAsyncDisk,
    dead: false,
    create: (file: string) =>
      act(() => {
        const fd = systemDisk.openAppend(file, { exclusive: true });
        return {
          append: (parts: readonly Uint8Array[]) => act(() => systemDisk.append(fd, parts)),
          datasync: () => act(() => systemDisk.datasync(fd)),
          close: () => act(() => systemDisk.close(fd)),
        };
      }),
    rename: (from: string, to: string) => act(() => systemDisk.rename(from, to)),
    remove: (file: string) => act(() => (systemDisk.stat(file) ? systemDisk.remove(file) : undefined)),
    syncDirectory: (directory: string) => act(() => systemDisk.syncDirectory(directory)),
  };
  return disk;
}

export interface Sizes {
  original: number;
  proxy: number;
  strip: number;
}

export interface ThinOptions {
  test: Test;
  random: Random;
  links: Pick<UnitConfig, 'links' | 'metered' | 'free'>;
  sizes: Sizes;
  beatMs: number;
  quotaBytes?: number;
  /** Default 10 s. */
  fragmentMs?: number;
}

export class ThinWagon {
  readonly clock = new SimClock(60_000, START_UTC_MS);
  readonly network: SimNetwork;
  readonly controller: ScriptedController;
  readonly path: string;
  spool!: CoreSpool;
  uplink!: Uplink;
  commander!: Commander;
  budget: Budget | undefined;
  recording = true;
  readonly #options: ThinOptions;
  readonly #journalKeyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;
  readonly #identity: LinkIdentity;
  readonly #epochs = { generation: 0, pulls: [] as DesiredPull[], holds: [] as DesiredHold[] };
  #writes = steadyDisk();

  static async make(options: ThinOptions): Promise<ThinWagon> {
    const dir = mkdtempSync(path.join(memoryFolder(), 'longroof-thin-'));
    options.test.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const authority = await openAuthority(path.join(dir, 'authority'), systemDisk, () => START_UTC_MS);
    const { unitKeyPem, unitCertificatePem } = await authority.issueUnit(UNIT);
    const controller = await ScriptedController.make(UNIT, authority);
    const identity = { keyPem: unitKeyPem, certificatePem: unitCertificatePem, rootPem: authority.rootPem };
    return new ThinWagon(options, path.join(dir, 'spool'), controller, identity);
  }

  private constructor(options: ThinOptions, dir: string, controller: ScriptedController, identity: LinkIdentity) {
    this.#options = options;
    this.path = dir;
    this.controller = controller;
    this.#identity = identity;
    this.network = new SimNetwork(this.clock, options.random, controller);
    this.#begin();
    this.clock.every(options.fragmentMs ?? FRAGMENT_MS, () => this.#record());
  }

  #begin(): void {
    const { clock, network } = this;
    const { links, beatMs, quotaBytes } = this.#options;
    const cameras = [{ camera: 'front', renditions: ['original' as const, 'proxy' as const] }];
    const more = quotaBytes === undefined ? {} : { quotaBytes };
    const spool = new CoreSpool({ clock, path: this.path, unit: UNIT, journalKeyPem: this.#journalKeyPem, cameras, beatMs, ...more });
    spool.noteClock({ atMonoMs: clock.mono(), offsetMs: clock.utc() - clock.mono(), source: 'ntp', errorMs: 10 });
    for (const stream of [ORIGINAL, PROXY]) spool.openStream(stream);
    const { monthlyBudget, budgetDay: day = 1 } = links.metered ?? {};
    this.#writes = steadyDisk();
    const files = { dir: this.path, disk: systemDisk, writes: this.#writes, clock, log: silentLog };
    const changed = (): void => this.uplink?.linkChanged();
    this.budget =
      monthlyBudget === undefined ? undefined : new Budget({ bytes: monthlyBudget, day, ...files, changed, onSpent: () => undefined });
    const traffic = new Traffic({ rules: linkRulesOf(links), budget: this.budget, interfacesOf: network.interfacesOf });
    this.uplink = createUplink({
      ...{ config: { host: 'centre', port: 8883, unit: UNIT }, identity: () => this.#identity, spool, clock, log: silentLog },
      ...{ status: () => ({ front: { state: 'recording' as const } }), version: '0.1.0', traffic, network },
    });
    this.commander = createCommander({ uplink: this.uplink, spool, disk: systemDisk, clock, log: silentLog, dir: this.path });
    this.commander.start();
    this.uplink.start();
    this.spool = spool;
  }

  /** The agent ends without a word and begins anew. */
  async kill(): Promise<void> {
    this.network.change(undefined);
    this.#writes.dead = true;
    this.spool.abandon();
    const ended = Promise.allSettled([this.commander.stop(), this.uplink.stop()]);
    await this.clock.advance(60_000);
    await ended;
    this.#begin();
  }

  #record(): void {
    if (!this.recording) return;
    const { sizes, random, fragmentMs = FRAGMENT_MS } = this.#options;
    const { clock, spool } = this;
    const write = (stream: StreamName, durationMs: number, bytes: number): void => {
      const startMonoMs = clock.mono() - durationMs;
      const payloadBytes = (random.int(bytes / 2, bytes * 1.5) >> 2) << 2;
      const wall = { utcMs: clock.utc() - durationMs, source: 'ntp' as const, errorMs: 10 };
      spool.write(testFragment(random, stream, { startMonoMs, durationMs, payloadBytes }), wall);
    };
    write(ORIGINAL, fragmentMs, sizes.original);
    write(PROXY, fragmentMs, sizes.proxy);
    if (Math.floor(clock.mono() / MINUTE_MS) !== Math.floor((clock.mono() - fragmentMs) / MINUTE_MS)) write(STRIP, MINUTE_MS, sizes.strip);
    if (clock.mono() % 300_000 < fragmentMs)
      void spool.record('health', { uptimeS: Math.round(clock.mono() / 1000) }).catch(() => undefined);
  }

  /** From the beginning of it all, in minutes. */
  at(minutes: number): number {
    return START_UTC_MS + minutes * MINUTE_MS;
  }

  ask(pull: { pullId: string; from: number; to: number; urgent?: true }): void {
    const { from, to, ...rest } = pull;
    this.#epochs.pulls.push({ ...rest, cameras: ['front'], rendition: 'original', fromUtcMs: this.at(from), toUtcMs: this.at(to) });
    this.#desire();
  }

  hold(holdId: string, from: number, to: number): void {
    const hold = { holdId, cameras: ['front'], fromUtcMs: this.at(from), toUtcMs: this.at(to), owner: 'desk', reviewUtcMs: this.at(1e6) };
    this.#epochs.holds.push(hold);
    this.#desire();
  }

  #desire(): void {
    this.#epochs.generation += 1;
    const { epoch } = this.spool.identity;
    const { pulls, holds, generation } = this.#epochs;
    this.controller.desired = { what: 'longroof-desired-1', unit: UNIT, epoch, generation, pulls: [...pulls], holds: [...holds] };
    this.controller.sendDesired(this.controller.desired);
  }

  async stop(): Promise<void> {
    const ended = Promise.all([this.commander.stop(), this.uplink.stop()]);
    await this.clock.advance(10_000);
    await ended;
    await this.budget?.end();
    await this.spool.close();
  }
}

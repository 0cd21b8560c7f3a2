/**
 * What a fleet costs at the centre: simulated units with the agent's own uplink and chain and the journal of eight cameras, against the
 * real program. Steady state, one unit that floods, and the storm after the broker is killed; at the end the journal of every unit is
 * compared whole. In the same run the least that a centre could be: mosquitto and a subscriber that inserts into SQLite.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { type Authority, openAuthority, type UnitIdentity } from '@longroof/protocol/authority';
import { startMosquitto } from '../ingest/mosquitto.js';
import { cpuSeconds, until } from '../peers/program.js';
import { type BenchCentre, type BrokerKind, startBenchCentre, type Usage } from './fleet/centre.js';
import { type Compared, compare } from './fleet/compare.js';
import { type Spread, spread } from './fleet/spread.js';
import { starve } from './fleet/starve.js';
import { WagonPark } from './fleet/wagon-park.js';
import { Child } from './uplink/child.js';

export interface FleetBenchOptions {
  units: readonly number[];
  brokers: readonly BrokerKind[];
  /** Measured time of the steady state. */
  seconds: number;
  warmUpS: number;
  seed: number;
  peer: boolean;
  flood: boolean;
  /** Of the time that the controllers may run in the storm, 0 to 1. */
  share: number;
  say: (text: string) => void;
}

export interface FleetResult {
  broker: BrokerKind;
  units: number;
  /** In the steady state, CPU seconds of one second, per 1,000 units. */
  centreCpuPer1000: number;
  brokerCpuPer1000: number;
  unitsCpuPer1000: number;
  /** At its end, all processes of a kind together. */
  centreRssMb: number;
  brokerRssMb: number;
  recordsPerS: number;
  batchesPerS: number;
  journalMbPerUnitDay: number;
  /** From a batch's hand-over to the connection until its acknowledgement, all units. */
  acknowledgedMs: Spread;
  /** The same until the API shows it. */
  seenMs: Spread;
  resent: number;
  refusals: number;
  /** The same while one more unit floods, and the records a second that are taken of it. */
  beside: { acknowledgedMs: Spread; seenMs: Spread; floodRecordsPerS: number } | undefined;
  /** From when units can connect again until all have, and what they had then is acknowledged. */
  stormS: { connected: number; whole: number; centreCpuS: number; connects: number; failures: number };
  compared: Compared;
}

export interface PeerResult {
  units: number;
  cpuPer1000: number;
  brokerCpuPer1000: number;
  batchesPerS: number;
  acknowledgedMs: Spread;
}

const CONNECT_EVERY_MS = 8;
const CONNECT_MS = 600_000;
const STORM_MS = 600_000;
const PROBES = 4;
const PROBE_EVERY_MS = 400;

export const unitName = (index: number): string => `wagon-${index}`;

interface Fleet {
  folder: string;
  authority: Authority;
  authorityDir: string;
  identities: string;
}

/** Runs `work` with an authority and the identities of so many units, all in a folder of its own that is gone afterwards. */
async function withFleet<T>(units: number, say: (text: string) => void, work: (fleet: Fleet) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-fleet-'));
  try {
    const authorityDir = path.join(folder, 'authority');
    const authority = await openAuthority(authorityDir, systemDisk, systemClock.utc);
    const identities: Record<string, UnitIdentity> = {};
    for (let index = 0; index < units + PROBES; index += 1) identities[unitName(index)] = await authority.issueUnit(unitName(index));
    const file = path.join(folder, 'identities.json');
    fs.writeFileSync(file, JSON.stringify(identities));
    say(`${units + PROBES} units enrolled`);
    return await work({ folder, authority, authorityDir, identities: file });
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

export function benchFleet(options: FleetBenchOptions): Promise<{ results: FleetResult[]; peers: PeerResult[] }> {
  return withFleet(Math.max(...options.units), options.say, async (fleet) => {
    const results: FleetResult[] = [];
    const peers: PeerResult[] = [];
    for (const units of options.units) {
      for (const broker of options.brokers) results.push(await oneFleet(fleet, broker, units, options));
      if (options.peer) peers.push(await onePeer(fleet, units, options));
    }
    return { results, peers };
  });
}

async function oneFleet(fleet: Fleet, broker: BrokerKind, units: number, options: FleetBenchOptions): Promise<FleetResult> {
  const { say, seed } = options;
  const centre = await startBenchCentre(path.join(fleet.folder, `${broker}-${units}`), fleet.authorityDir, broker);
  const park = new WagonPark(Array.from({ length: units }, (_, index) => unitName(index)));
  const probes = new WagonPark(Array.from({ length: PROBES }, (_, index) => unitName(units + index)));
  try {
    const where = { identities: fleet.identities, host: '127.0.0.1', port: centre.port };
    await park.start({ ...where, seed }, CONNECT_EVERY_MS, CONNECT_MS);
    await probes.start({ ...where, seed: seed + 7 }, 0, CONNECT_MS);
    say(`${broker}, ${units} units: connected`);
    const steady = await steadyState(centre, park, probes, options);
    say(`${broker}, ${units} units: ${steadyText(steady)}`);
    const beside = options.flood ? await besideFlood(fleet, centre, park, probes, options) : undefined;
    if (beside)
      say(`${broker}, ${units} units: beside a flood ${latencyText(beside)}, ${beside.floodRecordsPerS.toFixed(0)} records/s of it`);
    const stormS = await storm(centre, park, options.share);
    say(
      `${broker}, ${units} units: after the storm all connected in ${stormS.connected.toFixed(1)} s, whole in ${stormS.whole.toFixed(1)} s; ` +
        `${stormS.connects} connections for it, ${stormS.failures} attempts failed, load ${os.loadavg()[0]?.toFixed(1)}`,
    );
    const ends = [...(await park.finish()), ...(await probes.finish())];
    const compared = compare(centre.database, ends);
    say(`${broker}, ${units} units: ${compared.records} records compared, ${compared.wrong.length} wrong`);
    return { broker, units, ...steady, beside, stormS, compared };
  } finally {
    await Promise.all([park.close(), probes.close()]);
    await centre.stop();
  }
}

type Steady = Omit<FleetResult, 'broker' | 'units' | 'beside' | 'stormS' | 'compared'>;

async function steadyState(centre: BenchCentre, park: WagonPark, probes: WagonPark, options: FleetBenchOptions): Promise<Steady> {
  await delay(options.warmUpS * 1000);
  const refused = (): Promise<number> => centre.counter('longroof_ingest_refusals_total');
  const refusedBefore = await refused();
  const [before, usageBefore, cpuBefore, fromMs] = [await park.figures(), centre.usage(), park.cpuSeconds(), performance.now()];
  const seen = await probes.seen(centre.api(), options.seconds * 1000, PROBE_EVERY_MS);
  const [after, usage] = [await park.figures(), centre.usage()];
  const seconds = (performance.now() - fromMs) / 1000;
  const per1000 = (now: Usage | undefined, then: Usage | undefined): number =>
    (((now?.cpuS ?? 0) - (then?.cpuS ?? 0)) / seconds / park.count) * 1000;
  const perS = (name: 'journalSent' | 'journalBatches' | 'bytesSent'): number => (after[name] - before[name]) / seconds;
  return {
    centreCpuPer1000: per1000(usage.controllers, usageBefore.controllers),
    brokerCpuPer1000: per1000(usage.broker, usageBefore.broker),
    unitsCpuPer1000: ((park.cpuSeconds() - cpuBefore) / seconds / park.count) * 1000,
    centreRssMb: usage.controllers.rssMb,
    brokerRssMb: usage.broker?.rssMb ?? 0,
    recordsPerS: perS('journalSent'),
    batchesPerS: perS('journalBatches'),
    journalMbPerUnitDay: (perS('bytesSent') * 86_400) / park.count / 1e6,
    acknowledgedMs: spread(after.trips),
    seenMs: spread(seen),
    resent: after.journalResent - before.journalResent,
    refusals: (await refused()) - refusedBefore + after.refusals + after.badMessages,
  };
}

function latencyText({ acknowledgedMs, seenMs }: Pick<Steady, 'acknowledgedMs' | 'seenMs'>): string {
  const ms = ({ p50, p95 }: Spread): string => `${p50.toFixed(0)}/${p95.toFixed(0)} ms`;
  return `acknowledged ${ms(acknowledgedMs)}, in the API ${ms(seenMs)}`;
}

function steadyText({ centreCpuPer1000, brokerCpuPer1000, refusals, ...latency }: Steady): string {
  const cpu = `${centreCpuPer1000.toFixed(3)} + ${brokerCpuPer1000.toFixed(3)} CPU per 1,000 units`;
  return `${cpu}; ${latencyText(latency)}; ${refusals} refused`;
}

async function besideFlood(
  fleet: Fleet,
  centre: BenchCentre,
  park: WagonPark,
  probes: WagonPark,
  options: FleetBenchOptions,
): Promise<NonNullable<FleetResult['beside']>> {
  const flood = new Child('../fleet/flood');
  try {
    const identity = await fleet.authority.issueUnit('flood');
    const records = (): Promise<number> => centre.counter('longroof_ingest_journal_records_total');
    await flood.call('start', { unit: 'flood', identity, host: '127.0.0.1', port: centre.port });
    const [before, recordsBefore, fromMs] = [await park.figures(), await records(), performance.now()];
    const seen = await probes.seen(centre.api(), options.seconds * 500, PROBE_EVERY_MS);
    const after = await park.figures();
    const others = after.journalSent - before.journalSent;
    const perS = ((await records()) - recordsBefore - others) / ((performance.now() - fromMs) / 1000);
    await flood.call('stop');
    return { acknowledgedMs: spread(after.trips), seenMs: spread(seen), floodRecordsPerS: perS };
  } finally {
    await flood.close();
  }
}

/** The broker is killed and comes back; all units come at once. */
async function storm(centre: BenchCentre, park: WagonPark, share: number): Promise<FleetResult['stormS']> {
  const before = await park.figures();
  await centre.restartBroker();
  const [fromMs, cpuFrom] = [performance.now(), centre.usage().controllers.cpuS];
  const feed = share < 1 ? starve(centre.pids, share) : () => undefined;
  await park.mark();
  const seconds = (): number => (performance.now() - fromMs) / 1000;
  let connected = 0;
  const whole = async (): Promise<boolean> => {
    const state = await park.state();
    if (state.connected === park.count) connected ||= seconds();
    return connected > 0 && state.behind === 0;
  };
  await until('all units are whole again', whole, STORM_MS).finally(feed);
  const after = await park.figures();
  return {
    ...{ connected, whole: seconds(), centreCpuS: centre.usage().controllers.cpuS - cpuFrom },
    ...{ connects: after.connects - before.connects, failures: after.connectFailures - before.connectFailures },
  };
}

async function onePeer(fleet: Fleet, units: number, options: FleetBenchOptions): Promise<PeerResult> {
  const dir = path.join(fleet.folder, `peer-${units}`);
  fs.mkdirSync(dir);
  const mosquitto = await startMosquitto(dir, fleet.authorityDir);
  const peer = new Child('../fleet/peer');
  const park = new WagonPark(Array.from({ length: units }, (_, index) => unitName(index)));
  try {
    const { authority } = fleet;
    const signers = [await authority.issueSigner('receipt'), await authority.issueSigner('desired')];
    const keys = { rootPem: authority.rootPem, ...(await authority.issueCentre()), signerPems: signers.map((one) => one.certificatePem) };
    await peer.call('start', { file: path.join(dir, 'peer.db'), port: mosquitto.centrePort, ...keys });
    const where = { identities: fleet.identities, host: '127.0.0.1', port: mosquitto.port, seed: options.seed };
    await park.start(where, CONNECT_EVERY_MS, CONNECT_MS);
    await delay(options.warmUpS * 1000);
    const [before, cpu, brokerCpu, fromMs] = [
      await park.figures(),
      peer.cpuSeconds(),
      cpuSeconds(mosquitto.program.pid),
      performance.now(),
    ];
    await delay(options.seconds * 1000);
    const after = await park.figures();
    const seconds = (performance.now() - fromMs) / 1000;
    const per1000 = (now: number, then: number): number => ((now - then) / seconds / units) * 1000;
    const result = {
      units,
      cpuPer1000: per1000(peer.cpuSeconds(), cpu),
      brokerCpuPer1000: per1000(cpuSeconds(mosquitto.program.pid), brokerCpu),
      batchesPerS: (after.journalBatches - before.journalBatches) / seconds,
      acknowledgedMs: spread(after.trips),
    };
    options.say(`peer, ${units} units: ${result.cpuPer1000.toFixed(3)} + ${result.brokerCpuPer1000.toFixed(3)} CPU per 1,000 units`);
    return result;
  } finally {
    await park.close();
    await peer.close();
    await mosquitto.program.stop();
  }
}

/**
 * Many units in one process, for the fleet's bench: each with the agent's own uplink, chain and track log, a connection of its own over
 * mutual TLS, and the load of `day.ts`. Called by name (`../uplink/child.ts`).
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock as clock } from '@longroof/base/clock';
import { silentLog as log } from '@longroof/base/log';
import { seededRandom } from '@longroof/base/random';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import type { UnitIdentity } from '@longroof/protocol/authority';
import { encodeFix } from '@longroof/protocol/track';
import { until } from '../../peers/program.js';
import { serve } from '../uplink/child.js';
import { Day } from './day.js';
import { JournalSpool } from './journal-spool.js';

export interface WagonsStart {
  /** JSON: identities by unit. */
  identities: string;
  units: string[];
  host: string;
  port: number;
  seed: number;
  /** One unit after the other, so far apart. */
  everyMs: number;
}

export interface WagonsState {
  connected: number;
  /** Units of whose journal something is not acknowledged that was there at `mark`. */
  behind: number;
}

export interface WagonsFigures {
  connects: number;
  connectFailures: number;
  refusals: number;
  badMessages: number;
  journalSent: number;
  journalBatches: number;
  journalResent: number;
  /** Payload of journal batches. */
  bytesSent: number;
  /** Milliseconds from a batch's hand-over to its acknowledgement. */
  trips: number[];
}

export interface WagonEnd {
  unit: string;
  epoch: string;
  next: number;
  head: string;
}

interface Wagon {
  unit: string;
  spool: JournalSpool;
  day: Day;
  uplink: Uplink;
  mark: number;
}

const STREAMS_SHOWN = { front: { state: 'recording' as const }, rear: { state: 'recording' as const } };
const LOOK_MS = 10;
const ACKNOWLEDGED_MS = 180_000;

let wagons: Wagon[] = [];
let trips: number[] = [];

function open(unit: string, identity: UnitIdentity, { host, port }: WagonsStart, seed: number): Wagon {
  const journalKey = createPublicKey(createPrivateKey(identity.journalKeyPem)).export({ type: 'spki', format: 'pem' }) as string;
  const spool = new JournalSpool(unit, identity.journalKeyPem, `boot-${seed}`);
  spool.onTrip = (ms) => void trips.push(ms);
  const day = new Day(spool, seededRandom(seed));
  day.begin(journalKey);
  const pems = { keyPem: identity.unitKeyPem, certificatePem: identity.unitCertificatePem, rootPem: identity.rootPem };
  const status = () => STREAMS_SHOWN;
  const uplink = createUplink({ config: { host, port, unit }, identity: () => pems, spool, clock, log, status, version: '0.1.0' });
  uplink.start();
  return { unit, spool, day, uplink, mark: 0 };
}

/** Asks until the API shows the fix that was just handed to the connection; milliseconds between the two. */
async function seen({ unit, spool }: Wagon, api: { address: string; cookie: string }): Promise<number> {
  const utcMs = Math.round(clock.utc());
  const motion = { errorM: 4, speedMps: 0, courseDeg: 0, satellites: 9, ageMs: 0 };
  const fix = { ...motion, monoMs: Math.round(clock.mono()), utcMs, mode: 3 as const, latDeg: 35.7, lonDeg: 51.4 };
  const fromMs = clock.mono();
  spool.add([{ type: 'track', body: { points: [encodeFix(fix)] } }], { urgent: true });
  for (;;) {
    const askedMs = clock.mono();
    const answer = await fetch(`${api.address}/api/units/${unit}`, { headers: { cookie: api.cookie } });
    if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
    const { position } = (await answer.json()) as { position: { at: string } | null };
    if (position && Date.parse(position.at) >= utcMs) return clock.mono() - fromMs;
    await delay(Math.max(0, askedMs + LOOK_MS - clock.mono()));
  }
}

serve({
  async start(options: WagonsStart) {
    const identities = JSON.parse(fs.readFileSync(options.identities, 'utf8')) as Record<string, UnitIdentity>;
    for (const [index, unit] of options.units.entries()) {
      wagons.push(open(unit, identities[unit] as UnitIdentity, options, options.seed + index));
      await delay(options.everyMs);
    }
  },
  async mark() {
    for (const wagon of wagons) wagon.mark = wagon.spool.next;
  },
  async state(): Promise<WagonsState> {
    return {
      connected: wagons.filter(({ uplink }) => uplink.connected).length,
      behind: wagons.filter(({ spool, mark }) => spool.acknowledged < mark).length,
    };
  },
  /** Since the last call. */
  async figures(): Promise<WagonsFigures> {
    const sum = (name: Exclude<keyof WagonsFigures, 'trips'>): number => wagons.reduce((all, { uplink }) => all + uplink.counters[name], 0);
    const since = trips;
    trips = [];
    return {
      ...{ connects: sum('connects'), connectFailures: sum('connectFailures'), refusals: sum('refusals'), badMessages: sum('badMessages') },
      ...{ journalSent: sum('journalSent'), journalBatches: sum('journalBatches'), journalResent: sum('journalResent') },
      ...{ bytesSent: sum('bytesSent'), trips: since },
    };
  },
  async seen({ forMs, everyMs, address, cookie }: { forMs: number; everyMs: number; address: string; cookie: string }): Promise<number[]> {
    const times: number[] = [];
    const endMs = clock.mono() + forMs;
    for (let index = 0; clock.mono() < endMs; index += 1) {
      const nextMs = clock.mono() + everyMs;
      times.push(await seen(wagons[index % wagons.length] as Wagon, { address, cookie }));
      await delay(Math.max(0, nextMs - clock.mono()));
    }
    return times;
  },
  /** Each unit says something at once, again and again; all trips of that time. */
  async beats({ forMs, everyMs }: { forMs: number; everyMs: number }): Promise<number[]> {
    trips = [];
    const endMs = clock.mono() + forMs;
    while (clock.mono() < endMs) {
      for (const { spool } of wagons) {
        spool.add([{ type: 'event', body: { event: 'beat' } }], { urgent: true });
        await delay(everyMs / wagons.length);
      }
    }
    // What a wagon says meanwhile may be gathered for half a minute.
    for (const wagon of wagons) wagon.mark = wagon.spool.next;
    await until('all is acknowledged', () => wagons.every(({ spool, mark }) => spool.acknowledged >= mark), ACKNOWLEDGED_MS);
    return trips;
  },
  /** A last checkpoint, and all of it acknowledged. */
  async finish({ withinMs }: { withinMs: number }): Promise<WagonEnd[]> {
    for (const { day, spool } of wagons) {
      day.end();
      spool.add([], { urgent: true, checkpoint: true });
    }
    await until('all is acknowledged', () => wagons.every(({ spool }) => spool.acknowledged === spool.next), withinMs);
    return wagons.map(({ unit, spool }) => ({ unit, epoch: spool.identity.epoch, next: spool.next, head: spool.head }));
  },
  async stop() {
    await Promise.all(wagons.map(({ uplink }) => uplink.stop()));
    wagons = [];
  },
});

/** Those who break things, each by itself and all at the same time, and one who asks for footage all the while. */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@longroof/base/random';
import type { AskedPull } from '../checker/known.js';
import { CUTS, type Cut } from './cutter.js';
import { type Ground, spread } from './ground.js';

const HOUR_MS = 3_600_000;
const OPEN_PULLS_MAX = 24;

export interface Doses {
  agentKills: number;
  controllerKills: number;
  brokerKills: number;
  cuts: number;
  /** Of the centre: full, and slow. */
  disks: number;
  /** Of the wagon's clock, and of the centre's. */
  clocks: number;
}

/** Killed while it does whatever it does just then, also while it starts. */
export async function killAgent({ agent, book, journal }: Ground, count: number, overMs: number, random: Random): Promise<void> {
  await spread(count, overMs, random, async () => {
    const ageMs = agent.ageMs;
    await agent.stop('SIGKILL');
    journal.note('agent killed', `at ${Math.round(ageMs)} ms`);
    book.lookAtIndex();
    book.lookAtReels();
    await delay(random.int(0, 1500));
    await agent.start();
  });
}

export async function killController({ centre, journal }: Ground, count: number, overMs: number, random: Random): Promise<void> {
  await spread(count, overMs, random, async () => {
    const ageMs = centre.controller.ageMs;
    await centre.controller.stop('SIGKILL');
    journal.note('controller killed', `at ${Math.round(ageMs)} ms`);
    await delay(random.int(0, 5000));
    await centre.controller.start();
  });
}

export async function killBroker({ centre, journal }: Ground, count: number, overMs: number, random: Random): Promise<void> {
  await spread(count, overMs, random, async () => {
    await centre.broker.stop('SIGKILL');
    journal.note('mosquitto killed');
    await delay(random.int(0, 5000));
    await centre.broker.start();
  });
}

/** Two of five are half-open or dark. With mosquitto every fourth is of the controller's link. */
export async function cutLink({ link, centre, journal }: Ground, count: number, overMs: number, random: Random): Promise<void> {
  const kinds: Cut[] = Array.from({ length: count }, (_, n) => CUTS[n % CUTS.length] as Cut);
  for (let i = kinds.length - 1; i > 0; i -= 1) {
    const j = random.int(0, i + 1);
    [kinds[i], kinds[j]] = [kinds[j] as Cut, kinds[i] as Cut];
  }
  await spread(count, overMs, random, async (n) => {
    const which = centre.kind === 'mosquitto' && n % 4 === 0 ? centre.link : link;
    const how = kinds[n - 1] as Cut;
    const ms = random.int(1000, 9000);
    // A cut of no connection is none.
    for (let tries = 0; which.connections === 0 && tries < 600; tries += 1) await delay(100);
    const met = which.cut(how, ms);
    journal.note(`link cut: ${how}`, `${which === link ? 'of the wagon' : 'of the controller'}, ${met} connections, ${ms} ms`);
    if (met === 0) journal.note('cut of no connection');
  });
}

export async function breakDisk({ centre, journal }: Ground, count: number, overMs: number, random: Random): Promise<void> {
  await spread(2 * count, overMs, random, async (n) => {
    const ms = random.int(5000, 12_000);
    const endMs = performance.now() + ms;
    if (n % 2 === 1) {
      journal.note("centre's disk full", `${ms} ms`);
      while (performance.now() < endMs) {
        centre.fill();
        await delay(300);
      }
      centre.unfill();
      return;
    }
    const stallMs = random.int(500, 3000);
    journal.note("centre's disk slow", `${ms} ms, each sync ${stallMs} ms longer`);
    setFaults(centre, 'stall', `stall=${stallMs}`);
    await delay(ms);
    setFaults(centre, 'stall', '');
  });
}

export async function stepClocks({ wagon, centre, journal }: Ground, count: number, overMs: number, random: Random): Promise<void> {
  await spread(2 * count, overMs, random, async (n) => {
    const stepMs = Math.round((random.next() < 0.5 ? -1 : 1) * (0.2 + 19 * random.next()) * HOUR_MS);
    const ms = random.int(8000, 20_000);
    const whose = n % 2 === 1 ? 'wagon' : 'centre';
    journal.note(`clock of the ${whose} stepped`, `by ${(stepMs / HOUR_MS).toFixed(1)} h for ${ms} ms`);
    if (whose === 'wagon') wagon.faults(`wall=${stepMs}`);
    else setFaults(centre, 'wall', `wall=${stepMs}`);
    await delay(ms);
    if (whose === 'wagon') wagon.faults('');
    else setFaults(centre, 'wall', '');
  });
}

const centreFaults = new WeakMap<object, Map<string, string>>();
/** Disk and clock share one file. */
function setFaults(centre: Ground['centre'], which: string, word: string): void {
  const words = centreFaults.get(centre) ?? new Map<string, string>();
  centreFaults.set(centre, words.set(which, word));
  centre.faults([...words.values()].join(' '));
}

export interface Asking {
  stop: AbortSignal;
  cameras: readonly string[];
}

/** Until it is stopped. What is answered with 201 has been promised. */
export async function askForFootage(ground: Ground, { stop, cameras }: Asking, random: Random): Promise<void> {
  const { centre, journal, pullsFile } = ground;
  while (!stop.aborted) {
    await delay(random.int(1000, 4500));
    const some = random.next() < 0.5 ? [...cameras] : [random.pick(cameras)];
    const rendition = random.next() < 0.6 ? 'original' : 'proxy';
    const toUtcMs = Date.now() - random.int(-5000, 60_000);
    const fromUtcMs = toUtcMs - random.int(5000, 60_000);
    try {
      const [open] = centre.query<{ n: number }>('SELECT count(*) AS n FROM pull WHERE ended_utc_ms IS NULL');
      if ((open?.n ?? 0) >= OPEN_PULLS_MAX) continue;
      const span = { from: new Date(fromUtcMs).toISOString(), to: new Date(toUtcMs).toISOString() };
      const urgent = random.next() < 0.2 ? { urgent: true } : {};
      const wanted = { unitId: 'wagon-1', cameras: some, quality: rendition, ...span, ...urgent, reason: 'a stolen bicycle' };
      const { status, json } = await centre.ask('pulls', wanted);
      if (status === 201) {
        const asked: AskedPull = { id: String(json['id']), cameras: some, rendition, fromUtcMs, toUtcMs };
        fs.appendFileSync(pullsFile, `${JSON.stringify(asked)}\n`);
        journal.note('pull taken', asked.id);
      } else journal.note(`pull not taken: ${status} ${String(json['code'])}`);
    } catch {
      journal.note('pull not taken: the centre is away');
    }
  }
}

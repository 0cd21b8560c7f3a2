/**
 * A wagon and its centre under everything at once, for minutes: first with the broker in the controller, then with mosquitto. At the end
 * all is put right, what was asked for has its time to arrive, and the checker looks at what is left.
 */
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { type Random, seededRandom } from '@longroof/base/random';
import { openAuthority } from '@longroof/protocol/authority';
import { until } from '../../peers/program.js';
import { readSpoolJournal } from '../checker/journal.js';
import { check, fsckClean } from '../checks.js';
import type { Report } from '../report.js';
import { FaultWagon, monoMs } from '../wagon.js';
import { askForFootage, breakDisk, cutLink, type Doses, killAgent, killBroker, killController, stepClocks } from './actors.js';
import { type BrokerKind, FaultCentre } from './centre.js';
import { Cutter } from './cutter.js';
import { DurableBook } from './durable.js';
import { EventLog, type Ground } from './ground.js';
import { Meddler } from './meddler.js';
import { Memory } from './memory.js';
import { Restarted } from './programs.js';
import { type Evidence, judge, negativeControls, type Verdict } from './verdict.js';

export interface CampaignOptions extends Doses {
  minutes: number;
  /** Quota of the wagon's spool. */
  spool: string;
}

const UNIT = 'wagon-1';
const DISK_MB = 640;
const LOOK_MS = 2000;
const DRAIN_MS = 300_000;
/** Flat: the line through all samples rises by no more than this over the campaign. */
const RISE_MB_MAX = 24;

interface Site {
  ground: Ground;
  folder: string;
  close(): Promise<void>;
}

async function makeSite(quota: string, random: Random): Promise<Site> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-campaign-'));
  const undo: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const act of undo.reverse()) await act();
  };
  try {
    return { ground: await makeGround(folder, quota, random, undo), folder, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function makeGround(folder: string, quota: string, random: Random, undo: (() => unknown)[]): Promise<Ground> {
  const centre = new FaultCentre(folder, DISK_MB);
  undo.push(() => centre.close());
  const link = new Cutter(() => meddler.port);
  await link.listen();
  undo.push(() => link.close());
  const controller = `mqtts://127.0.0.1:${link.port}`;
  const wagon = await FaultWagon.make({ subs: true, quota, controller, authority: centre.authority });
  undo.push(() => wagon.server.close());
  wagon.configureSpool({ keepOriginal: '7d', keepProxy: '60s' });
  const identity = (name: string): string => fs.readFileSync(path.join(wagon.folder, 'identity', name), 'utf8');
  const authority = await openAuthority(centre.authority, systemDisk, systemClock.utc);
  const client = { keyPem: identity('unit.key'), certificatePem: identity('unit.crt') };
  check(new X509Certificate(client.certificatePem).subject === `CN=${UNIT}`, 'the wagon is who the checker thinks');
  const server = await authority.issueServer(['127.0.0.1']);
  const meddler = new Meddler({ target: () => centre.port, rootPem: authority.rootPem, server, client, random });
  await meddler.listen();
  undo.push(() => meddler.close());
  await centre.prepare();
  const agent = new Restarted('agent', path.join(folder, 'agent.log'), async () => wagon.start());
  undo.push(() => agent.stop('SIGKILL'));
  const pullsFile = path.join(folder, 'pulls.jsonl');
  fs.writeFileSync(pullsFile, '');
  const book = new DurableBook(wagon.spool, path.join(folder, 'durable.jsonl'));
  return { wagon, agent, centre, link, meddler, book, journal: new EventLog(path.join(folder, 'events.log')), pullsFile };
}

/** Half of the doses with each broker; what is of mosquitto alone in its half. */
async function onslaught(ground: Ground, kind: BrokerKind, options: CampaignOptions, random: Random): Promise<void> {
  const overMs = (options.minutes * 60_000) / 2;
  const half = (count: number): number => (kind === 'embedded' ? Math.floor(count / 2) : Math.ceil(count / 2));
  const own = (): Random => seededRandom(random.int(1, 0x7fffffff));
  await ground.centre.use(kind);
  ground.journal.note(`with ${kind}`);
  await Promise.all([
    killAgent(ground, half(options.agentKills), overMs, own()),
    killController(ground, half(options.controllerKills), overMs, own()),
    killBroker(ground, kind === 'mosquitto' ? options.brokerKills : 0, overMs, own()),
    cutLink(ground, half(options.cuts), overMs, own()),
    breakDisk(ground, half(options.disks), overMs, own()),
    stepClocks(ground, half(options.clocks), overMs, own()),
  ]);
}

/** All is well again: what was asked for arrives, and the journal to its last record. Then the agent is killed once more. */
async function drain(ground: Ground, random: Random): Promise<number> {
  const { agent, centre, wagon, link, meddler, book } = ground;
  meddler.active = false;
  wagon.faults('');
  centre.faults('');
  centre.unfill();
  link.cut('reset', 0);
  await agent.start();
  await centre.controller.start();
  const startMs = performance.now();
  const open = (): number => centre.query<{ n: number }>('SELECT count(*) AS n FROM pull WHERE ended_utc_ms IS NULL')[0]?.n ?? 0;
  // One that never ends is the checker's to tell.
  await until('all pulls have ended', () => open() === 0, DRAIN_MS).catch(() => ground.journal.note('pulls never ended', `${open()}`));
  await wagon.server.kill();
  for (let tries = 0; ; tries += 1) {
    await until('the centre has all of the journal', () => journalGap(ground) === 0, 120_000);
    await agent.stop('SIGKILL');
    if (journalGap(ground) === 0) break;
    check(tries < 10, 'the journal never came to rest');
    await agent.start();
    await new Promise((resolve) => setTimeout(resolve, random.int(100, 2000)));
  }
  book.lookAtIndex();
  book.lookAtReels();
  return performance.now() - startMs;
}

/** Records that the wagon has and the centre has not. */
function journalGap({ wagon, centre }: Ground): number {
  const lines = [...readSpoolJournal(wagon.spool).values()].at(-1);
  const next = (lines?.at(-1)?.seq ?? -1) + 1;
  const rows = centre.query<{ n: number }>('SELECT max(next_seq) AS n FROM epoch');
  return next - (rows[0]?.n ?? 0);
}

/** The agent starts once more on what is left, alone, and its own fsck is content. */
async function startsAgain({ wagon }: Ground): Promise<void> {
  await wagon.server.restart();
  const agent = wagon.start();
  await wagon.recordsSince(monoMs(), 60_000);
  const exit = await agent.stop('SIGTERM', 20_000);
  check(exit === 0, `the agent ended with ${exit}`);
  await fsckClean(wagon);
}

export async function campaign(options: CampaignOptions, seed: number, report: Report): Promise<void> {
  const random = seededRandom(seed);
  const { ground, folder, close } = await makeSite(options.spool, seededRandom(random.int(1, 0x7fffffff)));
  const { wagon, agent, centre, book } = ground;
  const memory = new Memory();
  const over = new AbortController();
  let good = false;
  const looking = setInterval(() => {
    if (agent.pid !== undefined) book.lookAtIndex();
    memory.look([agent, centre.controller]);
  }, LOOK_MS);
  try {
    await centre.controller.start();
    await agent.start();
    await wagon.recordsSince(monoMs());
    const asking = askForFootage(ground, { stop: over.signal, cameras: wagon.cameras }, seededRandom(random.int(1, 0x7fffffff)));
    for (const kind of ['embedded', 'mosquitto'] as const) {
      await onslaught(ground, kind, options, random);
      report.progress(`with ${kind}: ${JSON.stringify(ground.journal.counts)}`);
    }
    over.abort();
    await asking;
    clearInterval(looking);
    const drainMs = await drain(ground, random);
    const exit = await centre.controller.stop('SIGTERM', 20_000);
    check(exit === 0, `the controller ended with ${exit}`);
    const evidence: Evidence = {
      ...{ unit: UNIT, spool: wagon.spool, centre: centre.data },
      ...{ durable: path.join(folder, 'durable.jsonl'), pulls: ground.pullsFile },
    };
    const verdict = await judge(evidence);
    tell(ground, verdict, memory, drainMs, report);
    conclude(ground, verdict, memory, options);
    const caught = await negativeControls(evidence, folder, random);
    report.figure(`campaign: caught by the checker: ${caught.join(', ')}`);
    await startsAgain(ground);
    good = true;
  } finally {
    clearInterval(looking);
    over.abort();
    if (!good || report.keep) keepData(centre, folder);
    await close();
    if (good && !report.keep) for (const one of [folder, wagon.folder]) fs.rmSync(one, { recursive: true, force: true });
    else report.progress(`kept: ${folder} and ${wagon.folder}`);
  }
}

/** Its disk is in memory and goes with the run. */
function keepData(centre: FaultCentre, folder: string): void {
  centre.unfill();
  if (fs.existsSync(centre.data)) fs.cpSync(centre.data, path.join(folder, 'data'), { recursive: true });
}

function tell({ journal, meddler, book, agent, centre }: Ground, verdict: Verdict, memory: Memory, drainMs: number, report: Report): void {
  const { down, twice, again, held } = meddler.counts;
  report.figure(`campaign: done to it: ${JSON.stringify(journal.counts)}`);
  report.figure(`campaign: of ${down} messages down ${twice} came twice, ${again} again later, ${held} were held back`);
  report.figure(`campaign: ${book.size} durable fragments written down, ${book.fromReels} of them from reels after a kill`);
  report.figure(`campaign: starts: agent ${agent.starts}, controller ${centre.controller.starts}, mosquitto ${centre.broker.starts}`);
  report.figure(`campaign: all that was asked for had its answer ${(drainMs / 1000).toFixed(0)} s after the last fault`);
  for (const program of [agent, centre.controller]) {
    const { samples, meanMb, maxMb, riseMb } = memory.of(program.name);
    report.figure(
      `campaign: ${program.name}: RSS ${meanMb.toFixed(1)} MB on average, ${maxMb.toFixed(1)} at most, trend ${riseMb.toFixed(1)} MB over the campaign, ${samples} samples`,
    );
  }
  report.figure(`campaign: checker: ${verdict.wrong} wrong; ${JSON.stringify(verdict.counts)}`);
}

function conclude({ agent, centre, book }: Ground, verdict: Verdict, memory: Memory, options: CampaignOptions): void {
  check(verdict.wrong === 0, `the checker found ${verdict.wrong}:\n${verdict.findings.join('\n')}`);
  check(book.conflicts.length === 0, `two fragments of one name: ${book.conflicts.slice(0, 5).join('; ')}`);
  const deaths = [agent, centre.controller, centre.broker].flatMap((program) => program.deaths);
  check(deaths.length === 0, `${deaths.length} programs ended by themselves: ${deaths.join('; ')}`);
  check(agent.kills >= options.agentKills, `${agent.kills} kills of the agent`);
  check(centre.controller.kills >= options.controllerKills, `${centre.controller.kills} kills of the controller`);
  check(centre.broker.kills >= options.brokerKills, `${centre.broker.kills} kills of mosquitto`);
  check((verdict.counts['asked for and stored'] ?? 0) > 0, 'footage moved');
  for (const { name } of [agent, centre.controller]) {
    const { riseMb } = memory.of(name);
    check(riseMb <= RISE_MB_MAX, `the memory of ${name} rises by ${riseMb.toFixed(1)} MB over the campaign`);
  }
}

/** The unit's clock put together: who keeps the system's clock, what was last written, and what is believed from both and from GNSS. */
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import type { Log } from '@longroof/base/log';
import type { JournalRecord } from '@longroof/protocol/journal';
import { decodeFix, type Fix } from '@longroof/protocol/track';
import { Chrony, type Discipline } from './health/chrony.js';
import { WallClock } from './health/wall-clock.js';
import type { Spool } from './spool/spool.js';

/** systemd-timesyncd leaves this while it keeps the clock; how well it does not say. */
const SYNCHRONISED_FILE = '/run/systemd/timesync/synchronized';
const SYNCHRONISED_MS = 10_000;
const UNMEASURED: Discipline = { source: 'ntp', errorMs: 100, name: '' };
const CHRONY_PORT = 323;
/** Records at the journal's end that are looked through for the last of an earlier run. */
const LAST_RECORDS = 200;
const LAST_BYTES = 256 * 1024;

export interface UnitTimeOptions {
  clock: Clock;
  disk: Disk;
  log: Log;
  spool: Pick<Spool, 'identity' | 'journal' | 'journalPosition' | 'noteClock'>;
  chrony: URL | undefined;
}

export interface UnitTime {
  wall: WallClock;
  /** Who keeps the system's clock. */
  keeper(): Discipline | undefined;
  /** Asks from now on; a program has to be started for it, which may wait. */
  askKeeper(): void;
  /** The last that an earlier run wrote. */
  lastFix: Fix | undefined;
  stop(): void;
}

export async function startTime({ clock, disk, log, spool, chrony: url }: UnitTimeOptions): Promise<UnitTime> {
  const host = url?.hostname ?? '127.0.0.1';
  const chrony = new Chrony({ host, port: url?.port ? Number(url.port) : CHRONY_PORT, clock, log });
  const synchronised = seldom(clock, SYNCHRONISED_MS, () => disk.stat(SYNCHRONISED_FILE) !== undefined);
  const keeper = (): Discipline | undefined => chrony.now() ?? (synchronised() ? UNMEASURED : undefined);
  const written = await lastWritten(spool);
  const floorUtcMs = written.findLast(({ wall }) => wall.source !== 'none')?.wall.utcMs;
  const onAnchor = (anchor: Parameters<Spool['noteClock']>[0]): void => spool.noteClock(anchor);
  const wall = new WallClock({ clock, disciplined: keeper, onAnchor, ...(floorUtcMs === undefined ? {} : { floorUtcMs }) });
  wall.tick();
  return { wall, keeper, askKeeper: () => void chrony.start(), lastFix: lastFixOf(written), stop: () => chrony.stop() };
}

function lastFixOf(records: readonly JournalRecord[]): Fix | undefined {
  const track = records.findLast(({ type }) => type === 'track') as JournalRecord<'track'> | undefined;
  return decodeFix(track?.body.points.at(-1));
}

/** The last records of earlier runs. */
async function lastWritten(spool: UnitTimeOptions['spool']): Promise<JournalRecord[]> {
  const { oldest, next } = spool.journalPosition();
  const records = await spool.journal(Math.max(oldest, next - LAST_RECORDS), LAST_BYTES);
  return records.filter(({ run }) => run < spool.identity.run);
}

/** Asks again only when the last answer is so old. */
function seldom(clock: Clock, everyMs: number, ask: () => boolean): () => boolean {
  let answer = false;
  let nextMonoMs = Number.NEGATIVE_INFINITY;
  return () => {
    const monoMs = clock.mono();
    if (monoMs >= nextMonoMs) {
      answer = ask();
      nextMonoMs = monoMs + everyMs;
    }
    return answer;
  };
}

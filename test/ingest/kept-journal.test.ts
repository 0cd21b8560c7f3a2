/** How journals are kept: packed together once there are many, and taken over whole from a database of before. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { Alarms } from '@longroof/controller/fleet/alarms';
import { recordsAt, recordsOf } from '@longroof/controller/store/journal';
import { migrations } from '@longroof/controller/store/migrations';
import { openStore, type Store } from '@longroof/controller/store/open';
import { SqliteThreadDialect } from '@longroof/controller/store/sqlite-dialect';
import { type JournalRecord, recordText } from '@longroof/protocol/journal';
import { Kysely, Migrator, sql } from 'kysely';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { type Centre, startCentre } from './centre.js';
import { ScriptedUnit, START_MONO_MS } from './scripted-unit.js';
import { storedJournal } from './stored-journal.js';

const hash = (n: number): string => createHash('sha256').update(String(n)).digest('hex');

async function joined(t: Test): Promise<{ centre: Centre; unit: ScriptedUnit }> {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  return { centre, unit };
}

/** Something of everything that the centre makes rows of, and much of which it makes none. */
function say(unit: ScriptedUnit, minutes: number): void {
  for (let n = 0; n < minutes; n += 1) {
    unit.monoMs = START_MONO_MS + (n + 1) * 61_000;
    if (n % 10 > 0) {
      for (let more = 0; more < 3; more += 1) unit.record('health', { n, more, root: hash(n) });
      continue;
    }
    const named = { camera: 'front', rendition: 'original' as const };
    const about = { run: 1, seqFirst: n * 60, count: 60, bytes: 1000 + n, root: hash(n) };
    const times = { startMonoMs: START_MONO_MS + n * 61_000, durationMs: 60_000 };
    unit.record('catalog', { ...named, ...about, ...times, initSha256: hash(-1), codec: 'avc1.64001f', lostPackets: 0 });
    unit.record('gap', { ...named, fromMonoMs: times.startMonoMs + 60_000, durationMs: 1000, cause: 'camera-stalled' });
    if (n > 0) unit.record('dispose', { ...named, ...about, seqFirst: (n - 10) * 60, root: hash(n - 10), reason: 'expired' });
    unit.checkpoint();
    if (n % 20 === 0) unit.record('done', { pullId: `pull-${n}`, state: 'complete' });
  }
  unit.checkpoint();
}

const segments = ({ reads }: Pick<Store, 'reads'>) => reads.selectFrom('segment').selectAll().orderBy('seq_first').execute();
const texts = (records: readonly JournalRecord[]): string[] => records.map((record) => recordText(record));

t.test('what came in many batches is packed together, and is the same to whoever asks', async (t) => {
  const { centre, unit } = await joined(t);
  const { store } = centre;
  say(unit, 500);
  const count = unit.records.length;
  t.ok(count > 1200 && count < 2048);
  for (let next = 2; next < count; next += 70) await unit.sendJournal(next, Math.min(count, next + 70));
  await until('records are packed together', async () => (await segments(store)).some((row) => row.seq_last - row.seq_first >= 1023));
  const [first, ...others] = await segments(store);
  t.equal(first?.seq_first, 0);
  t.ok(others.length > 0 && others.every((row) => row.seq_last - row.seq_first < 70), 'the newest stand as they came');
  const epoch = await store.db.selectFrom('epoch').select('packed_next').executeTakeFirstOrThrow();
  t.equal(epoch.packed_next, (first?.seq_last ?? 0) + 1);
  const stored = await storedJournal(store);
  t.same(
    stored.map(({ text }) => text),
    texts(unit.records),
  );
  t.ok(new Set(stored.map(({ receivedUtcMs }) => receivedUtcMs)).size > 10, 'each with the time at which it came');
  const life = { unit: 'wagon-1', epoch: unit.epoch };
  const some: number[] = [];
  for await (const records of recordsOf(store.reads, life, 500, 1100)) some.push(...records.map(({ seq }) => seq));
  t.same(
    some,
    Array.from({ length: 601 }, (_, n) => 500 + n),
    'a stretch that begins within a segment and ends in another',
  );
  const few = await recordsAt(store.reads, life, [1100, 3, 3, 5, 99_999, count - 1]);
  t.same([...few.keys()], [3, 5, 1100, count - 1]);
  t.equal(await unit.sendJournal(400, 460), count, 'the same again is still known');
  const honest = unit.records.slice();
  unit.records.length = 700;
  unit.record('health', { forged: true });
  const seen = unit.acks.length;
  unit.send('journal', unit.batch(690));
  await unit.refusal('LR_JOURNAL_FORK', seen);
  const [alarm] = await new Alarms(store.db, systemClock).list('wagon-1');
  t.equal(alarm?.records[0]?.stored, recordText(honest[700] as JournalRecord), 'and a fork is told from it');
  await unit.end();
});

/** The rows of a centre as they were before there were segments. */
async function asBefore(dir: string, { db }: Store): Promise<void> {
  fs.mkdirSync(dir, { recursive: true });
  // biome-ignore lint/suspicious/noExplicitAny: the tables of before are not those of now
  const before = new Kysely<any>({ dialect: new SqliteThreadDialect(`${dir}/longroof.db`) });
  const { error } = await new Migrator({ db: before, provider: migrations }).migrateTo('0010-events');
  if (error) throw error;
  await before.transaction().execute((trx) => copyAll(trx, db));
  await before.destroy();
}

// biome-ignore lint/suspicious/noExplicitAny: as above
async function copyAll(before: Kysely<any>, db: Store['db']): Promise<void> {
  const copy = async (table: 'unit' | 'epoch' | 'run' | 'reel' | 'gap' | 'countersigned' | 'setting', left: readonly string[] = []) => {
    for (const row of (await db.selectFrom(table).selectAll().execute()) as object[]) {
      const entries = Object.entries(row).filter(([name]) => !left.includes(name));
      await before.insertInto(table).values(Object.fromEntries(entries)).execute();
    }
  };
  await copy('unit');
  await copy('epoch', ['packed_next']);
  await copy('run');
  await copy('reel', ['catalog_seq']);
  await copy('gap', ['said_json']);
  await copy('countersigned');
  await copy('setting');
  const lives = await db.selectFrom('epoch').selectAll().execute();
  for (const { unit, epoch } of lives)
    for await (const records of recordsOf(db, { unit, epoch }))
      for (const { seq, text, hash, receivedUtcMs } of records) {
        const { run, monoMs, wall, type, body } = JSON.parse(text) as JournalRecord;
        const row = { unit, epoch, seq, run, mono_ms: monoMs, utc_ms: wall.utcMs, type, body_json: JSON.stringify(body), text, hash };
        await before
          .insertInto('journal')
          .values({ ...row, received_utc_ms: receivedUtcMs })
          .execute();
      }
}

t.test('a database of before is taken over without loss', async (t) => {
  const { centre, unit } = await joined(t);
  const other = await ScriptedUnit.create(centre, 'wagon-2');
  await other.join();
  say(unit, 450);
  say(other, 5);
  const size = 90;
  for (let next = 2; next < unit.records.length; next += size) await unit.sendJournal(next, Math.min(unit.records.length, next + size));
  await other.sendJournal(2);
  const dir = `${t.testdir()}/before`;
  await asBefore(dir, centre.store);
  const taken = await openStore({ dir, clock: systemClock, log: silentLog });
  t.teardown(() => taken.close());
  t.same(await storedJournal(taken), await storedJournal(centre.store), 'every record with its time');
  for (const table of ['noted_record', 'reel', 'gap', 'countersigned', 'run'] as const) {
    const rows = async ({ db }: Store) =>
      ((await db.selectFrom(table).selectAll().execute()) as object[]).map((row) => JSON.stringify(row)).sort();
    t.same(await rows(taken), await rows(centre.store), `${table} is as if it had come today`);
    t.ok((await rows(taken)).length > 0);
  }
  t.ok((await taken.db.selectFrom('reel').selectAll().execute()).every((row) => row.catalog_seq !== null));
  const lives = await taken.db.selectFrom('epoch').select(['next_seq', 'packed_next']).execute();
  t.ok(lives.every((life) => life.packed_next === life.next_seq));
  t.equal((await segments(taken)).length, 3, 'packed together at once');
  const tables = await sql<{ name: string }>`select name from sqlite_schema where name like 'journal%'`.execute(taken.db);
  t.same(tables.rows, [], 'nothing is kept twice');
  await unit.end();
  await other.end();
});

t.test('a database of before that holds nothing', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const dir = `${t.testdir()}/empty`;
  await asBefore(dir, centre.store);
  const taken = await openStore({ dir, clock: systemClock, log: silentLog });
  t.same(await segments(taken), []);
  await taken.close();
});

/** A disk that has changed what it stored of a journal: told by its code to whoever asks for just that, in nobody else's way. */
import { systemClock } from '@longroof/base/clock';
import { Alarms } from '@longroof/controller/fleet/alarms';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { type Centre, startCentre } from './centre.js';
import { ScriptedUnit } from './scripted-unit.js';
import { damageJournal } from './stored-journal.js';

const BATCH = 40;

async function joined(t: Test): Promise<{ centre: Centre; unit: ScriptedUnit; say: (count: number) => Promise<number> }> {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  /** In batches, all of which are acknowledged. */
  const say = async (count: number): Promise<number> => {
    let next = unit.records.length;
    for (let n = 0; n < count; n += 1) unit.record('health', { n });
    while (next < unit.records.length) next = await unit.sendJournal(next, Math.min(unit.records.length, next + BATCH));
    return next;
  };
  return { centre, unit, say };
}

t.test('the journal goes on and is acknowledged, packed or not', async (t) => {
  const { centre, unit, say } = await joined(t);
  const other = await ScriptedUnit.create(centre, 'wagon-2');
  await other.join();
  await say(BATCH);
  await damageJournal(centre.store, 'wagon-1', 10);
  t.equal(await say(30 * BATCH), unit.records.length, 'all of it is taken');
  const { counters } = centre.ingest;
  await until('an attempt to pack', () => counters.packFailures > 0);
  t.equal(await say(3 * BATCH), unit.records.length);
  t.equal(counters.packFailures, 1, 'once for now');
  const seen = unit.acks.length;
  unit.send('journal', unit.batch(5, 20));
  t.equal((await unit.refusal('LR_STORE_SEGMENT', seen)).topic.endsWith('journal'), true, 'what comes again cannot be held against it');
  t.equal(await say(1), unit.records.length, 'and the next is taken');
  other.record('health', {});
  t.equal(await other.sendJournal(2), 3);
  await unit.end();
  await other.end();
});

t.test('a fork that touches it is an alarm all the same', async (t) => {
  const { centre, unit, say } = await joined(t);
  await say(3 * BATCH);
  await damageJournal(centre.store, 'wagon-1', 90);
  const at = unit.records.length - 60;
  unit.records.length = at;
  for (let n = 0; n < 50; n += 1) unit.record('health', { forged: n });
  const seen = unit.acks.length;
  unit.send('journal', unit.batch(at - 3));
  await unit.refusal('LR_JOURNAL_FORK', seen);
  const alarms = new Alarms(centre.store.db, systemClock);
  const open = await centre.store.db.selectFrom('alarm').select(['unit', 'code']).execute();
  t.same(open, [{ unit: 'wagon-1', code: 'LR_JOURNAL_FORK' }]);
  const others = await centre.store.db.selectFrom('contradiction').select('seq').execute();
  t.ok(others.length > 0, 'with the other side of it, as far as it can be held against what is here');
  await damageJournal(centre.store, 'wagon-1', at);
  await t.rejects(alarms.list('wagon-1'), { kind: 'corrupt', code: 'LR_STORE_SEGMENT' }, 'whoever asks for both sides is told');
  await damageJournal(centre.store, 'wagon-1', at);
  t.equal((await alarms.list('wagon-1'))[0]?.records[0]?.seq, at, 'until the disk is seen to');
  await unit.end();
});

t.test('an alarm that could not be written is raised when the fork comes again', async (t) => {
  const { centre, unit, say } = await joined(t);
  await say(BATCH);
  const { db } = centre.store;
  await sql`create trigger full before insert on alarm begin select raise(abort, 'no room'); end`.execute(db);
  unit.records.length -= 5;
  unit.record('health', { forged: true });
  const fork = (): void => unit.send('journal', unit.batch(unit.records.length - 2));
  let seen = unit.acks.length;
  fork();
  await unit.ack('refused', seen);
  t.same(await db.selectFrom('alarm').selectAll().execute(), []);
  await sql`drop trigger full`.execute(db);
  seen = unit.acks.length;
  fork();
  await unit.refusal('LR_JOURNAL_FORK', seen);
  t.match(await db.selectFrom('alarm').selectAll().execute(), [{ code: 'LR_JOURNAL_FORK', count: 1 }]);
  await unit.end();
});

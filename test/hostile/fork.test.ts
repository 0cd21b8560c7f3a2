/** Both sides of a fork: what is stored stands, what contradicts it is kept beside it, with whether the same key signed both. */
import { systemClock } from '@longroof/base/clock';
import { Alarms } from '@longroof/controller/fleet/alarms';
import { firstAuditBreak } from '@longroof/controller/store/audit';
import { recordText } from '@longroof/protocol/journal';
import t from 'tap';
import { startCentre } from '../ingest/centre.js';
import { ScriptedUnit } from '../ingest/scripted-unit.js';
import { storedJournal } from '../ingest/stored-journal.js';

t.test('two stories under the same numbers, each signed; told once, kept in full, closed with a reason, and raised anew', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const common = unit.records.slice();
  for (let n = 0; n < 4; n += 1) unit.record('health', { n });
  unit.checkpoint();
  await unit.sendJournal(common.length);
  const first = unit.records.slice();
  unit.records.length = common.length;
  for (let n = 0; n < 6; n += 1) unit.record('health', { other: n });
  unit.checkpoint();
  unit.record('health', { after: 'the checkpoint' });
  const alarms = new Alarms(centre.store.db, systemClock);
  for (let times = 1; times <= 3; times += 1) {
    const heard = unit.acks.length;
    unit.send('journal', unit.batch(common.length - 1));
    await unit.refusal('LR_JOURNAL_FORK', heard);
    await unit.cut();
    await unit.connect();
    await unit.hello();
  }
  const [alarm] = await alarms.list('wagon-1');
  t.match(alarm, { code: 'LR_JOURNAL_FORK', epoch: unit.epoch, detail: { seqFirst: common.length - 1, certificate: String } });
  t.equal(alarm?.count, 3, 'each connection counts');
  const others = unit.records.slice(common.length);
  t.same(alarm?.before, recordText(common.at(-1) as never), 'the record that both have');
  t.same(
    alarm?.records.map(({ seq, stored, other, signed }) => ({ seq, stored, other, signed })),
    others.map((record) => {
      const here = first[record.seq];
      return {
        seq: record.seq,
        stored: here ? recordText(here) : null,
        other: recordText(record),
        signed: record.type !== 'health' || record.seq < common.length + 6,
      };
    }),
    'both sides, in full; the same key signed all but the last',
  );
  const stored = await storedJournal(centre.store);
  t.same(
    stored.map(({ text }) => text),
    first.map((record) => recordText(record)),
    'what was stored first stands',
  );
  const raised = (): Promise<unknown[]> => centre.store.db.selectFrom('audit').selectAll().where('action', '=', 'journal-alarm').execute();
  t.equal((await raised()).length, 1, 'in the audit chain once');
  await alarms.close('wagon-1', alarm?.id ?? '', 'max', 'a copied card');
  await t.rejects(alarms.close('wagon-1', alarm?.id ?? '', 'max', 'again'), { code: 'LR_ALARM_CLOSED' });
  await t.rejects(alarms.close('wagon-1', 'none', 'max', 'again'), { code: 'LR_ALARM_UNKNOWN' });
  const seen = unit.acks.length;
  unit.send('journal', unit.batch(common.length - 1));
  await unit.refusal('LR_JOURNAL_FORK', seen);
  t.match(await alarms.list('wagon-1'), { length: 2 }, 'what happens after that is a new alarm');
  t.equal((await raised()).length, 2);
  t.equal(await firstAuditBreak(centre.store.db), undefined);
  await unit.end();
});

t.test('checkpoints come back countersigned, the newest again with each hello; a fork is not', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  t.equal(unit.countersigned.length, 0, 'nothing to sign yet');
  for (let n = 0; n < 3; n += 1) {
    unit.record('health', { n });
    unit.checkpoint();
  }
  await unit.sendJournal(2);
  await unit.hello();
  const rows = await centre.store.db.selectFrom('countersigned').selectAll().orderBy('seq').execute();
  t.same(
    rows.map(({ seq }) => seq),
    [3, 5, 7],
    'each one is kept',
  );
  const { length } = unit.countersigned;
  t.ok(length >= 2 && unit.countersigned.every(({ statement }) => statement.seq === 7), 'the last of the batch, and again after hello');
  t.equal(JSON.stringify(unit.countersigned[0]?.keyId), JSON.stringify(rows[0]?.key_id));
  t.match(await centre.store.db.selectFrom('signer').selectAll().execute(), [{ key_id: rows[0]?.key_id, certificate_pem: /CERTIFICATE/ }]);
  await unit.end();
});

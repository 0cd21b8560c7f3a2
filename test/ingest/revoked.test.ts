/** A certificate that is revoked while its unit is connected: cut off within a minute, nothing more is taken, and others notice nothing. */
import { X509Certificate } from 'node:crypto';
import { readmit, revoke, serialOf } from '@longroof/controller/store/revocations';
import t from 'tap';
import { until } from '../peers/program.js';
import { BACKEND } from './backend.js';
import { startCentre } from './centre.js';
import { ScriptedUnit } from './scripted-unit.js';
import { storedJournal } from './stored-journal.js';

const WITHIN_MS = 60_000;
const operator = { person: 'operator', reason: 'stolen', utcMs: Date.now() };

t.test('a live unit is cut within 60 s, told why, and nothing of it is taken until it is admitted again', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  const other = await ScriptedUnit.create(centre, 'wagon-2');
  await unit.join();
  await other.join();
  await unit.upload(unit.fragment(0, Buffer.alloc(50_000, 1)));
  const startMs = performance.now();
  await revoke(centre.store.db, { ...operator, unit: 'wagon-1', serial: undefined });
  await until('the connection is cut', () => unit.closed, WITHIN_MS);
  const tookMs = performance.now() - startMs;
  t.comment(`cut after ${(tookMs / 1000).toFixed(1)} s`);
  await unit.refusal('LR_REVOKED');

  const records = unit.records.length;
  unit.record('health', {});
  if (BACKEND === 'embedded') await t.rejects(unit.connect(), { code: 5 }, 'not even a connection');
  else {
    // A broker that is not ours lets it in; what it sends is refused, message for message.
    await unit.connect();
    const seen = unit.acks.length;
    unit.send('journal', unit.batch(records));
    await unit.refusal('LR_REVOKED', seen);
  }
  const stored = await storedJournal(centre.store, 'wagon-1');
  t.equal(stored.length, records, 'nothing more is stored');
  await other.upload(other.fragment(0, Buffer.alloc(50_000, 2)));
  t.notOk(other.closed);

  await readmit(centre.store.db, { unit: 'wagon-1', person: 'operator', utcMs: Date.now() });
  await until('it may connect', () =>
    unit.connect().then(
      () => true,
      () => false,
    ),
  );
  await until('it is taken again', async () => {
    if (unit.closed) await unit.connect();
    const seen = unit.acks.length;
    unit.sayHello();
    return until('an answer', () => unit.acks.slice(seen).find((ack) => ack.what === 'welcome'), 500).catch(() => undefined);
  });
  t.equal(await unit.sendJournal(records), records + 1);
  const audit = await centre.store.db.selectFrom('audit').select(['action', 'subject', 'reason']).orderBy('seq').execute();
  t.match(audit, [
    { action: 'revoke', subject: 'wagon-1', reason: 'stolen' },
    { action: 'readmit', subject: 'wagon-1' },
  ]);
  await t.rejects(readmit(centre.store.db, { unit: 'wagon-1', person: 'operator', utcMs: 0 }), { code: 'LR_NOT_REVOKED' });
  await t.rejects(revoke(centre.store.db, { ...operator, unit: 'wagon-1', serial: undefined, reason: ' ' }), { code: 'LR_REVOKE_REASON' });
  await t.rejects(revoke(centre.store.db, { ...operator, unit: '../x', serial: undefined }), { code: 'LR_UNIT_NAME' });
  await Promise.all([unit.end(), other.end()]);
});

t.test('one certificate of a unit is revoked: another of the same unit is taken', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const old = await ScriptedUnit.create(centre, 'wagon-1');
  await old.join();
  const serial = serialOf(new X509Certificate(old.identity.unitCertificatePem));
  await revoke(centre.store.db, { ...operator, unit: 'wagon-1', serial, reason: 'key renewed' });
  await until('the connection is cut', () => old.closed, WITHIN_MS);
  const renewed = await ScriptedUnit.create(centre, 'wagon-1');
  await renewed.join();
  await renewed.upload(renewed.fragment(0, Buffer.alloc(1000, 1)));
  await renewed.end();
});

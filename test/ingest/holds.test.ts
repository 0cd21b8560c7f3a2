/** Holds: asked for, told to the wagon, placed or refused by it, lifted. */
import { Holds } from '@longroof/controller/fleet/holds';
import t from 'tap';
import { until } from '../peers/program.js';
import { startCentre } from './centre.js';
import { ScriptedUnit, START_MONO_MS } from './scripted-unit.js';

const DAY_MS = 86_400_000;

t.test('a hold goes to the wagon until it has answered, and is lifted there', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const clock = { utc: () => Date.now() };
  const holds = new Holds({ store: centre.store, ingest: centre.ingest, clock });
  const fromUtcMs = unit.utcOf(START_MONO_MS);
  const reviewUtcMs = Date.now() + 30 * DAY_MS;
  const request = {
    unitId: 'wagon-1',
    fromUtcMs,
    toUtcMs: fromUtcMs + 60_000,
    owner: 'evidence desk',
    reviewUtcMs,
    reason: 'complaint 12',
  };
  const answer = async (holdId: string, action: 'placed' | 'refused' | 'released', more: object = {}): Promise<void> => {
    unit.record('hold', {
      holdId,
      action,
      owner: 'evidence desk',
      cameras: ['front'],
      fromUtcMs,
      toUtcMs: fromUtcMs + 60_000,
      reviewUtcMs,
      bytes: 4096,
      ...more,
    });
    await unit.sendJournal(unit.records.length - 1);
  };
  await t.rejects(holds.place('anna', { ...request, unitId: 'wagon-9' }), { code: 'LR_UNIT_UNKNOWN' });
  await t.rejects(holds.place('anna', { ...request, cameras: ['roof'] }), { code: 'LR_CAMERA_UNKNOWN' });
  await t.rejects(holds.place('anna', { ...request, toUtcMs: fromUtcMs }), { code: 'LR_HOLD_TIME' });
  await t.rejects(holds.place('anna', { ...request, reviewUtcMs: Date.now() - 1 }), { code: 'LR_HOLD_TIME' });
  await t.rejects(holds.place('anna', { ...request, reviewUtcMs: Date.now() + 400 * DAY_MS }), { code: 'LR_HOLD_TIME' });

  const first = await holds.place('anna', request);
  t.match(first, { state: 'queued', cameras: ['front'], owner: 'evidence desk', reviewDue: false, person: 'anna', bytes: null });
  const told = await until('told', () => unit.desired[0]);
  t.match(told.statement, { pulls: { length: 0 }, holds: [{ holdId: first.id, cameras: ['front'], owner: 'evidence desk', reviewUtcMs }] });
  await answer(first.id, 'placed');
  t.match(await holds.list(), [{ id: first.id, state: 'placed', bytes: 4096 }]);
  const second = await holds.place('anna', request);
  await until('both', () => unit.desired.at(-1)?.statement.holds?.length === 2);
  await answer(second.id, 'refused', { reason: 'holds may keep 1 bytes' });
  t.match(
    (await holds.list()).find(({ id }) => id === second.id),
    { state: 'refused', problem: 'holds may keep 1 bytes', ended: /Z$/ },
  );
  await t.rejects(holds.lift(second.id), { code: 'LR_HOLD_ENDED' });
  await t.rejects(holds.lift('none'), { code: 'LR_HOLD_UNKNOWN' });

  await unit.cut();
  await until('offline', () => !centre.ingest.isOnline('wagon-1'));
  t.match(await holds.lift(first.id), { state: 'lifting' });
  await unit.connect();
  const seen = unit.desired.length;
  await unit.hello();
  t.match((await until('told when it is back', () => unit.desired[seen])).statement, { holds: { length: 0 } });
  await answer(first.id, 'placed');
  t.match(
    (await holds.list()).find(({ id }) => id === first.id),
    { state: 'lifting' },
    'an old word does not place it again',
  );
  await answer(first.id, 'released');
  t.match(
    (await holds.list()).find(({ id }) => id === first.id),
    { state: 'lifted', ended: /Z$/ },
  );
  const quiet = unit.desired.length;
  await centre.ingest.sendDesired('wagon-1');
  t.equal(unit.desired.length, quiet, 'nothing is left to say');
  await unit.end();
});

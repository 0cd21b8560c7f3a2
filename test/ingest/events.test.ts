/** Events of a wagon at the centre: dated, shown, their footage held and asked for; and what the wagon says of its power. */
import { systemClock } from '@longroof/base/clock';
import { CoverageReader } from '@longroof/controller/fleet/coverage';
import { Holds } from '@longroof/controller/fleet/holds';
import { UnitReader } from '@longroof/controller/fleet/units';
import type { JournalBodies } from '@longroof/protocol/journal';
import { eventId } from '@longroof/protocol/marks';
import t from 'tap';
import { until } from '../peers/program.js';
import { startCentre } from './centre.js';
import { ScriptedUnit, START_MONO_MS } from './scripted-unit.js';

t.test('a panic button: an event with its hold, and a request that nobody had to make', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const id = eventId('0b8a1c7e-0000-4000-8000-000000000000');
  const atUtcMs = unit.utcOf(START_MONO_MS + 60_000);
  const span = { fromUtcMs: atUtcMs - 30_000, toUtcMs: atUtcMs + 120_000 };
  const upload = { id, cameras: ['front'], rendition: 'proxy', ...span, urgent: true };
  const detail = { kind: 'panic', atMonoMs: START_MONO_MS + 60_000, on: true, hold: { holdId: id, ...span }, upload };
  const hold: JournalBodies['hold'] = {
    ...{
      holdId: id,
      action: 'placed',
      owner: 'event: panic',
      cameras: ['front'],
      ...span,
      reviewUtcMs: span.toUtcMs + 86_400_000,
      bytes: 4096,
    },
  };
  const from = unit.records.length;
  unit.record('event', { event: 'mark', detail });
  unit.record('hold', hold);
  unit.record('event', { event: 'mark', detail: { ...detail, kind: 'earthquake' } });
  unit.record('event', { event: 'gnss-fix', detail: { why: 'fix' } });
  await unit.sendJournal(from);

  const told = await until('the wagon is asked', () => unit.desired.at(-1));
  t.match(told.statement, { pulls: [{ pullId: id, rendition: 'proxy', urgent: true, ...span }] });
  t.notOk(told.statement.holds, 'its own hold is not told back to it');
  const pull = await centre.store.db.selectFrom('pull').selectAll().where('id', '=', id).executeTakeFirst();
  t.match(pull, { person: 'policy of the wagon', reason: 'event: panic', state: /queued|waiting/ });
  const coverage = new CoverageReader(centre.store.db, { utc: () => Date.now() });
  const asked = { unit: 'wagon-1', fromMs: span.fromUtcMs, toMs: span.toUtcMs };
  const at = new Date(atUtcMs).toISOString();
  t.match((await coverage.read(asked)).events, [{ kind: 'panic', at, on: true, hold: { id, state: 'placed' } }]);

  const holds = new Holds({ store: centre.store, ingest: centre.ingest, clock: { utc: () => Date.now() } });
  t.match(await holds.list(), [{ id, state: 'placed', owner: 'event: panic', person: 'policy of the wagon', bytes: 4096 }]);
  const seen = unit.desired.length;
  await holds.lift(id);
  t.match((await until('told to let go', () => unit.desired[seen])).statement, { lifts: [id] });
  const next = unit.records.length;
  unit.record('hold', { ...hold, action: 'released' });
  const offsetMs = atUtcMs - detail.atMonoMs + 10_000;
  // A clock that is hardly better than the event's own claim, and of another hour.
  unit.record('clock', { atMonoMs: START_MONO_MS + 60_500, offsetMs: offsetMs + 3_600_000, source: 'ntp', errorMs: 600 });
  await unit.sendJournal(next);
  t.match((await coverage.read(asked)).events, [{ at: new Date(atUtcMs).toISOString() }], 'takes nothing with it');
  // A better clock of the boot: it was ten seconds later.
  unit.record('clock', { atMonoMs: START_MONO_MS + 61_000, offsetMs, source: 'gnss', errorMs: 200 });
  await unit.sendJournal(unit.records.length - 1);
  t.match(await holds.list(), [{ id, state: 'lifted' }]);
  const better = new Date(atUtcMs + 10_000).toISOString();
  t.match((await coverage.read(asked)).events, [{ at: better, hold: { state: 'lifted' } }], 'dated again by a better clock');
  await unit.end();
});

t.test('what a wagon says of its power, and when it can be reached next', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const units = new UnitReader(centre.store.db, systemClock);
  t.equal((await units.get('wagon-1')).power, null, 'it never said anything');
  const nextContactUtcMs = Date.UTC(2026, 10, 24, 12);
  const body = {
    mode: 'standby',
    reason: 'watch-spent',
    sentence: 'Standby for 1 s.',
    record: false,
    shed: { proxies: true, cameras: ['rear'] },
    supplyV: 12.14,
    left: null,
    nextContactUtcMs,
  };
  const from = unit.records.length;
  unit.record('power', { ...body, mode: 'parked-watch', left: { cameraHours: 8.5, errorCameraHours: 1.25 }, nextContactUtcMs: null });
  unit.record('power', body);
  unit.record('power', { flush: 'done', reason: 'watch-spent' });
  unit.record('power', { ...body, mode: 'flying' });
  unit.record('power', { ...body, shed: { proxies: true, cameras: ['../rear'] } });
  await unit.sendJournal(from);
  t.match((await units.get('wagon-1')).power, {
    ...{ mode: 'standby', reason: 'watch-spent', sentence: 'Standby for 1 s.', supplyV: 12.14, left: null },
    nextContact: '2026-11-24T12:00:00.000Z',
    shed: { proxies: true, cameras: ['rear'] },
  });
  await unit.end();
});

/** Two wagons under one name, with real recorders: the centre tells it, keeps what each has said, and believes neither in the other's place. */
import { sha256Hex } from '@longroof/base/canonical';
import type { PullShape } from '@longroof/controller/api/shapes';
import t from 'tap';
import { until } from '../peers/program.js';
import { startStack } from '../peers/stack.js';
import { addManager, alarmed, alarmsOf, copyWagon, signIn, unitOf } from './wagons.js';

t.setTimeout(600_000);

t.test('copied keys, another disk: two lives take turns; both are kept, and the alarm stays until somebody has seen to it', async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const staff = await signIn(stack, 'demo');
  const manager = await addManager(stack);
  const first = await until('the first is known', async () => (await unitOf(staff, stack.unit)).epoch ?? undefined);
  await until('its journal is here', async () => (await unitOf(staff, stack.unit)).journal.next > 2);
  t.same((await unitOf(staff, stack.unit)).alarms, []);

  const clone = copyWagon(stack, 'copied-keys', false)();
  t.teardown(() => clone.stop('SIGKILL'));
  const second = await until(
    'the second is known',
    async () => {
      const { epoch } = await unitOf(staff, stack.unit);
      return epoch !== first && epoch ? epoch : undefined;
    },
    120_000,
  );
  const alarm = await alarmed(staff, stack.unit, 'LR_EPOCH_RETURNED');
  t.match(alarm.detail, { newestHead: /^[0-9a-f]{64}$/, newestHas: Number, certificate: String });
  t.match(new Set([alarm.epoch, alarm.detail['newest']]), new Set([first, second]), 'both lives are named');
  t.match((await unitOf(staff, stack.unit)).alarms, [{ code: 'LR_EPOCH_RETURNED', epoch: alarm.epoch }], 'on the page of the wagon');

  const close = { reason: 'the old card was in the workshop, and is destroyed' };
  t.match(await staff(`units/${stack.unit}/alarms/${alarm.id}/close`, close), { status: 403, json: { code: 'LR_ROLE' } });
  t.equal(await clone.stop('SIGTERM'), 0);
  // Whoever comes last after that is the first.
  await until('the first is back', async () => (await unitOf(staff, stack.unit)).epoch === first, 120_000);
  t.match(await manager(`units/${stack.unit}/alarms/${alarm.id}/close`, close), {
    status: 200,
    json: { closed: { person: 'max', ...close } },
  });
  t.match(await manager(`units/${stack.unit}/alarms/${alarm.id}/close`, close), { status: 409, json: { code: 'LR_ALARM_CLOSED' } });
  t.same((await unitOf(staff, stack.unit)).alarms, []);
  t.match(await alarmsOf(staff, stack.unit), [{ id: alarm.id, closed: { reason: close.reason } }], 'it stays on record');
  const to = new Date().toISOString();
  const from = new Date(Date.now() - 2000).toISOString();
  const asked = { unitId: stack.unit, cameras: ['front'], from, to, quality: 'proxy', reason: 'a test' };
  const { id } = (await staff('pulls', asked)).json as PullShape;
  await until(
    'the first still does what it is asked',
    async () => ((await staff(`pulls/${id}`)).json as PullShape).state === 'done',
    60_000,
  );
});

t.test('a copied disk: two wagons write one journal; it is told, and the first story stands', async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const staff = await signIn(stack, 'demo');
  await until('its journal is here', async () => (await unitOf(staff, stack.unit)).journal?.next > 2);
  t.equal(await stack.agent().stop('SIGTERM'), 0);
  const startClone = copyWagon(stack, 'copied-disk', true);
  const { next } = (await unitOf(staff, stack.unit)).journal;
  stack.startAgent();
  await until('the first has gone on', async () => (await unitOf(staff, stack.unit)).journal.next > next + 3);
  const clone = startClone();
  t.teardown(() => clone.stop('SIGKILL'));
  // Which is seen first depends on who connects when: a copy that has fallen behind, or one that tells another story.
  const alarm = await alarmed(staff, stack.unit, 'LR_JOURNAL_FORK', 'LR_JOURNAL_ROLLBACK');
  t.comment(`${alarm.code}, ${alarm.records.length} records contradict`);
  if (alarm.code === 'LR_JOURNAL_ROLLBACK') t.match(alarm.detail, { has: Number, here: Number, certificate: String });
  else {
    const [first] = alarm.records;
    const { prev } = JSON.parse(first?.other ?? '{}') as { prev?: string };
    const follows = alarm.before !== null && sha256Hex(alarm.before) === prev;
    t.ok(!follows || first?.stored !== null, 'both sides: what is stored, and what cannot stand beside it');
    // What was refused is written once a second.
    await until('its record has a break', async () => !(await unitOf(staff, stack.unit)).journal.whole);
  }
  t.ok(
    (await unitOf(staff, stack.unit)).alarms.some(({ code }) => code === alarm.code),
    'on the page of the wagon',
  );
  t.equal(await clone.stop('SIGTERM'), 0);
  const before = (await unitOf(staff, stack.unit)).journal.next;
  await until('the first one goes on', async () => (await unitOf(staff, stack.unit)).journal.next > before, 120_000);
});

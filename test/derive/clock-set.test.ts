/** A pull, a restart in the middle of it, and a clock that is set meanwhile, with a real spool. */
import type { StoredFragment } from '@longroof/edge-agent/spool/spool';
import type { DesiredPull } from '@longroof/protocol/messages';
import t from 'tap';
import { until } from '../peers/program.js';
import { FRONT, recordedWagon } from './wagon.js';

t.setTimeout(110_000);

t.test('what was planned is sent, also where the clock has been set since', async (t) => {
  const recorded = await recordedWagon(t);
  const { wagon } = recorded;
  const [fromUtcMs, toUtcMs] = [recorded.fromUtcMs + 30_000, recorded.toUtcMs - 30_000];
  const pull: DesiredPull = { pullId: 'p-clock', cameras: ['front'], rendition: 'original', fromUtcMs, toUtcMs };
  const second = await wagon.start('boot-1');
  second.uplink.answers = false;
  wagon.give(second, pull);
  const { parts = [] } = await until('planned', () => wagon.done('p-clock')[0], 60_000);
  await until('sending', () => second.uplink.sent.length > 0);
  // A receiver finds its satellites: the footage is of twenty seconds later than was thought.
  const { fragments } = await second.spool.select([FRONT], fromUtcMs, toUtcMs);
  const middle = fragments[fragments.length >> 1] as StoredFragment;
  const offsetMs = middle.wall.utcMs - middle.meta.startMonoMs + 20_000;
  second.spool.noteClock({ atMonoMs: middle.meta.startMonoMs, offsetMs, source: 'gnss', errorMs: 1 });
  const first = async (): Promise<number | undefined> => (await second.spool.select([FRONT], fromUtcMs, toUtcMs)).fragments[0]?.meta.seq;
  await until('the same time is that of other fragments', async () => (await first()) !== fragments[0]?.meta.seq);
  await second.stop();

  const third = await wagon.start('boot-1');
  const [, end, ...more] = await until('its end', () => ((said) => said.length > 1 && said)(wagon.done('p-clock')), 60_000);
  t.same([end?.state, more], ['complete', []], 'planned once');
  const named = parts.flatMap(({ run, seqFirst, seqLast }) =>
    Array.from({ length: seqLast - seqFirst + 1 }, (_, i) => `${run}/${seqFirst + i}`),
  );
  t.ok(named.length > 35, `${named.length} fragments were planned`);
  t.same(third.uplink.sent.map(({ meta }) => `${meta.run}/${meta.seq}`).sort(), named.sort());
  await third.stop();
});

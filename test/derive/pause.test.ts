/** A unit that saves its battery makes no strips; what became too old meanwhile is counted, not made up for. */
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import { StripMaker } from '@longroof/edge-agent/derive/strip-maker';
import t from 'tap';

t.test('strips pause while load is shed', async (t) => {
  const clock = new SimClock();
  let paused = false;
  let looked = 0;
  const spool = {
    stats: () => ({ state: 'ok', queuedBytes: 0 }),
    select: async () => {
      looked += 1;
      return { fragments: [], missing: [] };
    },
  };
  const strips = new StripMaker({
    ...{ spool: spool as never, clock, log: silentLog, runAs: () => undefined },
    sources: () => [{ camera: 'front', rendition: 'proxy' }],
    paused: () => paused,
  });
  strips.start();
  const pass = async (minutes: number): Promise<void> => {
    for (let s = 0; s < minutes * 60; s++) await clock.advance(1000);
  };
  await pass(5);
  t.ok(looked >= 3 && looked <= 5, `${looked} minutes looked at`);
  paused = true;
  await pass(1);
  const before = looked;
  await pass(30);
  t.equal(looked, before, 'none while it saves');
  paused = false;
  await pass(2);
  t.ok(looked > before, 'and then it goes on');
  t.ok(strips.counters.skipped >= 15, `${strips.counters.skipped} skipped`);
  const ended = strips.stop();
  await clock.advance(2000);
  await ended;
});

/** Live looks on a clock that is moved by hand: what ends one, how many there may be, and what the audit chain says of each. */
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import t from 'tap';
import { openStore } from '../store/open.js';
import { GONE_MS, LiveDesk, LOOK_MS_MAX } from './desk.js';

const CAMERAS = ['front', 'rear', 'left', 'right', 'roof'];

async function rig(t: { testdir(): string; teardown(run: () => Promise<void>): void }) {
  const clock = new SimClock();
  const store = await openStore({ dir: t.testdir(), clock, log: silentLog });
  t.teardown(() => store.close());
  const told: string[] = [];
  const watched = new Map<string, boolean>();
  const link = {
    async sendDesired(unit: string) {
      told.push(unit);
    },
    watchLive: (unit: string, on: boolean) => void watched.set(unit, on),
    acknowledgeLive: () => undefined,
  };
  const streams = Object.fromEntries(CAMERAS.map((camera) => [camera, { state: 'recording' }]));
  const nothing = { epoch: null, run: null, version: null, lat_deg: null, lon_deg: null, fix_utc_ms: null };
  for (const unit of ['wagon-1', 'wagon-2'])
    await store.db
      .insertInto('unit')
      .values({
        ...{ unit, part: '00', first_seen_utc_ms: 0, last_seen_utc_ms: 0, online: unit === 'wagon-1' ? 1 : 0, generation: 0, ...nothing },
        status_json: JSON.stringify({ online: true, streams }),
      })
      .execute();
  const desk = new LiveDesk({ store, link, clock, log: silentLog });
  const audit = async () =>
    (await store.db.selectFrom('audit').select(['action', 'person', 'reason', 'detail_json']).orderBy('seq').execute()).map((row) => ({
      ...row,
      why: (JSON.parse(row.detail_json) as { why?: string }).why,
    }));
  /** The desk looks around each second; its database answers in its own time. */
  const passes = async (ms: number, stepMs = 1000): Promise<void> => {
    for (let left = ms; left > 0; left -= stepMs) {
      await clock.advance(Math.min(left, stepMs));
      await store.db.selectFrom('unit').select('unit').execute();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { clock, store, desk, told, watched, audit, passes };
}

const wish = (camera = 'front', unitId = 'wagon-1') => ({ unitId, camera, reason: 'complaint 12' });

t.test('a browser that asks no more, and one that asks for ever', async (t) => {
  const { desk, passes, audit, told, watched } = await rig(t);
  desk.start();
  const gone = await desk.begin('ada', wish());
  t.same([told.length, watched.get('wagon-1')], [1, true]);
  await passes(GONE_MS + 2000);
  t.same(await desk.list(), []);
  t.match(await audit(), [
    { action: 'live', person: 'ada', reason: 'complaint 12' },
    { action: 'live-end', person: 'ada', why: 'gone' },
  ]);
  t.same([told.length, watched.get('wagon-1')], [2, false], 'the unit is told of the end');
  await t.rejects(desk.pieces(gone.id, 'ada', 0, AbortSignal.timeout(1)), { code: 'LR_LIVE_OVER' });

  const long = await desk.begin('ada', wish());
  const stop = new AbortController();
  const asking = (async () => {
    while (!stop.signal.aborted) await desk.pieces(long.id, 'ada', 0, stop.signal).catch(() => stop.abort());
  })();
  await passes(LOOK_MS_MAX - 10_000, 4000);
  t.equal((await desk.list()).length, 1, 'it lasts while it is watched');
  await passes(15_000);
  t.same(await desk.list(), [], 'and half an hour at the longest');
  stop.abort();
  await asking;
  t.match((await audit()).at(-1), { action: 'live-end', why: 'time' });
  await desk.stop();
});

t.test('what may not be begun', async (t) => {
  const { desk } = await rig(t);
  await t.rejects(desk.begin('ada', { ...wish(), reason: ' x ' }), { code: 'LR_VIEW_REASON' });
  await t.rejects(desk.begin('ada', wish('mirror')), { code: 'LR_CAMERA_UNKNOWN' });
  await t.rejects(desk.begin('ada', wish('front', 'wagon-9')), { code: 'LR_UNIT_UNKNOWN' });
  await t.rejects(desk.begin('ada', wish('front', 'wagon-2')), { code: 'LR_LIVE_OFFLINE' });
  for (const camera of CAMERAS.slice(0, 4)) await desk.begin('ada', wish(camera));
  await t.rejects(desk.begin('ada', wish('roof')), { code: 'LR_LIVE_COUNT' }, 'four cameras of a wagon');
  await desk.begin('ben', wish('front'));
  t.equal((await desk.list()).length, 5, 'but as many people as wish');
  await desk.stop();
  t.same(await desk.list(), []);
});

t.test('a look whose process died is closed by whoever is there', async (t) => {
  const { store, clock, desk, passes, audit } = await rig(t);
  const begun = clock.utc() - 60_000;
  const row = { id: 'x', unit: 'wagon-1', camera: 'front', person: 'ada', reason: 'complaint 12', begun_utc_ms: begun };
  await store.db
    .insertInto('live')
    .values({ ...row, until_utc_ms: begun + 20_000 })
    .execute();
  t.same(await desk.list(), [], 'it counts no more');
  desk.start();
  await passes(8_000);
  t.match(await audit(), [{ action: 'live-end', person: 'ada', reason: 'complaint 12', why: 'centre-lost' }]);
  t.same(await store.db.selectFrom('live').selectAll().execute(), []);
  await desk.stop();
});

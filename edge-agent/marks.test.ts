import { SimClock } from '@longroof/base/clock-sim';
import { ConfigContext } from '@longroof/base/config';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import type { EventConfig } from '@longroof/protocol/event-config';
import { eventConfig } from '@longroof/protocol/event-config';
import { eventId, isEventId, MARK_KINDS, type MarkDetail, readMark } from '@longroof/protocol/marks';
import t from 'tap';
import { Marks, SpeedWatch } from './marks.js';
import type { HoldRequest } from './spool/spool.js';

const MINUTE = 60_000;

function bench(change: Record<string, unknown> = {}, refuses = false) {
  const clock = new SimClock();
  const details: MarkDetail[] = [];
  const holds = new Map<string, HoldRequest>();
  const context = new ConfigContext('/');
  const config = eventConfig.read(change, 'events', context) as EventConfig;
  t.same(context.problems, []);
  const spool = {
    record: async (_type: string, body: unknown) => details.push((body as { detail: MarkDetail }).detail),
    hold: async (request: HoldRequest) => {
      if (!refuses) holds.set(request.holdId, request);
      return refuses ? { placed: false, bytes: 0, reason: 'half is held' } : { placed: true, bytes: 1 };
    },
    releaseHold: async (holdId: string) => holds.delete(holdId),
    holds: async () => [...holds.values()],
  };
  const offsetMs = clock.utc() - clock.mono();
  const claim = { source: 'ntp' as 'ntp' | 'none', errorMs: 100 };
  const marks = new Marks({
    ...{ spool: spool as never, clock, log: silentLog, config, cameras: () => ['front', 'rear'] },
    claim: (monoMs) => ({ ...claim, utcMs: monoMs + offsetMs }),
  });
  return { clock, details, holds, marks, offsetMs, claim };
}

t.test('an event holds 30 s before to 2 min after on every camera, widened by the error of the clock', async (t) => {
  const { clock, details, holds, marks, offsetMs } = bench({ panic: { upload: 'proxy', urgent: true } });
  const atMonoMs = clock.mono();
  await marks.mark('panic', atMonoMs);
  const span = { fromUtcMs: atMonoMs + offsetMs - 30_100, toUtcMs: atMonoMs + offsetMs + 2 * MINUTE + 100 };
  const [hold] = holds.values();
  t.match(hold, { ...span, cameras: ['front', 'rear'], owner: 'event: panic', reviewUtcMs: span.toUtcMs + 30 * 24 * 60 * MINUTE });
  t.ok(hold && isEventId(hold.holdId));
  const [detail] = details;
  t.match(detail, {
    kind: 'panic',
    on: true,
    hold: { holdId: hold?.holdId, ...span },
    upload: { rendition: 'proxy', urgent: true, ...span },
  });
  t.same(readMark(JSON.parse(JSON.stringify(detail))), detail, 'the centre reads it');
});

t.test('each kind has a policy of its own; one that protects nothing is still marked', async (t) => {
  const { details, holds, marks } = bench({ ignition: { hold: false }, braking: { before: '1m', after: '10s', keep: '1h' } });
  await marks.mark('ignition', 600_000, { on: false });
  t.equal(holds.size, 0);
  t.match(details, [{ kind: 'ignition', on: false }]);
  await marks.mark('braking', 600_000, { value: 6.123 });
  const [hold] = holds.values();
  t.equal((hold?.toUtcMs ?? 0) - (hold?.fromUtcMs ?? 0), 70_200);
  t.match(details[1], { value: 6.12 });
});

t.test('however many events come how fast: all around each is held, by one hold each two minutes at most', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let n = fuzzCases(30); n > 0; n--) {
    const { details, holds, marks, offsetMs } = bench();
    let atMonoMs = 1_000_000;
    const startMonoMs = atMonoMs;
    const times: number[] = [];
    for (let i = 0; i < 200; i++) {
      atMonoMs += random.pick([10, 500, 3000, 30_000, 100_000, 400_000]);
      times.push(atMonoMs);
      await marks.mark('tamper', atMonoMs);
    }
    const spans = [...holds.values()].sort((a, b) => a.fromUtcMs - b.fromUtcMs);
    const isHeld = (fromMs: number, toMs: number): boolean => {
      let reached = fromMs;
      for (const span of spans) if (span.fromUtcMs <= reached && span.toUtcMs > reached) reached = span.toUtcMs;
      return reached >= toMs;
    };
    for (const at of times)
      if (!isHeld(at + offsetMs - 30_000, at + offsetMs + 2 * MINUTE)) t.fail(`case ${n}: not all around ${at - startMonoMs} is held`);
    if (spans.length > 2 + (atMonoMs - startMonoMs) / (2 * MINUTE)) t.fail(`case ${n}: ${spans.length} holds`);
    t.equal(details.length, 200, 'each is in the journal');
  }
});

t.test('a refused hold is tried again by the next event; holds end when their time is over by a clock that is right', async (t) => {
  const full = bench({}, true);
  await full.marks.mark('panic', 1_000_000);
  await full.marks.mark('panic', 1_001_000);
  t.not(full.details[0]?.hold?.holdId, full.details[1]?.hold?.holdId);
  const { clock, holds, marks, claim } = bench({ panic: { keep: '1h' } });
  await marks.mark('panic', clock.mono());
  holds.set('by-a-person', { ...[...holds.values()][0]!, holdId: 'by-a-person' });
  await marks.letGo();
  t.equal(holds.size, 2);
  await clock.advance(2 * 60 * MINUTE);
  claim.source = 'none';
  await marks.letGo();
  t.equal(holds.size, 2, 'a clock that was never set ends nothing');
  claim.source = 'ntp';
  await marks.letGo();
  t.same([...holds.keys()], ['by-a-person']);
});

t.test('too fast is told once, and again only after it was slower', async (t) => {
  const watch = new SpeedWatch(130);
  const told = (kmh: (number | null)[]): boolean[] => kmh.map((one) => watch.take(one === null ? null : one / 3.6));
  t.same(told([140, 140, 140, 140]), [false, false, true, false]);
  t.same(told([128, 140, 140, 140]), [false, false, false, false], 'a moment just below is none');
  t.same(told([120, 140, null, 140, 140]), [false, false, false, false, true]);
  t.same(new SpeedWatch(undefined).take(100), false);
});

t.test('rubbish is no mark', async (t) => {
  const good = {
    kind: 'speed',
    atMonoMs: 5,
    on: true,
    hold: { holdId: eventId('0b8a1c7e-0000-4000-8000-000000000000'), fromUtcMs: 1, toUtcMs: 2 },
  };
  t.ok(readMark(good));
  for (const wrong of [
    null,
    5,
    {},
    { ...good, kind: 'x' },
    { ...good, on: 1 },
    { ...good, hold: { ...good.hold, holdId: 'h1' } },
    { ...good, value: 'x' },
  ])
    t.equal(readMark(wrong), undefined);
  t.equal(MARK_KINDS.length, 6);
});

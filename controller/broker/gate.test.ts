import { SimClock } from '@longroof/base/clock-sim';
import t from 'tap';
import { GATE_LIMITS, Gate, type GateLimits } from './gate.js';

function gateOf(limits: Partial<GateLimits> = {}) {
  const clock = new SimClock();
  const inside: number[] = [];
  const away: [number, string][] = [];
  const gate = new Gate<number>({
    clock,
    limits: { ...GATE_LIMITS, atOnceFirst: 2, atOnceMin: 1, atOnceMax: 4, ...limits },
    letIn: (one) => void inside.push(one),
    sendAway: (one, why) => void away.push([one, why]),
  });
  return { clock, gate, inside, away };
}

t.test('so many at a time, the newest first; who is served or gone makes room', async (t) => {
  const { gate, inside } = gateOf();
  for (let one = 1; one <= 5; one += 1) gate.arrive(one);
  t.same(inside, [1, 2]);
  t.equal(gate.waiting, 3);
  gate.gone(1);
  t.same(inside, [1, 2, 5]);
  gate.gone(4);
  t.equal(gate.waiting, 1, 'one that left does not wait');
  gate.gone(2);
  t.same(inside, [1, 2, 5, 3]);
  t.same(gate.stop(), []);
});

t.test('who makes us wait keeps nobody out, but one that is being served does', async (t) => {
  const { clock, gate, inside } = gateOf({ atOnceMax: 2 });
  for (let one = 1; one <= 4; one += 1) gate.arrive(one);
  gate.serving(1);
  await clock.advance(200 * GATE_LIMITS.turnsMax);
  t.same(inside, [1, 2, 4], 'the second dripped');
  await clock.advance(200 * GATE_LIMITS.turnsMax);
  t.same(inside, [1, 2, 4, 3]);
  gate.gone(1);
  t.same(gate.stop(), []);
});

t.test('beyond the bound, and beyond its time, the oldest is sent away', async (t) => {
  const { clock, gate, away } = gateOf({ waitingMax: 2, waitMs: 5000, turnsMax: 1000, atOnceMax: 2 });
  for (let one = 1; one <= 5; one += 1) gate.arrive(one);
  t.same(away, [[3, 'full']]);
  await clock.advance(3000);
  gate.gone(1);
  gate.arrive(6);
  await clock.advance(2000);
  t.same(away, [
    [3, 'full'],
    [4, 'waited'],
  ]);
  t.equal(gate.waiting, 1);
  t.same(gate.stop(), [6]);
});

t.test('turns that come late let fewer in at a time, at least some', async (t) => {
  let lateMs = 0;
  const sim = new SimClock();
  const clock = Object.assign(Object.create(sim) as SimClock, {
    mono: () => sim.mono() + lateMs,
    every: (ms: number, run: () => void) => sim.every(ms, run),
  });
  const limits = { ...GATE_LIMITS, waitMs: 1e9, turnsMax: 1e9 };
  const gate = new Gate<number>({ clock, limits, letIn: () => undefined, sendAway: () => undefined });
  for (let one = 0; one < 1000; one += 1) gate.arrive(one);
  t.equal(gate.atOnce, limits.atOnceFirst);
  for (let turn = 0; turn < 20; turn += 1) {
    lateMs += 1200;
    await sim.advance(200);
  }
  t.equal(gate.atOnce, limits.atOnceMin);
  gate.served(15);
  t.equal(gate.atOnce, limits.atOnceMin, 'no more as long as turns are late');
  gate.stop();
});

t.test('each that is served lets more in, each that is not through in time fewer, within bounds', async (t) => {
  const { clock, gate, inside } = gateOf({ atOnceMax: 6 });
  for (let one = 1; one <= 40; one += 1) gate.arrive(one);
  for (let n = 0; n < 20; n += 1) gate.served(inside[n] as number);
  t.equal(gate.atOnce, 6);
  await clock.advance(200 * GATE_LIMITS.turnsMax);
  t.equal(gate.atOnce, 2, 'no fewer than at the beginning: who drips must not shut the others out');
  gate.stop();
});

t.test('where those inside wait for us, no more are let in', async (t) => {
  const { gate } = gateOf();
  for (let one = 1; one <= 9; one += 1) gate.arrive(one);
  gate.serving(1);
  gate.serving(2);
  gate.served(1);
  gate.served(2);
  t.equal(gate.atOnce, 2, 'both waited for us');
  gate.served(9);
  gate.served(8);
  t.equal(gate.atOnce, 3);
  gate.stop();
});

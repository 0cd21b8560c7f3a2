/**
 * Copies on the unit, with a real spool and the real encoder: what was made before a restart is sent and not made again, footage of an
 * earlier boot keeps its time, and footage that cannot be copied is told as missing.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { StoredFragment } from '@longroof/edge-agent/spool/spool';
import { fragmentKey } from '@longroof/edge-agent/uplink/fragment-queue';
import type { DesiredPull } from '@longroof/protocol/messages';
import t from 'tap';
import { until } from '../peers/program.js';
import { FRONT, recordedWagon } from './wagon.js';

t.setTimeout(110_000);

const keys = (fragments: readonly StoredFragment[]): string[] => fragments.map(({ meta }) => fragmentKey(meta)).sort();

t.test('made once, sent until it is there, with the time of its originals', async (t) => {
  const { wagon, fromUtcMs, toUtcMs } = await recordedWagon(t);
  const pull: DesiredPull = { pullId: 'p-1', cameras: ['front'], rendition: 'original', fromUtcMs, toUtcMs, rateBps: 100_000 };
  const second = await wagon.start('boot-2');
  second.uplink.answers = false;
  wagon.give(second, pull);
  const planned = await until('planned', () => wagon.done('p-1')[0], 60_000);
  const [part, ...more] = planned.parts ?? [];
  t.same(more, [], 'one part');
  t.match(part, { camera: 'front', rendition: 'derived', from: [{ rendition: 'original', run: 1 }] });
  t.same(planned.missing, []);
  await until('sending', () => second.uplink.sent.length > 0);
  const some = keys(second.uplink.sent);
  await second.stop();

  const third = await wagon.start('boot-2');
  await until('complete', () => wagon.done('p-1').some((body) => body.state === 'complete'), 60_000);
  t.equal(wagon.done('p-1').length, 2, 'planned once');
  const sent = [...third.uplink.sent].sort((a, b) => a.meta.seq - b.meta.seq);
  t.ok(
    some.every((key) => keys(sent).includes(key)),
    'the same fragments, by name',
  );
  t.equal(sent.length, (part?.seqLast ?? 0) - (part?.seqFirst ?? 0) + 1);
  t.ok(sent.every(({ meta }) => meta.rendition === 'derived' && meta.independent && meta.initSha256 === sent[0]?.meta.initSha256));
  const [one, last] = [sent[0] as StoredFragment, sent.at(-1) as StoredFragment];
  t.ok(one.meta.wall.utcMs <= fromUtcMs && one.meta.wall.utcMs > fromUtcMs - 1100, `begins ${fromUtcMs - one.meta.wall.utcMs} ms before`);
  const endMs = last.meta.wall.utcMs + last.meta.duration90k / 90;
  t.ok(endMs >= toUtcMs && endMs < toUtcMs + 1100, `ends ${endMs - toUtcMs} ms behind`);
  t.equal(
    sent.reduce((sum, { meta }) => sum + meta.frames, 0),
    Math.round(((endMs - one.meta.wall.utcMs) / 1000) * 25),
    'every picture',
  );
  for (const [index, { meta }] of sent.entries()) {
    const before = sent[index - 1]?.meta;
    if (before && Math.abs(before.wall.utcMs + before.duration90k / 90 - meta.wall.utcMs) > 1) t.fail(`a hole before ${meta.seq}`);
  }
  t.equal((await third.spool.select([FRONT], fromUtcMs, toUtcMs)).fragments.filter((one) => one.released).length, 0);
  await third.stop();
});

/** Processes that this one started and that are still there. */
function children(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
        return state !== 'Z' && Number(parent) === process.pid;
      } catch {
        return false;
      }
    });
}

t.test('called off: the encoder is ended at once, nothing is sent, and the next pull has its turn', async (t) => {
  const { wagon, fromUtcMs, toUtcMs } = await recordedWagon(t);
  const unit = await wagon.start('boot-2');
  const pull: DesiredPull = { pullId: 'p-5', cameras: ['front'], rendition: 'original', fromUtcMs, toUtcMs, rateBps: 8_000_000 };
  const before = new Set(children());
  wagon.give(unit, pull, { ...pull, pullId: 'p-6' });
  const [encoder] = await until('it encodes', () => {
    const begun = children().filter((pid) => !before.has(pid));
    return begun.length > 0 && begun;
  });
  const next: DesiredPull = { ...pull, pullId: 'p-7', toUtcMs: fromUtcMs + 3000, rateBps: 100_000 };
  wagon.give(unit, next);
  await until('its encoder has ended', () => !children().includes(encoder as string), 3000);
  await until('the next one ends', () => wagon.done('p-7').some((body) => body.state === 'complete'), 60_000);
  t.same([...wagon.done('p-5'), ...wagon.done('p-6')], [], 'no word of those that were called off');
  const [planned] = wagon.done('p-7');
  const parts = planned?.parts ?? [];
  t.ok(
    unit.uplink.sent.every(({ meta }) => parts.some((part) => meta.seq >= part.seqFirst && meta.seq <= part.seqLast)),
    'and nothing of them on the wire',
  );
  await until('nothing is under way', () => unit.commander.counters.running === 0);
  t.match(unit.commander.counters, { complete: 1, refused: 0, partial: 0 });
  await unit.stop();
});

t.test('what cannot be copied is missing, and the rest comes', async (t) => {
  const { wagon, fromUtcMs, toUtcMs } = await recordedWagon(t);
  const folder = path.join(wagon.dir, 'spool/reels/front');
  // A reel of a whole minute: the shorter ones may lie outside of the pull.
  const reels = readdirSync(folder).map((name) => path.join(folder, name));
  const [file = ''] = reels.sort((a, b) => statSync(b).size - statSync(a).size);
  const bytes = readFileSync(file);
  const middleAt = Math.floor(bytes.length / 2);
  bytes.fill(0, middleAt, middleAt + 2000);
  writeFileSync(file, bytes);
  const unit = await wagon.start('boot-2');
  wagon.give(unit, { pullId: 'p-2', cameras: ['front'], rendition: 'original', fromUtcMs, toUtcMs, rateBps: 100_000 });
  await until('it ends', () => wagon.done('p-2').some((body) => body.state !== 'planned'), 60_000);
  const [planned, ended] = wagon.done('p-2');
  t.match(ended, { state: 'partial' });
  t.match(planned?.missing, [{ camera: 'front', cause: 'damaged' }]);
  t.ok(unit.uplink.sent.length > 10);

  wagon.give(unit, { pullId: 'p-3', cameras: ['front'], rendition: 'original', fromUtcMs, toUtcMs, rateBps: 1 });
  wagon.give(unit, { pullId: 'p-4', cameras: ['front'], rendition: 'proxy', fromUtcMs, toUtcMs, rateBps: 100_000 });
  await until('both end', () => wagon.done('p-4').some((body) => body.state !== 'planned'), 60_000);
  t.match(wagon.done('p-3'), [{ state: 'refused', code: 'LR_PULL_RATE' }]);
  t.match(wagon.done('p-4'), [{ state: 'planned', parts: [], missing: [{ cause: 'unknown-camera' }] }, { state: 'complete' }]);
  await unit.stop();
});

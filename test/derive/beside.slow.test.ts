/**
 * Recording goes first: eight cameras on one core, while the wagon makes copies and strips of all of them beside it. No second is missing and no
 * packet is lost.
 */
import path from 'node:path';
import type { PullShape } from '@longroof/controller/api/shapes';
import t from 'tap';
import { type Ask, client, recorded } from '../custody/client.js';
import { makeMedia, SMALL } from '../peers/media.js';
import { until } from '../peers/program.js';
import { startStack } from '../peers/stack.js';
import { fsck, journalRecords } from '../peers/wagon.js';

t.setTimeout(300_000);
const CAMERAS = Array.from({ length: 8 }, (_, index) => `cam-${index + 1}`);
const SPAN_S = 15;
/** Of the beginning and the end of recording: nothing went wrong. */
const ORDERLY = new Set(['starting', 'stopped', 'configuration']);

async function ended(ask: Ask, wanted: object): Promise<PullShape> {
  const { id } = (await (await ask('pulls', wanted)).json()) as PullShape;
  return until(
    'the pull ends',
    async () => {
      const pull = (await (await ask(`pulls/${id}`)).json()) as PullShape;
      return (pull.state === 'done' || pull.state === 'failed') && pull;
    },
    180_000,
  );
}

t.test('eight cameras record without a gap on one core while copies and strips are made', async (t) => {
  const file = await makeMedia({ ...SMALL, width: 640, height: 360, bitRate: 1_000_000 });
  const mounts = Object.fromEntries(CAMERAS.map((camera) => [camera, { files: [file] }]));
  const stack = await startStack({ mounts, agentUnder: ['taskset', '-c', '0'], strips: true });
  t.teardown(() => stack.close());
  const ask = await client(stack);
  const from = await recorded(stack, ask, SPAN_S + 2, CAMERAS.length);
  const to = new Date(Date.parse(from) + SPAN_S * 1000).toISOString();
  const wanted = { unitId: stack.unit, cameras: CAMERAS, from, to, reason: 'a load' };
  const copies = await ended(ask, { ...wanted, quality: 'original', rate: '200k' });
  t.match(copies, { state: 'done', missing: [], derived: { rateBps: 200_000 } });
  t.equal(copies.parts.length, CAMERAS.length);

  const strips = await until(
    'strips of all cameras are here',
    async () => {
      const pull = await ended(ask, { ...wanted, quality: 'strip' });
      return pull.parts.length === CAMERAS.length && pull;
    },
    150_000,
  );
  for (const camera of CAMERAS) {
    const listed = (await (await ask(`pulls/${strips.id}/${camera}/strips`)).json()) as { strips: { name: string }[] };
    const jpeg = Buffer.from(await (await ask(`pulls/${strips.id}/${camera}/strips/${listed.strips[0]?.name}`)).arrayBuffer());
    t.equal(jpeg.toString('hex', 0, 3), 'ffd8ff', `${camera}: a JPEG of ${jpeg.length} bytes`);
  }
  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);

  const records = journalRecords(path.join(stack.folder, stack.unit, 'spool'));
  const gaps = records
    .filter((record) => record['type'] === 'gap')
    .map((record) => record['body'] as { camera: string; cause: string; durationMs: number });
  t.same(
    gaps.filter((gap) => !ORDERLY.has(gap.cause)),
    [],
    'no gap but before the first and after the last picture',
  );
  const catalogs = records
    .filter((record) => record['type'] === 'catalog')
    .map((record) => record['body'] as { camera: string; rendition: string; durationMs: number; lostPackets: number });
  for (const camera of CAMERAS) {
    const own = catalogs.filter((body) => body.camera === camera && body.rendition === 'original');
    const seconds = own.reduce((sum, body) => sum + body.durationMs, 0) / 1000;
    t.ok(seconds >= SPAN_S, `${camera}: ${seconds.toFixed(1)} s`);
    t.equal(
      own.reduce((sum, body) => sum + body.lostPackets, 0),
      0,
    );
  }
  const checked = await fsck(path.join(stack.folder, stack.unit, 'spool'));
  t.equal(checked.code, 0, checked.text);
});

/**
 * A pull that asks for a rate, the whole way: the wagon makes copies of just that span, says what they were made from, and frees nothing
 * of the originals; the centre plays them and says what they are; an export proves them. And where no copy can be made, that is said.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { PullShape } from '@longroof/controller/api/shapes';
import type { DoneBody } from '@longroof/protocol/journal';
import { MerkleFold } from '@longroof/protocol/merkle';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { type Stack, startStack } from '../peers/stack.js';
import { bin, fsck, journalRecords, readDatabase } from '../peers/wagon.js';
import { type Ask, client, recorded } from './client.js';

const run = promisify(execFile);
t.setTimeout(300_000);
const RATE_BPS = 100_000;
const SPAN_S = 6;

async function pullCopy(stack: Stack, ask: Ask, from: string, cameras: string[]): Promise<PullShape> {
  const to = new Date(Date.parse(from) + SPAN_S * 1000).toISOString();
  const answer = await ask('pulls', {
    ...{ unitId: stack.unit, cameras, from, to, quality: 'original', rate: '100k', reason: 'a stolen bicycle' },
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(text);
  const { id } = JSON.parse(text) as PullShape;
  return until(
    'the pull ends',
    async () => {
      const pull = (await (await ask(`pulls/${id}`)).json()) as PullShape;
      return pull.state === 'done' || pull.state === 'failed' ? pull : undefined;
    },
    90_000,
  );
}

/** What ffprobe sees of a file or playlist. */
async function probe(input: string, ...more: string[]): Promise<{ streams: Record<string, string>[]; format: Record<string, string> }> {
  const args = ['-v', 'error', '-show_streams', '-show_format', '-count_frames', '-of', 'json', ...more, input];
  return JSON.parse((await run('ffprobe', args)).stdout) as Awaited<ReturnType<typeof probe>>;
}

interface ReelSum {
  stream: string;
  count: number;
  released: number;
}

function reelSums(stack: Stack): ReelSum[] {
  return readDatabase(path.join(stack.folder, stack.unit, 'spool/index.db'), (db) =>
    db
      .prepare(
        'SELECT s.name AS stream, sum(r.count) AS count, sum(r.released) AS released FROM reels r JOIN streams s ON s.id = r.stream GROUP BY s.name',
      )
      .all(),
  ) as ReelSum[];
}

function leavesOf(stack: Stack, stream: string, run: number, first: number, last: number): Buffer[] {
  return readDatabase(path.join(stack.folder, stack.unit, 'spool/index.db'), (db) =>
    db
      .prepare(
        'SELECT f.sha AS sha FROM fragments f JOIN reels r ON r.id = f.reel JOIN streams s ON s.id = r.stream WHERE s.name = ? AND r.run = ? AND f.seq BETWEEN ? AND ? ORDER BY f.seq',
      )
      .all(stream, run, first, last)
      .map((row) => (row as { sha: Buffer }).sha),
  );
}

/** The journal's word on the copies, held against what lies on the disk. */
function checkPlan(t: Test, stack: Stack, pullId: string): void {
  const plan = journalRecords(path.join(stack.folder, stack.unit, 'spool'))
    .filter((record) => record['type'] === 'done')
    .map((record) => record['body'] as DoneBody)
    .find((body) => body.pullId === pullId && body.state === 'planned');
  t.match(plan?.derived, { rateBps: RATE_BPS, tool: /ffmpeg/, heightMax: 360, keyMs: 1000, audio: false });
  t.equal(plan?.parts?.length, 2);
  for (const part of plan?.parts ?? []) {
    t.equal(part.rendition, 'derived');
    for (const from of part.from ?? []) {
      const fold = new MerkleFold();
      const leaves = leavesOf(stack, part.camera, from.run, from.seqFirst, from.seqLast);
      t.equal(leaves.length, from.seqLast - from.seqFirst + 1);
      for (const leaf of leaves) fold.add(leaf);
      t.equal(fold.root().toString('hex'), from.root, `${part.camera}: the originals that it names are those on the disk`);
    }
    t.ok((part.from ?? []).length > 0);
  }
}

async function checkPictures(t: Test, stack: Stack, ask: Ask, pull: PullShape): Promise<void> {
  const { token } = (await (await ask(`pulls/${pull.id}/views`, { reason: 'a look' })).json()) as { token: string };
  for (const camera of ['front', 'rear']) {
    const file = path.join(stack.folder, `${camera}.mp4`);
    fs.writeFileSync(file, Buffer.from(await (await ask(`pulls/${pull.id}/${camera}.mp4`)).arrayBuffer()));
    const { streams, format } = await probe(file);
    t.match(streams, [{ codec_name: 'h264', width: 640, height: 360 }]);
    t.equal(streams.length, 1, 'no sound');
    const seconds = Number(format['duration']);
    t.ok(seconds > SPAN_S - 1 && seconds < SPAN_S + 3, `${camera}: ${seconds} s`);
    t.ok(Number(streams[0]?.['nb_read_frames']) >= (SPAN_S - 1) * 25, `${streams[0]?.['nb_read_frames']} pictures`);
    const played = await probe(`${stack.address}/api/pulls/${pull.id}/${camera}/playlist.m3u8?token=${token}`);
    t.equal(played.streams[0]?.['nb_read_frames'], streams[0]?.['nb_read_frames'], 'HLS plays the same pictures');
  }
}

t.test('copies of a lower rate come home, proven, and free nothing of their originals', async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const ask = await client(stack);
  const from = await recorded(stack, ask, 10);
  const pull = await pullCopy(stack, ask, from, ['front', 'rear']);
  t.match(pull, { state: 'done', quality: 'original', rate: '100k', missing: [], derived: { rateBps: RATE_BPS } }, JSON.stringify(pull));
  t.ok(pull.bytesDone > 0 && pull.bytesDone < ((2 * RATE_BPS) / 8) * (SPAN_S + 3) * 1.5, `${pull.bytesDone} bytes`);
  for (const part of pull.parts) t.match(part.madeFrom, [{ rendition: 'original', seqFirst: Number, root: /^[0-9a-f]{64}$/ }], part.camera);
  checkPlan(t, stack, pull.id);
  await checkPictures(t, stack, ask, pull);

  const again = await pullCopy(stack, ask, from, ['front']);
  t.equal(again.state, 'done', 'a second copy of the same time');

  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  const sums = reelSums(stack);
  for (const { stream, count, released } of sums)
    t.equal(released, stream.endsWith('.derived') ? count : 0, `${stream}: ${released} of ${count} released`);
  t.match(sums.map(({ stream }) => stream).sort(), ['front', 'front.derived', 'front.proxy', 'rear', 'rear.derived', 'rear.proxy']);
  const checked = await fsck(path.join(stack.folder, stack.unit, 'spool'));
  t.equal(checked.code, 0, checked.text);

  const coverage = await (await ask(`units/${stack.unit}/coverage?from=${from}&to=${new Date().toISOString()}`)).text();
  t.notMatch(coverage, /derived/, 'copies are no footage of a time');
  stack.startAgent();
  await recorded(stack, ask, 1);
  const zip = path.join(stack.folder, 'copy.zip');
  fs.writeFileSync(zip, Buffer.from(await (await ask(`pulls/${pull.id}/export.zip`)).arrayBuffer()));
  const verify = [bin('controller', 'longroof-verify'), zip, '--root', path.join(stack.folder, 'authority/root.crt')];
  const words = await run(process.execPath, verify).catch((error: { stdout: string }) => error);
  t.match(words.stdout, /PROVEN/);
  t.match(words.stdout, /front \(derived\): a copy that the unit made of its own recording, at 100 kbit\/s/);
});

t.test('a copy that cannot be made is an answer', async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const ask = await client(stack);
  const from = await recorded(stack, ask, 8);
  // A unit without ffmpeg.
  const tools = path.join(stack.folder, 'tools');
  fs.mkdirSync(tools);
  for (const tool of ['nice', 'ionice', 'choom']) fs.symlinkSync(`/usr/bin/${tool}`, path.join(tools, tool));
  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  stack.startAgent({ PATH: tools });
  t.match(await pullCopy(stack, ask, from, ['front']), { state: 'failed', problem: { code: 'LR_COPY_PROGRAM' } });
  t.equal(
    (await ask('pulls', { unitId: stack.unit, cameras: ['front'], from, to: from, quality: 'proxy', rate: '1k', reason: 'no' })).status,
    400,
  );
});

/**
 * The centre is lost and restored from a backup that is older than what its wagon has let go of. Real programs all the way. The checker
 * compares what the centre ever receipted (its old data, moved aside) with what is there afterwards and what is listed as lost.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { PullShape, RestoreShape, UnitShape } from '@longroof/controller/api/shapes';
import t, { type Test } from 'tap';
import { type Ask, client } from '../custody/client.js';
import { makeMedia, SMALL } from '../peers/media.js';
import { until } from '../peers/program.js';
import { type Stack, startStack } from '../peers/stack.js';
import { bin, fsck, readDatabase } from '../peers/wagon.js';

t.setTimeout(300_000);
const MIB = 2 ** 20;
/** Footage that comes later than this is a hole. */
const LATE_MS = 2000;

function controller(stack: Stack, ...args: string[]): Promise<{ code: number; text: string }> {
  const file = path.join(stack.folder, 'controller.yaml');
  return new Promise((resolve) =>
    execFile(process.execPath, [bin('controller', 'longroof-controller'), '--config', file, ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, text: stdout + stderr }),
    ),
  );
}

/**
 * Both cameras record for so long; then the agent starts anew, so that the reels are closed. The span that was recorded, and when all
 * of the run's footage was over: the last fragment of the span ends later than the span.
 */
async function record(stack: Stack, ask: Ask, seconds: number): Promise<{ from: string; to: string; ended: string }> {
  await until(
    'all cameras record',
    async () => {
      const unit = (await (await ask(`units/${stack.unit}`)).json()) as UnitShape;
      return unit.cameras?.length === 2 && unit.cameras.every((camera) => camera.state === 'recording');
    },
    90_000,
  );
  const fromMs = Date.now();
  await until(`${seconds} s are recorded`, () => Date.now() - fromMs > seconds * 1000, 90_000);
  const to = new Date().toISOString();
  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  // The monotonic time of a fragment is that of its arrival: one that came late ends so much later.
  const ended = new Date(Date.now() + LATE_MS).toISOString();
  stack.startAgent();
  return { from: new Date(fromMs).toISOString(), to, ended };
}

async function askFor(stack: Stack, ask: Ask, { from, to }: { from: string; to: string }): Promise<string> {
  const wanted = { unitId: stack.unit, cameras: ['front', 'rear'], from, to, quality: 'original', reason: 'a stolen bicycle' };
  return ((await (await ask('pulls', wanted)).json()) as PullShape).id;
}

const pullOf = async (ask: Ask, id: string): Promise<PullShape> => (await (await ask(`pulls/${id}`)).json()) as PullShape;

async function done(ask: Ask, id: string): Promise<PullShape> {
  return until('the pull is done', async () => ((one) => one.state === 'done' && one)(await pullOf(ask, id)), 60_000);
}

interface Row {
  name: string;
  blob: string;
}

/** What a store says it has, and that the bytes are there. */
function stored(data: string): Map<string, string> {
  const rows = readDatabase(path.join(data, 'longroof.db'), (db) =>
    db
      .prepare(
        `with f as (select *, cast(run as integer) as r, cast(seq as integer) as s from fragment)
         select camera || ' ' || r || ' ' || s as name,
         unit || '/' || epoch || '/' || camera || '/' || r || '/' || s || '-' || sha256 as blob from f`,
      )
      .all(),
  ) as Row[];
  return new Map(rows.map(({ name, blob }) => [name, blob]));
}

function lostNames(restore: RestoreShape): string[] {
  return restore.lost.flatMap(({ camera, run, seqFirst, seqLast }) =>
    Array.from({ length: seqLast - seqFirst + 1 }, (_, index) => `${camera} ${run} ${seqFirst + index}`),
  );
}

/** Cameras that send enough for a spool of the least size to overflow within seconds. */
async function heavyStack(t: Test): Promise<Stack> {
  const media = await makeMedia({ ...SMALL, width: 640, height: 360, bitRate: 6_000_000 });
  const stack = await startStack({ mounts: { front: { files: [media] }, rear: { files: [media] } } });
  t.teardown(() => stack.close());
  return stack;
}

/** The wagon's disk shrinks: it has to let go of what it holds, the oldest released first. */
async function shrinkSpool(stack: Stack): Promise<void> {
  const file = path.join(stack.folder, stack.unit, 'unit.yaml');
  const config = JSON.parse(fs.readFileSync(file, 'utf8')) as { spool: { quota: string } };
  config.spool.quota = '16MiB';
  fs.writeFileSync(file, JSON.stringify(config));
  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  stack.startAgent();
  const reels = path.join(stack.folder, stack.unit, 'spool/reels');
  const bytes = (): number =>
    fs
      .readdirSync(reels, { recursive: true })
      .map((name) => fs.statSync(path.join(reels, String(name)), { throwIfNoEntry: false }))
      .reduce((sum, stat) => sum + (stat?.isFile() ? stat.size : 0), 0);
  await until('the spool is within its quota', () => bytes() < 15 * MIB, 60_000);
}

t.test('a centre that is restored gets back all that is still on the wagon, and lists the rest', async (t) => {
  const stack = await heavyStack(t);
  const data = path.join(stack.folder, 'data');
  const backup = path.join(stack.folder, 'backup');
  let ask = await client(stack);

  const first = await record(stack, ask, 6);
  const early = await askFor(stack, ask, first);
  await until('footage arrives', async () => (await pullOf(ask, early)).bytesDone > 0, 60_000);
  // While it arrives.
  const made = await controller(stack, 'backup', backup);
  t.match(made, { code: 0, text: /backup good: \d+ fragments/ }, made.text);
  t.match(await controller(stack, 'backup', backup), { code: 1, text: /LR_BACKUP_TARGET/ }, 'never over another');
  t.equal((await controller(stack, 'backup', '--verify', backup)).code, 0);
  await done(ask, early);
  const second = await record(stack, ask, 8);
  await done(ask, await askFor(stack, ask, second));
  const third = await record(stack, ask, 6);
  await done(ask, await askFor(stack, ask, third));
  await stack.cameras.kill();

  t.match(await controller(stack, 'restore', '--replace', backup), { code: 1, text: /LR_RESTORE_RUNNING/ });
  await stack.controller().stop('SIGKILL');
  const before = stored(data);
  await shrinkSpool(stack);
  t.match(await controller(stack, 'restore', backup), { code: 1, text: /LR_RESTORE_EXISTS/ }, 'not over what is there');
  const restored = await controller(stack, 'restore', '--replace', backup);
  t.equal(restored.code, 0, restored.text);
  const aside = path.join(data, fs.readdirSync(data).find((name) => name.startsWith('before-restore-')) ?? 'none');
  const inBackup = stored(data);
  t.ok(inBackup.size < before.size, `${before.size} fragments were receipted, ${inBackup.size} are in the backup`);

  await stack.startController();
  ask = await client(stack);
  const restore = await until(
    'the wagon has offered all it has',
    async () => {
      const { restores } = (await (await ask('restores')).json()) as { restores: RestoreShape[] };
      return restores[0]?.units[0]?.state === 'offered' && restores[0];
    },
    60_000,
  );
  const after = stored(data);
  const lost = lostNames(restore);
  t.comment(`back: ${after.size - inBackup.size}, lost: ${lost.length}, of ${before.size}`);
  t.ok(after.size > inBackup.size, 'footage came back');
  t.ok(lost.length > 0, 'some of it was gone');
  t.same(
    lost.filter((name) => after.has(name)),
    [],
    'nothing is lost and there',
  );
  t.same([...after.keys(), ...lost].sort(), [...before.keys()].sort(), 'all that was ever receipted is there or listed');
  for (const [name, blob] of after) {
    const now = fs.readFileSync(path.join(data, 'blobs', blob));
    if (before.get(name) !== blob || !now.equals(fs.readFileSync(path.join(aside, 'blobs', blob)))) t.fail(`${name} differs`);
  }
  for (const { unitId, from, to } of restore.lost) {
    t.equal(unitId, stack.unit);
    t.ok(from && to && from < to && from > new Date(Date.parse(first.from) - 60_000).toISOString() && to < third.ended, `${from} ${to}`);
  }
  t.equal((await done(ask, early)).id, early, 'a pull that was under way at the backup ends, with what is gone as missing');

  const told = await controller(stack, 'restored');
  t.match(told.text, new RegExp(`${stack.unit}: \\d+ fragments .* offered again and stored`));
  t.match(told.text, /Lost: \d+ pieces, \d+ fragments/);
  await until('the report', () => fs.readFileSync(path.join(data, 'restore-report.txt'), 'utf8') === told.text);
  const marks = readDatabase(path.join(stack.folder, stack.unit, 'spool/index.db'), (db) =>
    db.prepare('select released, count(*) as n from fragments where released > 0 group by released').all(),
  ) as { released: number; n: number }[];
  t.same(
    marks.map(({ released }) => released),
    [2],
    'on the wagon everything is released by the new store',
  );
  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  const { report } = await fsck(path.join(stack.folder, stack.unit, 'spool'));
  t.same((report as { damage: unknown }).damage, [], 'reels, journal, index, and every instant is explained');
});

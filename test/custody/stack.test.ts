/** The whole way: a real recorder, a real centre, a pull exported through the API, checked by the program that a stranger would run. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { seededRandom, testSeed } from '@longroof/base/random';
import type { PullShape } from '@longroof/controller/api/shapes';
import type { Report } from '@longroof/controller/verify/words';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { type Stack, startStack } from '../peers/stack.js';
import { bin } from '../peers/wagon.js';
import { type Ask, client, recorded } from './client.js';

t.setTimeout(300_000);

async function pullOf(stack: Stack, ask: Ask, from: string, seconds: number): Promise<string> {
  const to = new Date(Date.parse(from) + seconds * 1000).toISOString();
  const wanted = { unitId: stack.unit, cameras: ['front', 'rear'], from, to, quality: 'original', reason: 'a stolen bicycle' };
  const { id } = (await (await ask('pulls', wanted)).json()) as PullShape;
  await until('the pull is done', async () => ((await (await ask(`pulls/${id}`)).json()) as PullShape).state === 'done', 60_000);
  return id;
}

function verify(...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) =>
    execFile(process.execPath, [bin('controller', 'longroof-verify'), ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, text: stdout + stderr }),
    ),
  );
}

async function exportTo(t: Test, stack: Stack, ask: Ask, id: string): Promise<string> {
  const answer = await ask(`pulls/${id}/export.zip`);
  t.equal(answer.status, 200);
  const file = path.join(stack.folder, `${id}.zip`);
  fs.writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  return file;
}

t.test('a pull from a wagon proves itself to a stranger, also right after it was recorded', async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const ask = await client(stack);
  const root = path.join(stack.folder, 'authority/root.crt');
  const from = await recorded(stack, ask, 10);

  // At once: the reels are still open, the plan vouches for the bytes.
  const fresh = await exportTo(t, stack, ask, await pullOf(stack, ask, from, 6));
  const early = JSON.parse((await verify(fresh, '--root', root, '--json')).text) as Report;
  t.same(early.faults, []);
  for (const { camera, bound } of early.cameras) t.equal(bound.nothing, 0, `${camera} is bound by plan or reel`);

  // Later: the reels are closed by an orderly stop, and catalogue records name them.
  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  stack.startAgent();
  const later = await exportTo(t, stack, ask, await pullOf(stack, ask, from, 6));
  const words = await verify(later, '--root', root);
  t.equal(words.code, 0, words.text);
  t.match(words.text, /PROVEN/);
  t.match(words.text, /front: \d+ fragments .* byte for byte .* by the records made when they were recorded/);
  t.match(words.text, /rear: nothing that was recorded between .* has been taken out/);
  const said = JSON.parse((await verify(later, '--root', root, '--json')).text) as Report;
  t.match(said, {
    verdict: 'proven',
    root: { given: true },
    cameras: [{ bound: { nothing: 0, plan: 0 } }, { bound: { nothing: 0, plan: 0 } }],
  });

  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const zip = fs.readFileSync(later);
  for (let round = 0; round < 5; round++) {
    const changed = Buffer.from(zip);
    const at = random.int(0, zip.length);
    changed[at] = (changed[at] as number) ^ (1 << random.int(0, 8));
    fs.writeFileSync(`${later}.changed`, changed);
    t.match(await verify(`${later}.changed`, '--root', root), { code: 1, text: /BROKEN/ }, `a bit of byte ${at} of ${zip.length}`);
  }
});

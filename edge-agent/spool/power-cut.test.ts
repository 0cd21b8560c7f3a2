import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { segmentName } from '../journal/segment.js';
import { FRONT, TestSpool } from './test-spool.js';

async function recorded(): Promise<TestSpool> {
  const spool = new TestSpool();
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 5);
  return spool;
}

for (const [what, content] of [
  ['empty', ''],
  ['torn', '{"body":{"boot":"bo'],
] as const) {
  t.test(`the power went while a segment of the journal was begun, which is left ${what}: the chain goes on`, async (t) => {
    const spool = await recorded();
    t.teardown(() => spool.remove());
    spool.core.close();
    const { next } = spool.core.state.ledger;
    writeFileSync(path.join(spool.options.path, 'journal', segmentName(spool.core.identity.epoch, next)), content);
    const { epoch } = spool.core.identity;
    spool.reopen();
    t.equal(spool.core.identity.epoch, epoch);
    spool.core.close();
    t.same(spool.fsck().damage, []);
  });
}

t.test('the power went when an orderly end stood in the journal and not yet in the index: no damage', async (t) => {
  const spool = await recorded();
  t.teardown(() => spool.remove());
  const { path: root } = spool.options;
  const names = readdirSync(root).filter((name) => name.startsWith('index.db'));
  for (const name of names) cpSync(path.join(root, name), path.join(spool.root, name));
  spool.write(FRONT, spool.clock.mono());
  spool.core.close();
  for (const name of readdirSync(root).filter((one) => one.startsWith('index.db'))) rmSync(path.join(root, name));
  for (const name of names.filter((one) => !one.endsWith('-shm'))) cpSync(path.join(spool.root, name), path.join(root, name));
  t.same(spool.fsck().damage, []);
  spool.reopen();
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

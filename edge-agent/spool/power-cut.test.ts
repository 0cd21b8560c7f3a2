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

function rowsOf(spool: TestSpool): string[] {
  const { index } = spool.core.state;
  return index
    .streams()
    .flatMap(({ id, name }) =>
      [...index.reelsOfStream(id)].flatMap((reel) => [...index.fragments(reel)].map((row) => `${name}/${reel.run}/${row.seq}`)),
    );
}

// What a killed recorder had written and not yet flushed is in the kernel's memory: the next start reads it, and the power may go then.
for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  t.test(`killed, started, and then the power goes, seed ${seed}`, async (t) => {
    const spool = new TestSpool({}, seed);
    t.teardown(() => spool.remove());
    spool.core.openStream(FRONT);
    if (seed % 2 === 0) await spool.footage(FRONT, 5);
    const at = spool.clock.mono();
    await spool.clock.advance(2000);
    spool.write(FRONT, at);
    spool.write(FRONT, at + 1000);
    spool.core.record('event', { event: 'written, not flushed' }, true);
    spool.faults.judge = (operation, file) => (operation === 'datasync' && file.endsWith('.log') ? { code: 'EIO' } : undefined);
    if (seed % 4 < 2) spool.core.commit({ force: true });
    spool.faults.judge = () => undefined;
    spool.core.abandon();
    spool.reopen();
    const claimed = rowsOf(spool);
    const records = spool.core.state.ledger.next;
    t.ok(claimed.length >= 2, 'the start found them');
    const { epoch } = spool.core.identity;
    await spool.killed(1000, { boot: 'boot-2', powerCut: true });
    t.equal(spool.core.identity.epoch, epoch, 'the journal goes on');
    t.ok(spool.core.state.ledger.next > records);
    t.same(
      claimed.filter((row) => !rowsOf(spool).includes(row)),
      [],
      'all that the start claimed is there',
    );
    spool.core.close();
    t.same(spool.fsck().damage, []);
  });
}

t.test('killed, started on a disk that refuses to flush and then does not, and then the power goes', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  spool.write(FRONT, spool.clock.mono());
  spool.write(FRONT, spool.clock.mono() + 1000);
  spool.core.abandon();
  spool.faults.judge = (operation) => (operation === 'datasync' ? { code: 'EROFS' } : undefined);
  spool.reopen();
  t.equal(spool.core.state.diskState.state, 'read-only');
  const claimed = rowsOf(spool);
  t.equal(claimed.length, 2, 'the start found them');
  await spool.clock.advance(2000);
  spool.faults.judge = () => undefined;
  spool.core.commit();
  t.equal(spool.core.state.diskState.state, 'ok');
  await spool.killed(1000, { boot: 'boot-2', powerCut: true });
  t.same(rowsOf(spool), claimed);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

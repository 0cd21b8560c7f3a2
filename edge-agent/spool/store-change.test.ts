/** S3 across stores: receipts count only of the store that is there now; what another released is pending again, and offered. */
import type { Fault } from '@longroof/base/errors';
import t from 'tap';
import type { StoreAdopted, StoredFragment } from './spool.js';
import { FRONT, TestSpool } from './test-spool.js';

function adopt(spool: TestSpool, storeEpoch: string, journalNext = 0): StoreAdopted {
  let outcome: StoreAdopted | Fault | undefined;
  spool.core.adoptStore(storeEpoch, journalNext, (answer) => {
    outcome = answer;
  });
  spool.core.commit({ force: true });
  return outcome as StoreAdopted;
}

function release(spool: TestSpool, wanted: (seq: number) => boolean): number {
  const { fragments } = spool.core.select([FRONT], 0, Number.MAX_SAFE_INTEGER);
  let released = 0;
  for (const { meta } of fragments)
    if (wanted(meta.seq))
      spool.core.release(meta, (ok) => {
        if (ok === true) released += 1;
      });
  spool.core.commit({ force: true });
  return released;
}

function offers(spool: TestSpool): number[] {
  const all: StoredFragment[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const { fragments, next } = spool.core.voided(after);
    all.push(...fragments);
    after = next;
  }
  t.ok(all.every((fragment) => fragment.released && spool.core.read(fragment).length === fragment.meta.bytes));
  return all.map(({ meta }) => meta.seq);
}

t.test('another store voids what was released; it is offered until the new one has it, through restarts', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 200);
  t.same(adopt(spool, 'one'), { changed: false, offers: false }, 'the first store voids nothing');
  t.equal(
    release(spool, (seq) => seq < 100),
    100,
  );
  spool.core.acknowledged(spool.core.state.ledger.next);
  t.same(adopt(spool, 'one'), { changed: false, offers: false });
  t.same(offers(spool), []);
  t.equal(spool.core.state.released, 100);

  t.same(adopt(spool, 'two', 3), { changed: true, offers: true });
  t.match(spool.bodies('event').at(-1), { event: 'store-changed', detail: { storeEpoch: 'two', before: 'one', released: 100 } });
  t.equal(spool.core.state.released, 0, 'all is pending');
  t.equal(spool.core.state.index.totals().released, 0);
  t.equal(spool.core.state.acknowledged, 3, 'the journal is kept from where the new store has it');
  const seqs = Array.from({ length: 100 }, (_, seq) => seq);
  t.same(offers(spool), seqs, 'oldest first');
  t.equal(
    release(spool, (seq) => seq < 40),
    40,
  );
  t.equal(spool.core.state.released, 40);
  await spool.killed(1000);
  spool.core.openStream(FRONT);
  t.equal(spool.core.state.released, 40);
  t.same(adopt(spool, 'two'), { changed: false, offers: true });
  t.same(offers(spool), seqs.slice(40), 'what is left');
  t.equal(
    release(spool, (seq) => seq < 150),
    150,
    'a receipt that came already is no failure',
  );
  t.same(offers(spool), []);
  spool.core.commit({ force: true });
  t.same(adopt(spool, 'two'), { changed: false, offers: false }, 'nothing is left to offer');
  t.same(adopt(spool, 'one'), { changed: true, offers: true }, 'also when the old one comes up again');
  t.equal(offers(spool).length, 150);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('a disposal says what had a receipt, from whichever store', async (t) => {
  const spool = new TestSpool({ quotaBytes: 16 * 2 ** 20, retention: { originalMs: 0, proxyMs: 0 } });
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 125, 50_000);
  adopt(spool, 'one');
  release(spool, (seq) => seq < 60 || (seq >= 70 && seq < 80) || seq === 90);
  await spool.footage(FRONT, 250, 50_000);
  adopt(spool, 'two');
  await spool.footage(FRONT, 100, 50_000);
  const disposals = spool.bodies('dispose');
  const seen = (seq: number) => disposals.find(({ seqFirst, count }) => seq >= seqFirst && seq < seqFirst + count);
  t.match(seen(0), { reason: 'released' });
  t.notOk(seen(0)?.receipted, 'all of it');
  const partly = disposals.filter(({ receipted }) => receipted).flatMap(({ receipted }) => receipted ?? []);
  t.ok(
    partly.every(([first, last, bytes]) => last >= first && bytes > (last - first) * 50_000),
    'with their bytes',
  );
  const named = partly.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
  t.same(
    named.filter((seq) => seq >= 60),
    [...Array.from({ length: 10 }, (_, index) => 70 + index), 90],
  );
});

t.test('copies and strips that another store had are offered like the rest, and go first where room is short', async (t) => {
  const spool = new TestSpool({ quotaBytes: 16 * 2 ** 20, retention: { originalMs: 3_600_000, proxyMs: 3_600_000, stripMs: 3_600_000 } });
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const streams = [
    { camera: 'front', rendition: 'derived' as const },
    { camera: 'front', rendition: 'strip' as const },
  ];
  const startMonoMs = spool.clock.mono();
  await spool.footage(FRONT, 20, 50_000);
  for (const stream of streams) spool.write(stream, startMonoMs, 50_000);
  spool.core.commit({ force: true });
  adopt(spool, 'one');
  for (const stream of [FRONT, ...streams])
    for (const { meta } of spool.core.select([stream], 0, Number.MAX_SAFE_INTEGER).fragments) spool.core.release(meta, () => undefined);
  spool.core.commit({ force: true });
  t.same(adopt(spool, 'two'), { changed: true, offers: true });
  t.equal(offers(spool).length, 22, 'of all renditions');
  await spool.footage(FRONT, 320, 50_000);
  const [first] = spool.bodies('dispose');
  t.match(first, { rendition: 'derived', reason: 'expired', receipted: [[0, 0, Number]] });
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

import { systemClock } from '@longroof/base/clock';
import { fragmentKey } from '@longroof/controller/store/blobs';
import { signerKeys } from '@longroof/protocol/certificates';
import { streamText } from '@longroof/protocol/fragment';
import { verifyStatement } from '@longroof/protocol/signed';
import t from 'tap';
import { until } from '../peers/program.js';
import { startCentre } from './centre.js';
import { ScriptedUnit } from './scripted-unit.js';

t.test('the whole exchange: hello, journal, footage, receipt, pull, done', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.connect();
  const welcome = await unit.hello();
  t.match(welcome, { storeEpoch: centre.store.storeEpoch, journalNext: 0, journalHead: '0'.repeat(64) });
  t.ok(welcome.creditBytes >= 128 * 1024);
  unit.begin();
  unit.checkpoint();
  t.equal(await unit.sendJournal(), 3);

  const receiptKeys = signerKeys(centre.authority.rootPem, welcome.receiptCertificates, 'receipt', systemClock.utc());
  const desiredKeys = signerKeys(centre.authority.rootPem, welcome.receiptCertificates, 'desired', systemClock.utc());
  const fragment = unit.fragment(0, Buffer.alloc(300_000, 7));
  const receipt = await unit.upload(fragment);
  t.ok(
    receiptKeys.some((key) => verifyStatement(key, receipt)),
    'the receipt verifies under the fleet',
  );
  t.match(receipt.statement, { sha256: fragment.meta.sha256, bytes: 300_000, storeEpoch: centre.store.storeEpoch, seq: 0, copies: 1 });
  t.ok(unit.acks.some((ack) => ack.what === 'part'));
  const stored = await centre.blobs.read(fragmentKey({ ...fragment.meta, stream: streamText(fragment.meta) }));
  t.ok(stored?.equals(fragment.bytes), 'byte-identical');

  const id = await centre.pulls.create('anna', {
    unitId: 'wagon-1',
    cameras: ['front'],
    fromUtcMs: fragment.meta.wall.utcMs,
    toUtcMs: fragment.meta.wall.utcMs + 3000,
    rendition: 'proxy',
    reason: 'theft at the square',
    caseNumber: 'C-7',
  });
  const desired = await until('desired', () => unit.desired[0]);
  t.ok(verifyStatement(desiredKeys[0]!, desired));
  t.match(desired.statement, { unit: 'wagon-1', epoch: unit.epoch, generation: 1, pulls: [{ pullId: id, cameras: ['front'] }] });
  t.match(await centre.pulls.get(id), { state: 'queued', bytesDone: 0, bytesTotal: null });

  const second = unit.fragment(1, Buffer.alloc(50_000, 9));
  const parts = [{ camera: 'front', rendition: 'proxy' as const, run: 1, seqFirst: 0, seqLast: 1, bytes: 350_000 }];
  const missing = [
    {
      camera: 'front',
      rendition: 'proxy' as const,
      fromUtcMs: second.meta.wall.utcMs + 1000,
      toUtcMs: second.meta.wall.utcMs + 2000,
      cause: 'camera-stalled' as const,
    },
  ];
  unit.record('done', { pullId: id, state: 'planned', parts, missing });
  await unit.sendJournal(3);
  t.match(await centre.pulls.get(id), { state: 'running', bytesDone: 300_000, bytesTotal: 350_000 });
  unit.record('done', { pullId: id, state: 'complete' });
  await unit.sendJournal(4);
  t.match(await centre.pulls.get(id), { state: 'running' }, 'not done while a fragment is not here');
  await unit.upload(second);
  const done = await until('done', async () => {
    const pull = await centre.pulls.get(id);
    return pull?.state === 'done' ? pull : undefined;
  });
  t.match(done, {
    bytesDone: 350_000,
    parts: [{ camera: 'front', mp4Parts: 1, codec: 'avc1.64001f' }],
    missing: [{ cause: 'camera-stalled' }],
  });
  await unit.end();
  await until('offline', async () => !centre.ingest.isOnline('wagon-1'));
});

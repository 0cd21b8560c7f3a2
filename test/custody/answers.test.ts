/** Signed receipts for requests: each verifies with the fleet's root alone, whatever the answer was. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type AnswerStatement, Answers } from '@longroof/controller/custody/answers';
import { printAnswer, readAnswerFile } from '@longroof/controller/verify/answer';
import { signerKeys } from '@longroof/protocol/certificates';
import { verifyStatement } from '@longroof/protocol/signed';
import t from 'tap';
import { startCentre } from '../ingest/centre.js';
import { ScriptedUnit, START_MONO_MS } from '../ingest/scripted-unit.js';

const stream = { camera: 'front', rendition: 'proxy' as const };

t.test('granted in part, none and why, refused, called off: each is signed', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const { keyPem, certificatePem: certPem } = await centre.authority.issueSigner('receipt');
  const signer = { key: createPrivateKey(keyPem), certPem };
  const answers = new Answers({ db: centre.store.db, clock: { utc: () => Date.now() }, signer, storeEpoch: centre.store.storeEpoch });
  const fromUtcMs = unit.utcOf(START_MONO_MS);
  const ask = () =>
    centre.pulls.create('anna', {
      ...{ unitId: 'wagon-1', cameras: ['front'], fromUtcMs, toUtcMs: fromUtcMs + 10_000, rendition: 'proxy', reason: 'a reason' },
    });
  const verified = (receipt: Awaited<ReturnType<Answers['ofPull']>>): AnswerStatement => {
    const [key] = signerKeys(centre.authority.rootPem, [receipt.certificate], 'receipt', Date.now());
    t.ok(key && verifyStatement(key, receipt), 'verifies with the root alone');
    t.notOk(key && verifyStatement(key, { ...receipt, statement: { ...receipt.statement, person: 'ben' } }));
    const alone = printAnswer('receipt.json', readAnswerFile(JSON.stringify(receipt), new X509Certificate(centre.authority.rootPem)));
    t.match(alone, /^receipt\.json: PROVEN\nThe centre's signed answer to [a-z]+'s request, of .*\n +Wagon +wagon-\d/);
    return receipt.statement as unknown as AnswerStatement;
  };
  const done = async (state: 'complete' | 'refused', more: object): Promise<string> => {
    const id = await ask();
    const from = unit.records.length;
    if (state === 'complete') unit.record('done', { pullId: id, state: 'planned', parts: [], ...more });
    unit.record('done', { pullId: id, state, ...(state === 'refused' ? more : {}) });
    await unit.sendJournal(from);
    return id;
  };
  await t.rejects(answers.ofPull('none'), { code: 'LR_PULL_UNKNOWN' });
  const id = await ask();
  await t.rejects(answers.ofPull(id), { code: 'LR_PULL_UNFINISHED' });
  await centre.pulls.cancel(id);
  t.match(verified(await answers.ofPull(id)), {
    answer: 'cancelled',
    pullId: id,
    rate: null,
    person: 'anna',
    reason: 'a reason',
    unit: 'wagon-1',
  });
  const missing = [{ ...stream, fromUtcMs, toUtcMs: fromUtcMs + 10_000, cause: 'power-cut' }];
  t.match(verified(await answers.ofPull(await done('complete', { missing }))), {
    answer: 'none',
    missing: [{ camera: 'front', cause: 'power-cut' }],
  });
  t.match(verified(await answers.ofPull(await done('refused', { code: 'LR_PULL_PARTS' }))), { answer: 'refused', code: 'LR_PULL_PARTS' });
  const asked = {
    cameras: ['front'],
    rendition: 'proxy' as const,
    rate: null,
    from: 'x',
    to: 'y',
    person: 'anna',
    reason: 'a reason',
    caseNumber: null,
  };
  t.match(verified(answers.ofRefusal({ unit: 'wagon-9', ...asked, code: 'LR_UNIT_UNKNOWN' })), { answer: 'refused', pullId: null });
  await unit.end();
});

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { systemDisk } from '@longroof/base/disk';
import t from 'tap';
import { openAuthority } from './authority.js';
import { journalKeyIn, signerKeys, unitIn } from './certificates.js';
import { keyId } from './signed.js';

const NOW = Date.UTC(2026, 10, 24);
const YEAR_MS = 365 * 86_400_000;

t.test('a unit gets a certificate that names it and binds its journal key', async (t) => {
  const authority = await openAuthority(t.testdir(), systemDisk, () => NOW);
  const identity = await authority.issueUnit('wagon-7');
  const certificate = new X509Certificate(identity.unitCertificatePem);
  t.equal(unitIn(certificate), 'wagon-7');
  t.equal(journalKeyIn(certificate.subjectAltName), keyId(createPrivateKey(identity.journalKeyPem)));
  t.ok(certificate.verify(new X509Certificate(authority.rootPem).publicKey));
  await t.rejects(authority.issueUnit('../x'), { code: 'LR_UNIT_NAME' });
  await t.rejects(authority.signUnit('w', 'rubbish'), { code: 'LR_CSR' });
});

t.test('opened again, it is the same authority', async (t) => {
  const folder = t.testdir();
  const first = await openAuthority(folder, systemDisk, () => NOW);
  const again = await openAuthority(folder, systemDisk, () => NOW);
  t.equal(again.rootPem, first.rootPem);
});

t.test('only a signer of the same fleet, the right usage and the right time may sign', async (t) => {
  const authority = await openAuthority(t.testdir({}), systemDisk, () => NOW);
  const other = await openAuthority(`${t.testdirName}/other`, systemDisk, () => NOW);
  const receipt = await authority.issueSigner('receipt');
  const foreign = await other.issueSigner('receipt');
  const unit = await authority.issueUnit('w');
  const refuse = (certificates: string[], usage: 'receipt' | 'desired', at = NOW): void => {
    t.throws(() => signerKeys(authority.rootPem, certificates, usage, at), { code: 'LR_CERT_SIGNER' });
  };
  t.equal(signerKeys(authority.rootPem, ['rubbish', foreign.certificatePem, receipt.certificatePem], 'receipt', NOW).length, 1);
  refuse([receipt.certificatePem], 'desired');
  refuse([foreign.certificatePem], 'receipt');
  refuse([unit.unitCertificatePem], 'receipt');
  refuse([receipt.certificatePem], 'receipt', NOW + 3 * YEAR_MS);
});

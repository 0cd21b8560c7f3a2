/** Exported pulls and what `longroof-verify` makes of them: what is proven, what is not, and every change and forgery told. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { systemDisk } from '@longroof/base/disk';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { readZip } from '@longroof/controller/verify/zip';
import { openAuthority } from '@longroof/protocol/authority';
import { signStatement } from '@longroof/protocol/signed';
import t, { type Test } from 'tap';
import { damageJournal } from '../ingest/stored-journal.js';
import { exporterOf, forge, makeScene, type Scene, type SceneOptions, sourceOf, verify, zipOf } from './exported.js';

async function scene(t: Test, options: SceneOptions = {}): Promise<Scene> {
  const one = await makeScene(t.testdir(), options);
  t.teardown(async () => {
    await one.unit.end();
    await one.centre.stop();
  });
  return one;
}

t.test('a part of two reels: all of it is proven, in words, and any unzip reads it', async (t) => {
  const one = await scene(t);
  const said = verify(one.zip, one.root);
  t.same(said.faults, []);
  t.same(said.notProven, []);
  t.equal(said.verdict, 'proven');
  const [camera] = said.cameras;
  t.match(camera, { camera: 'front', fragments: 5, bound: { reel: 5, plan: 0, nothing: 0 }, holes: [], plannedAbsent: 0 });
  t.match(camera?.clock, { sources: ['gnss'], signed: true });
  t.ok((camera?.clock.errorMs ?? 0) < 50);
  const words = said.proven.join('\n');
  t.match(words, /Not a byte of this file has changed/);
  t.match(words, /front \(proxy\): 5 fragments .* byte for byte/);
  t.match(words, /nothing that was recorded between .* has been taken out/);
  t.match(words, /key of these signatures is that of wagon-1/);
  t.match(words, /The centre signed \d+ checkpoints of these records when it received them/);
  t.match(words, /signed answer to anna's request, of .*: granted\./);
  t.ok(said.limits.length > 0, 'what no file proves is said too');
  const file = path.join(one.centre.dir, 'export.zip');
  fs.writeFileSync(file, one.zip);
  execFileSync('python3', ['-c', 'import sys, zipfile; assert zipfile.ZipFile(sys.argv[1]).testzip() is None', file]);
  const mp4 = readZip(sourceOf(one.zip)).get('footage/front.mp4')?.content;
  const front = path.join(one.centre.dir, 'front.mp4');
  fs.writeFileSync(front, mp4?.read(0, mp4.bytes) ?? '');
  const count = ['-v', 'error', '-count_packets', '-select_streams', 'v', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0'];
  t.equal(Number.parseInt(execFileSync('ffprobe', [...count, front], { encoding: 'utf8' }), 10), 125, 'every picture is in the MP4');
  t.equal(verify(one.zip).root?.given, false, 'without a root of his own the reader is told what it hangs on');
});

t.test('one changed byte anywhere is told; so is one too many or too few', async (t) => {
  const one = await scene(t);
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const check = (zip: Buffer, what: string): void => {
    const said = verify(zip, one.root);
    if (said.verdict !== 'broken' || said.faults.length === 0) t.fail(`${what}: ${said.verdict}`);
    for (const fault of said.faults) if (!/^LR_(PROOF_|BOX)/.test(fault.code)) t.fail(`${what}: ${fault.code} ${fault.message}`);
  };
  for (let round = 0; round < fuzzCases(600); round++) {
    const at = random.int(0, one.zip.length);
    const changed = Buffer.from(one.zip);
    changed[at] = (changed[at] as number) ^ (1 << random.int(0, 8));
    check(changed, `bit of byte ${at}`);
  }
  // The zip's own structures, whole: the directory and every local header.
  const directory = one.zip.indexOf(Buffer.from('504b0102', 'hex'));
  for (let at = directory; at < one.zip.length; at++) {
    const changed = Buffer.from(one.zip);
    changed[at] = (changed[at] as number) ^ 0x10;
    check(changed, `byte ${at} of the directory`);
  }
  // Every file in it: each byte of its local header and descriptor, and bits of its content at many places.
  for (const [name, { content }] of readZip(sourceOf(one.zip))) {
    const start = one.zip.indexOf(Buffer.concat([Buffer.from(name, 'latin1'), content.read(0, Math.min(64, content.bytes))]));
    const places = Array.from({ length: 30 + name.length }, (_, at) => start - 30 + at);
    for (let at = 0; at < 16; at++) places.push(start + name.length + content.bytes + at);
    for (let round = 0; round < 12 && content.bytes > 0; round++) places.push(start + name.length + random.int(0, content.bytes));
    for (const at of places) {
      const changed = Buffer.from(one.zip);
      changed[at] = (changed[at] as number) ^ (1 << random.int(0, 8));
      check(changed, `${name}, byte ${at}`);
    }
  }
  check(one.zip.subarray(0, -1), 'a byte less');
  check(Buffer.concat([one.zip, Buffer.of(0)]), 'a byte more');
  check(Buffer.concat([Buffer.of(0), one.zip]), 'a byte in front');
  check(Buffer.alloc(0), 'nothing');
  t.pass('all told');
});

t.test('who holds the key of the centre still cannot forge', async (t) => {
  const one = await scene(t);
  t.equal(verify(await forge(one, () => undefined), one.root).verdict, 'proven', 'unchanged it stays so');
  const told = async (code: string, change: Parameters<typeof forge>[1]): Promise<void> => {
    const said = verify(await forge(one, change), one.root);
    t.equal(said.verdict, 'broken', code);
    t.ok(
      said.faults.some((fault) => fault.code === code),
      `${code}: ${said.faults.map((fault) => fault.message).join('; ')}`,
    );
  };
  const file = (files: Map<string, Buffer>, pattern: RegExp): [string, Buffer] =>
    [...files].find(([name]) => pattern.test(name)) as [string, Buffer];
  const edit = (files: Map<string, Buffer>, pattern: RegExp, how: (text: string) => string): void => {
    const [name, bytes] = file(files, pattern);
    files.set(name, Buffer.from(how(bytes.toString('latin1')), 'latin1'));
  };
  await told('LR_PROOF_FOOTAGE', (files) => {
    const [, mp4] = file(files, /front\.mp4$/);
    mp4[mp4.length - 1] = (mp4.at(-1) as number) ^ 1;
  });
  await told('LR_PROOF_MP4', (files) => {
    // Two pictures change places in the table.
    const [, mp4] = file(files, /front\.mp4$/);
    const at = mp4.indexOf('stco') + 12;
    const [first, second] = [mp4.readUInt32BE(at), mp4.readUInt32BE(at + 4)];
    mp4.writeUInt32BE(second, at);
    mp4.writeUInt32BE(first, at + 4);
  });
  await told('LR_PROOF_MP4', (files) => {
    // Shown faster than recorded.
    const [, mp4] = file(files, /front\.mp4$/);
    const at = mp4.indexOf('stts') + 16;
    mp4.writeUInt32BE(mp4.readUInt32BE(at) / 2, at);
  });
  await told('LR_PROOF_JOURNAL', (files) => edit(files, /^journal\//, (text) => text.replace('"errorMs":40', '"errorMs":4')));
  await told('LR_PROOF_JOURNAL', (files, manifest) => {
    // A catalogue record is taken out, and the count made to fit.
    const [segment] = (manifest as unknown as { epochs: { journal: { file: string; last: number }[] }[] }).epochs[0]!.journal;
    segment!.last -= 1;
    edit(files, new RegExp(`^${segment!.file}$`), (text) =>
      text
        .split('\n')
        .filter((line, at) => !(at > 0 && line.includes('"catalog"') && line.includes('"seqFirst":0')))
        .join('\n'),
    );
  });
  await told('LR_PROOF_REEL', (files) =>
    edit(files, /reels\.jsonl$/, (text) => text.replace(/"paths":\{"1":\["[0-9a-f]{4}/, (found) => `${found.slice(0, -4)}0000`)),
  );
  await told('LR_PROOF_STORED', (files) => edit(files, /stored\.jsonl$/, (text) => text.slice(text.indexOf('\n') + 1)));
  await told('LR_PROOF_COUNTERSIGNED', (files) =>
    edit(files, /countersigned\.jsonl$/, (text) => text.replace(/(?<="receivedUtcMs":)\d+/, (found) => String(Number(found) + 1))),
  );
  await told('LR_PROOF_COUNTERSIGNED', (files) =>
    edit(files, /countersigned\.jsonl$/, (text) => text + text.slice(0, text.indexOf('\n') + 1)),
  );
  await told('LR_PROOF_COUNTERSIGNED', (files) => {
    // The centre now says that it had another checkpoint.
    const [name, bytes] = file(files, /countersigned\.jsonl$/);
    const [line = '', ...rest] = bytes.toString('utf8').split('\n');
    const { statement } = JSON.parse(line) as { statement: object };
    const signed = signStatement(createPrivateKey(one.signer.keyPem), { ...statement, hash: 'a'.repeat(64) });
    files.set(`certificates/countersigner-${signed.keyId}.crt`, Buffer.from(one.signer.certificatePem));
    files.set(name, Buffer.from([canonicalJson(signed as unknown as Json), ...rest].join('\n')));
  });
  await told('LR_PROOF_ANSWER', (files) =>
    edit(files, /answer\.json$/, (text) => text.replace('"answer":"granted"', '"answer":"refused"')),
  );
  const hidden = verify(await forge(one, (files) => files.set('proof/countersigned.jsonl', Buffer.alloc(0))), one.root);
  t.match(hidden, { verdict: 'partly', notProven: [/its signature is not under the last checkpoint/] }, 'what is withheld is not proven');
  const bare = verify(await forge(one, (files) => files.set('proof/reels.jsonl', Buffer.alloc(0))), one.root);
  t.match(bare, { verdict: 'partly', cameras: [{ bound: { reel: 0, plan: 5 } }] }, 'what is withheld is not proven');
});

t.test('what is not proven is said to be so', async (t) => {
  const open = await scene(t, { openReel: true });
  let said = verify(open.zip, open.root);
  t.match(said.cameras[0]?.bound, { reel: 3, plan: 2, nothing: 0 }, 'an open reel is vouched for by the plan');
  t.equal(said.verdict, 'partly');
  t.match(said.notProven, [/its time/], 'but not for its time');
  const bare = await scene(t, { openReel: true, withoutRoot: true });
  said = verify(bare.zip, bare.root);
  t.match(said.notProven.join('\n'), /2 of 5 fragments: none of the unit's signed records/);
  const unsigned = await scene(t, { unsigned: true });
  said = verify(unsigned.zip, unsigned.root);
  t.match(said.notProven.join('\n'), /The last 2 records of the journal/);
  t.equal(said.verdict, 'partly');
  const spoiled = await scene(t, { spoil: ({ store }) => store.db.deleteFrom('fragment').where('seq', '=', 3).execute() });
  said = verify(spoiled.zip, spoiled.root);
  t.match(said.cameras[0], { plannedAbsent: 1, holes: [{ leftOut: 1 }] });
  t.match(said.notProven.join('\n'), /1 fragments that were recorded between .* are not in this file/);
  const nameless = await scene(t, { spoil: ({ store }) => store.db.updateTable('epoch').set({ unit_certificate_pem: null }).execute() });
  t.match(verify(nameless.zip, nameless.root).notProven, [/its certificate is not in this file/]);
});

t.test('records that the disk has changed: the export says so before its first byte', async (t) => {
  const { centre, signer, pullId } = await scene(t);
  await damageJournal(centre.store, 'wagon-1', 0);
  const asked = { pullId, person: 'anna', reason: 'a stolen bicycle' };
  await t.rejects(exporterOf(centre, signer).prepare(asked), { kind: 'corrupt', code: 'LR_STORE_SEGMENT' });
});

t.test('a pull without footage proves its reason; a foreign root is refused', async (t) => {
  const one = await scene(t, { seqs: [] });
  const said = verify(one.zip, one.root);
  t.same(said.faults, []);
  t.match(said.proven.join('\n'), /no footage.*refused, LR_PULL_CAMERA/);
  const other = await openAuthority(path.join(one.centre.dir, 'other'), systemDisk, Date.now);
  fs.writeFileSync(path.join(one.centre.dir, 'other.crt'), other.rootPem);
  const file = path.join(one.centre.dir, 'e.zip');
  fs.writeFileSync(file, one.zip);
  const bin = new URL('../../../controller/bin/longroof-verify.js', import.meta.url).pathname;
  const run = (...args: string[]): { code: number; text: string } => {
    try {
      return { code: 0, text: execFileSync(process.execPath, [bin, ...args], { encoding: 'utf8', stdio: 'pipe' }) };
    } catch (error) {
      const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
      return { code: status, text: stdout + stderr };
    }
  };
  t.match(run(file, '--root', path.join(one.centre.dir, 'other.crt')), { code: 1, text: /BROKEN[\s\S]*LR_PROOF_CERTIFICATE/ });
  t.match(run(file), { code: 0, text: /PROVEN[\s\S]*Ask the fleet's operator/ });
  t.equal(JSON.parse(run(file, '--json').text).verdict, 'proven');
  t.match(run('/nowhere.zip'), { code: 2, text: /LR_PROOF_FILE/ });
  t.match(said.proven.join('\n'), /signed answer to anna's request, of .*: refused \(LR_PULL_CAMERA\)\./);

  // The receipt alone, as whoever asked was given it: not in canonical form.
  const answer = readZip(sourceOf(one.zip)).get('proof/answer.json')?.content;
  const receipt = JSON.parse(answer?.read(0, answer.bytes).toString('utf8') ?? '') as { statement: object };
  const alone = path.join(one.centre.dir, 'receipt.json');
  const root = path.join(one.centre.dir, 'root.crt');
  fs.writeFileSync(root, one.centre.authority.rootPem);
  fs.writeFileSync(alone, JSON.stringify(receipt, null, 2));
  t.match(run(alone, '--root', root), { code: 0, text: /refused \(LR_PULL_CAMERA\)/ });
  t.match(run(alone, '--root', path.join(one.centre.dir, 'other.crt')), { code: 1, text: /BROKEN: LR_PROOF_CERTIFICATE/ });
  t.match(run(alone), { code: 2, text: /LR_PROOF_ROOT/ });
  fs.writeFileSync(alone, JSON.stringify({ ...receipt, statement: { ...receipt.statement, answer: 'none' } }));
  t.match(run(alone, '--root', root), { code: 1, text: /BROKEN: LR_PROOF_ANSWER/ });
  t.match(run(), { code: 2 });
});

t.test('large files and places take 64-bit fields', async (t) => {
  const files = new Map([
    ['a.txt', Buffer.alloc(50, 1)],
    ['b.bin', Buffer.alloc(3000, 2)],
    ['c.txt', Buffer.alloc(10, 3)],
  ]);
  const zip = await zipOf(files, 1000);
  const file = path.join(t.testdir(), 'large.zip');
  fs.writeFileSync(file, zip);
  const script =
    'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(",".join(str(i.file_size) for i in z.infolist()))';
  t.equal(execFileSync('python3', ['-c', script, file], { encoding: 'utf8' }).trim(), '50,3000,10');
  const entries = readZip(sourceOf(zip));
  for (const [name, bytes] of files) t.ok(entries.get(name)?.content.read(0, bytes.length).equals(bytes), name);
  for (let at = 0; at < zip.length; at++) {
    const changed = Buffer.from(zip);
    changed[at] = (changed[at] as number) ^ 0x04;
    try {
      const read = readZip(sourceOf(changed));
      if ([...files.keys()].every((name) => read.get(name)?.sha256 === entries.get(name)?.sha256)) t.fail(`byte ${at}`);
    } catch (error) {
      if ((error as { code?: string }).code !== 'LR_PROOF_ZIP') throw error;
    }
  }
});

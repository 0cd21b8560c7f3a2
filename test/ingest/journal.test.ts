/** The journal lane: each record once, in order, or refused and told. */
import { gzipSync } from 'node:zlib';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { firstAuditBreak } from '@longroof/controller/store/audit';
import { encodeBatch, GENESIS_PREV, type JournalRecord, recordHash } from '@longroof/protocol/journal';
import { encodeFix } from '@longroof/protocol/track';
import t, { type Test } from 'tap';
import { BACKEND } from './backend.js';
import { type Centre, startCentre } from './centre.js';
import { BASE_UTC_MS, BOOT, ScriptedUnit, START_MONO_MS } from './scripted-unit.js';
import { storedJournal } from './stored-journal.js';

async function joined(t: Test, name = 'wagon-1'): Promise<{ centre: Centre; unit: ScriptedUnit }> {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, name);
  await unit.join();
  return { centre, unit };
}

const audits = (centre: Centre) => centre.store.db.selectFrom('audit').selectAll().orderBy('seq').execute();
const stored = async (centre: Centre) => (await storedJournal(centre.store)).map(({ seq }) => seq);

t.test('overlap is fine, a hole is asked for again, every record is stored once', async (t) => {
  const { centre, unit } = await joined(t);
  for (let n = 0; n < 20; n += 1) unit.record('health', { n });
  unit.checkpoint();
  t.equal(await unit.sendJournal(2, 10), 10);
  t.equal(await unit.sendJournal(2, 10), 10, 'the same again');
  t.equal(await unit.sendJournal(5, 14), 14, 'overlapping');
  t.equal(await unit.sendJournal(16, 20), 14, 'a hole: our next');
  t.equal(await unit.sendJournal(0, 23), 23, 'all of it');
  t.same(
    await stored(centre),
    Array.from({ length: 23 }, (_, seq) => seq),
  );
  const rows = await storedJournal(centre.store);
  t.ok(rows.every(({ seq, hash }) => hash === recordHash(unit.records[seq] as JournalRecord)));
  t.match(await unit.hello(), { journalNext: 23, journalHead: recordHash(unit.records[22] as JournalRecord) });
  t.same(await audits(centre), []);
  await unit.cut();
  await unit.connect();
  t.match(await unit.hello(), { journalNext: 23 }, 'known after a new connection');
  await unit.end();
});

t.test('a fork is refused, alarmed and audited once, and nothing is repaired', async (t) => {
  const { centre, unit } = await joined(t);
  const honest = unit.records.slice();
  for (let n = 0; n < 5; n += 1) unit.record('health', { n });
  await unit.sendJournal(2);
  unit.records.length = honest.length;
  for (let n = 0; n < 8; n += 1) unit.record('health', { forged: n });
  for (const [from, to] of [
    [2, 6],
    [2, 10],
    [7, 10],
  ] as const) {
    const seen = unit.acks.length;
    unit.send('journal', unit.batch(from, to));
    t.match(await unit.refusal('LR_JOURNAL_FORK', seen), { topic: 'journal' });
  }
  t.equal((await stored(centre)).length, 7);
  const entries = await audits(centre);
  t.equal(entries.length, 1, 'one entry, however often');
  t.match(entries[0], { person: 'unit:wagon-1', action: 'journal-alarm', detail_json: /LR_JOURNAL_FORK/ });
  t.equal(await firstAuditBreak(centre.store.db), undefined);
  t.equal(centre.ingest.counters.journalForks, 3);
  await centre.ingest.stop();
  const row = await centre.store.db.selectFrom('refusal').selectAll().where('code', '=', 'LR_JOURNAL_FORK').executeTakeFirstOrThrow();
  t.match(row, { unit: 'wagon-1', count: 3 });
});

t.test('an unknown epoch begins with a genesis whose key the certificate binds', async (t) => {
  const { centre, unit } = await joined(t, 'wagon-1');
  const refuse = async (code: string, make: (other: ScriptedUnit) => void): Promise<void> => {
    const other = await ScriptedUnit.create(centre, 'wagon-2');
    await other.connect();
    other.begin();
    make(other);
    other.send('journal', other.batch());
    t.match(await other.refusal(code), { topic: 'journal' });
    other.manifest(other.fragment(0, Buffer.alloc(10)));
    await other.refusal('LR_EPOCH_UNKNOWN');
    await other.end();
  };
  const genesis = (other: ScriptedUnit) => other.records[0] as JournalRecord<'genesis'>;
  const relink = (other: ScriptedUnit): void => {
    other.records.splice(1);
  };
  await refuse('LR_JOURNAL_GENESIS', (other) => {
    genesis(other).body.journalKey = (unit.records[0] as JournalRecord<'genesis'>).body.journalKey;
    relink(other);
  });
  await refuse('LR_JOURNAL_GENESIS', (other) => {
    genesis(other).body.unit = 'wagon-1';
    relink(other);
  });
  await refuse('LR_JOURNAL_GENESIS', (other) => {
    genesis(other).body.journalKey = 'no key';
    relink(other);
  });
  await refuse('LR_JOURNAL_GENESIS', (other) => {
    genesis(other).type = 'health' as 'genesis';
    relink(other);
  });
  await refuse('LR_JOURNAL_GENESIS', (other) => {
    other.records.shift();
  });
  t.same(await centre.store.db.selectFrom('epoch').select('unit').execute(), [{ unit: 'wagon-1' }]);
  await unit.end();
});

t.test('a checkpoint whose signature does not fit stops the journal there', async (t) => {
  const { centre, unit } = await joined(t);
  unit.record('health', {});
  unit.checkpoint();
  const last = unit.records.at(-1) as JournalRecord<'checkpoint'>;
  last.body.signature = `${last.body.signature.slice(0, -4)}AAAA`;
  unit.send('journal', unit.batch(2));
  await unit.refusal('LR_JOURNAL_CHECKPOINT');
  t.equal((await stored(centre)).length, 2);
  t.equal((await audits(centre)).length, 1);
  unit.records.pop();
  unit.checkpoint();
  t.equal(await unit.sendJournal(2), 4);
  await unit.end();
});

t.test('a body of the wrong shape stays evidence, projects nothing and is counted', async (t) => {
  const { centre, unit } = await joined(t);
  unit.record('catalog', { camera: '../x' } as never);
  unit.record('gap', { camera: 'front', rendition: 'proxy', fromMonoMs: 1, durationMs: -1, cause: 'damaged' });
  unit.record('track', { points: [[1, 2, 3]] });
  unit.record('clock', { atMonoMs: 'x' } as never);
  unit.record('dispose', {} as never);
  unit.record('done', { pullId: 'none', state: 'complete' });
  unit.record('done', { pullId: 'none', state: 'planned', parts: 7 } as never);
  unit.record('run', { boot: 7 } as never);
  t.equal(await unit.sendJournal(2), 10);
  t.equal((await stored(centre)).length, 10);
  t.same(await centre.store.db.selectFrom('reel').selectAll().execute(), []);
  await centre.ingest.stop();
  t.match(await centre.store.db.selectFrom('refusal').selectAll().executeTakeFirst(), { code: 'LR_JOURNAL_BODY', count: 8 });
});

t.test('reels, gaps, positions and disposals follow from records, and a better clock dates them again', async (t) => {
  const { centre, unit } = await joined(t);
  const db = centre.store.db;
  const reel = {
    camera: 'front',
    rendition: 'proxy' as const,
    run: 1,
    seqFirst: 0,
    count: 60,
    startMonoMs: START_MONO_MS,
    durationMs: 60_000,
    bytes: 1000,
    root: 'a'.repeat(64),
    initSha256: 'b'.repeat(64),
    codec: 'avc1.64001f',
    lostPackets: 3,
  };
  unit.monoMs = START_MONO_MS + 61_000;
  unit.record('catalog', reel);
  unit.record('gap', {
    camera: 'front',
    rendition: 'proxy',
    fromMonoMs: START_MONO_MS + 60_000,
    durationMs: 5000,
    cause: 'camera-stalled',
    detail: 'no packet for 5 s',
  });
  const fromWall = { utcMs: BASE_UTC_MS - 500_000, source: 'gnss' as const, errorMs: 10 };
  unit.record('gap', { camera: 'front', rendition: 'original', fromMonoMs: -400_000, durationMs: 450_000, fromWall, cause: 'power-cut' });
  const fix = { monoMs: 1, mode: 3 as const, errorM: 3, speedMps: 0, courseDeg: null, satellites: 9, ageMs: 5 };
  unit.record('track', {
    points: [
      encodeFix({ ...fix, utcMs: BASE_UTC_MS + 5000, latDeg: 48.2, lonDeg: 16.37 }),
      encodeFix({ ...fix, utcMs: BASE_UTC_MS + 6000, latDeg: 48.3, lonDeg: -16.4 }),
    ],
  });
  await unit.sendJournal(2);
  const utcMs = unit.utcOf(START_MONO_MS);
  const reelRow = () => db.selectFrom('reel').selectAll().executeTakeFirstOrThrow();
  const gapRows = () => db.selectFrom('gap').selectAll().orderBy('seq').execute();
  t.match(await reelRow(), {
    boot: BOOT,
    start_utc_ms: utcMs,
    end_utc_ms: utcMs + 60_000,
    wall_source: 'rtc',
    lost_packets: 3,
    gone: null,
  });
  t.match(await gapRows(), [
    { from_utc_ms: utcMs + 60_000, to_utc_ms: utcMs + 65_000, cause: 'camera-stalled', detail: 'no packet for 5 s', run: 1 },
    { from_utc_ms: fromWall.utcMs, to_utc_ms: utcMs, cause: 'power-cut' },
  ]);
  t.match(await db.selectFrom('unit').selectAll().executeTakeFirst(), {
    lat_deg: 48.3,
    lon_deg: -16.4,
    fix_utc_ms: BASE_UTC_MS + 6000,
    run: 1,
  });

  await unit.upload(unit.fragment(0, Buffer.alloc(100)));
  // A clock that nobody vouches for jumps: what was recorded before stays where it was.
  const errorMs = (await reelRow()).wall_error_ms * 0.9;
  unit.record('clock', { atMonoMs: unit.monoMs - 1, offsetMs: BASE_UTC_MS - 60_000_000, source: 'rtc', errorMs });
  await unit.sendJournal(5);
  t.match(await reelRow(), { start_utc_ms: utcMs, wall_source: 'rtc' });
  t.match(await db.selectFrom('fragment').selectAll().executeTakeFirst(), { start_utc_ms: utcMs, wall_source: 'rtc' });
  // GNSS is there at last: the RTC was 7 s behind.
  unit.record('clock', { atMonoMs: unit.monoMs, offsetMs: BASE_UTC_MS + 7000, source: 'gnss', errorMs: 1 });
  unit.record('track', { points: [encodeFix({ ...fix, utcMs: BASE_UTC_MS + 1000, latDeg: 1, lonDeg: 1 })] });
  await unit.sendJournal(7);
  t.match(await reelRow(), { start_utc_ms: utcMs + 7000, end_utc_ms: utcMs + 67_000, wall_source: 'gnss' });
  t.ok((await reelRow()).wall_error_ms < 8);
  t.match(await gapRows(), [
    { from_utc_ms: utcMs + 67_000, to_utc_ms: utcMs + 72_000 },
    { from_utc_ms: fromWall.utcMs, to_utc_ms: utcMs + 7000 },
  ]);
  t.match(await db.selectFrom('fragment').selectAll().executeTakeFirst(), { start_utc_ms: utcMs + 7000, wall_source: 'gnss' });
  t.match(await db.selectFrom('unit').selectAll().executeTakeFirst(), { lat_deg: 48.3 }, 'an older fix changes nothing');
  await unit.upload(unit.fragment(1, Buffer.alloc(101)));
  t.match(await db.selectFrom('fragment').selectAll().where('seq', '=', 1).executeTakeFirst(), { start_utc_ms: utcMs + 8000 });
  unit.record('clock', { atMonoMs: unit.monoMs + 1, offsetMs: BASE_UTC_MS, source: 'rtc', errorMs: 500 });
  await unit.sendJournal(9);
  t.match(await reelRow(), { start_utc_ms: utcMs + 7000 }, 'a worse clock changes nothing');

  const { camera, rendition, run, seqFirst, count, bytes, root } = reel;
  unit.record('dispose', { camera, rendition, run, seqFirst, count, bytes, root, reason: 'released' });
  await unit.sendJournal(10);
  t.match(await reelRow(), { gone: 'released' });
  unit.record('loss', { camera, rendition, run, seqFirst, count, bytes, root, reason: 'no-space' });
  await unit.sendJournal(11);
  t.match(await reelRow(), { gone: 'lost' });
  await unit.end();
});

t.test('a journal that is shorter than it was, an epoch that returns: told, and the unit is not turned away', async (t) => {
  const { centre, unit } = await joined(t);
  const first = { epoch: unit.epoch, records: unit.records.slice() };
  unit.record('health', {});
  await unit.sendJournal(2);
  unit.records.pop();
  t.match(await unit.hello(), { journalNext: 3 });
  // Behind a broker that is not ours, another hello is another connection.
  if (BACKEND === 'embedded') await unit.hello();
  unit.epoch = 'd'.repeat(32);
  unit.records.length = 0;
  await unit.join();
  t.match(await unit.hello(), { journalNext: 2 });
  unit.epoch = first.epoch;
  unit.records.splice(0, Number.POSITIVE_INFINITY, ...first.records);
  unit.record('health', {});
  await unit.hello();
  t.match(
    (await audits(centre)).map((entry) => JSON.parse(entry.detail_json) as object),
    [
      { code: 'LR_JOURNAL_ROLLBACK', has: 2, here: 3 },
      { code: 'LR_EPOCH_RETURNED', newest: 'd'.repeat(32) },
    ],
  );
  await unit.upload(unit.fragment(0, Buffer.alloc(10)));
  await unit.end();
});

t.test('fuzz: batches mutated in any way never break the chain that is stored', async (t) => {
  const { centre, unit } = await joined(t);
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let n = 0; n < 30; n += 1) unit.record('health', { n });
  const hostile = [
    '9'.repeat(400),
    '['.repeat(200_000),
    '{"epoch":',
    JSON.stringify({ epoch: unit.epoch, head: GENESIS_PREV, records: [null] }),
  ];
  const cases = Math.min(fuzzCases(150), 3000);
  for (let n = 0; n < cases; n += 1) {
    const records = structuredClone(unit.records.slice(random.int(0, 10), random.int(10, unit.records.length)));
    const victim = random.pick(records) as unknown as Record<string, unknown>;
    victim[random.pick(['seq', 'run', 'monoMs', 'wall', 'type', 'body', 'prev', 'more'])] = random.pick<unknown>([
      null,
      -1,
      1e300,
      'x',
      {},
      [],
      random.int(0, 50),
      'f'.repeat(64),
    ]);
    let payload: Buffer;
    try {
      const head = random.int(0, 2) === 0 ? recordHash(records.at(-1) as JournalRecord) : GENESIS_PREV;
      payload = encodeBatch({ epoch: unit.epoch, records, head });
    } catch {
      payload = random.bytes(100);
    }
    if (random.int(0, 4) === 0) payload = gzipSync(random.pick(hostile));
    if (random.int(0, 4) === 0) payload[random.int(0, payload.length)] = random.int(0, 256);
    unit.send('journal', payload);
    if (n % 50 === 49) await unit.hello();
  }
  unit.send('journal', Buffer.alloc(100_000, 1));
  await unit.refusal('LR_JOURNAL_BATCH');
  const next = (await unit.hello()).journalNext;
  const rows = await storedJournal(centre.store);
  t.equal(rows.length, next);
  let prev = GENESIS_PREV;
  for (const row of rows) {
    if (recordHash(row.text) !== row.hash || (JSON.parse(row.text) as JournalRecord).prev !== prev) t.fail(`record ${row.seq}`);
    prev = row.hash;
  }
  await centre.ingest.stop();
  const codes = (await centre.store.db.selectFrom('refusal').select('code').execute()).map(({ code }) => code);
  t.comment(codes.join(' '));
  t.notOk(codes.includes('LR_INTERNAL'));
});

/** Journals that cannot be packed: tried again after a while, one line and one count each time, and no other journal waits for them. */
import { type Clock, systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { GENESIS_PREV, recordHash, recordText } from '@longroof/protocol/journal';
import t, { type Test } from 'tap';
import { Commits } from '../store/commits.js';
import { keepRecords, type Life } from '../store/journal.js';
import { openStore, type Store } from '../store/open.js';
import type { KeptRecord } from '../store/segment.js';
import { newIngestCounters } from './context.js';
import { OPEN_FENCE } from './fence.js';
import { JournalPacker, PACK_RECORDS } from './pack-journal.js';

const FIRST: Life = { unit: 'wagon-1', epoch: '1'.repeat(32) };
const SECOND: Life = { unit: 'wagon-2', epoch: '2'.repeat(32) };
const BATCH = 64;
const HOUR_MS = 3_600_000;

class Desk {
  readonly store: Store;
  readonly clock = new SimClock();
  readonly counters = newIngestCounters();
  readonly lines: Record<string, unknown>[] = [];
  readonly packer: JournalPacker;
  fault: Fault | undefined;
  readonly #kept = new Map<Life, KeptRecord>();

  constructor(store: Store) {
    this.store = store;
    const commits = new Commits(store.db, systemClock);
    const { clock, counters } = this;
    const log = { ...silentLog, error: (line: Record<string, unknown>) => void this.lines.push(line) };
    const fence = {
      hold: async (...held: Parameters<typeof OPEN_FENCE.hold>) => {
        if (this.fault) throw this.fault;
        return OPEN_FENCE.hold(...held);
      },
    };
    this.packer = new JournalPacker({ store, commits, fence, log, clock: clock as Clock, counters });
  }

  static async open(t: Test): Promise<Desk> {
    const desk = new Desk(await openStore({ dir: t.testdir(), clock: systemClock, log: silentLog }));
    t.teardown(async () => {
      await desk.packer.stop();
      await desk.store.close();
    });
    for (const { unit, epoch } of [FIRST, SECOND])
      await desk.store.db
        .insertInto('epoch')
        .values({
          ...{ unit, epoch, journal_key_pem: '', unit_certificate_pem: null, started_utc_ms: 0 },
          ...{ next_seq: 0, head: GENESIS_PREV, packed_next: 0 },
        })
        .execute();
    return desk;
  }

  /** So many batches come; the packer hears of each. */
  async batches(life: Life, count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const records: KeptRecord[] = [];
      for (let one = 0; one < BATCH; one += 1) {
        const before = records.at(-1) ?? this.#kept.get(life);
        const seq = (before?.seq ?? -1) + 1;
        const wall = { utcMs: seq, source: 'gnss' as const, errorMs: 3 };
        const text = recordText({ seq, run: 1, monoMs: seq, wall, type: 'health', body: {} as never, prev: before?.hash ?? GENESIS_PREV });
        records.push({ seq, text, hash: recordHash(text), receivedUtcMs: seq });
      }
      const last = records.at(-1) as KeptRecord;
      this.#kept.set(life, last);
      const row = await this.store.db.transaction().execute(async (trx) => {
        await keepRecords(trx, life, records);
        await trx
          .updateTable('epoch')
          .set({ next_seq: last.seq + 1, head: last.hash })
          .where('epoch', '=', life.epoch)
          .execute();
        return trx.selectFrom('epoch').select('packed_next').where('epoch', '=', life.epoch).executeTakeFirstOrThrow();
      });
      this.packer.loose(life, last.seq + 1 - row.packed_next);
      await this.packer.idle();
    }
  }

  /** Segments of so many records each. */
  async sizes({ epoch }: Life): Promise<number[]> {
    const rows = await this.store.db
      .selectFrom('segment')
      .select(['seq_first', 'seq_last'])
      .where('epoch', '=', epoch)
      .orderBy('seq_first')
      .execute();
    return rows.map((row) => row.seq_last - row.seq_first + 1);
  }

  async flip({ epoch }: Life): Promise<void> {
    const segments = this.store.db.selectFrom('segment').select('packed').where('epoch', '=', epoch).where('seq_first', '=', 0);
    const packed = Buffer.from((await segments.executeTakeFirstOrThrow()).packed);
    packed[packed.length >> 1] = (packed[packed.length >> 1] as number) ^ 1;
    await this.store.db.updateTable('segment').set({ packed }).where('epoch', '=', epoch).where('seq_first', '=', 0).execute();
  }
}

const WHOLE = PACK_RECORDS / BATCH;

t.test('a full disk: no attempt before its time, then one, and all of it once there is room', async (t) => {
  const desk = await Desk.open(t);
  desk.fault = new Fault('full', 'LR_SYS_ENOSPC', 'no space left');
  await desk.batches(FIRST, WHOLE + 3);
  t.equal(desk.counters.packFailures, 1, 'not with every batch');
  t.match(desk.lines, [{ ...FIRST, error: { code: 'LR_SYS_ENOSPC' }, retryMs: Number }]);
  await desk.clock.advance(29_000);
  await desk.batches(FIRST, 1);
  t.equal(desk.lines.length, 1);
  await desk.clock.advance(32_000);
  await desk.batches(FIRST, 2);
  t.equal(desk.counters.packFailures, 2, 'once when it was time');
  desk.fault = undefined;
  await desk.clock.advance(59_000);
  await desk.batches(FIRST, 1);
  t.equal((await desk.sizes(FIRST)).length, WHOLE + 7, 'the second time it waits longer');
  await desk.clock.advance(62_000);
  await desk.batches(FIRST, 1);
  t.same(await desk.sizes(FIRST), [PACK_RECORDS, ...Array.from({ length: 8 }, () => BATCH)]);
  t.same([desk.counters.packFailures, desk.lines.length], [2, 2]);
  desk.fault = new Fault('full', 'LR_SYS_ENOSPC', 'no space left');
  await desk.batches(FIRST, WHOLE);
  t.ok(Number(desk.lines.at(-1)?.['retryMs']) <= 60_000, 'and begins anew after a success');
});

t.test('a disk that stays full: an hour at most between two attempts', async (t) => {
  const desk = await Desk.open(t);
  desk.fault = new Fault('full', 'LR_SYS_ENOSPC', 'no space left');
  await desk.batches(FIRST, WHOLE);
  for (let n = 0; n < 12; n += 1) {
    await desk.clock.advance(HOUR_MS);
    await desk.batches(FIRST, 1);
  }
  t.equal(desk.counters.packFailures, 13);
  const waits = desk.lines.map((line) => Number(line['retryMs']));
  t.ok(Math.max(...waits) <= HOUR_MS && (waits.at(-1) as number) >= HOUR_MS / 2, waits.join(' '));
});

t.test('a segment that the disk has changed: its journal is not packed, all others are', async (t) => {
  const desk = await Desk.open(t);
  await desk.batches(FIRST, 1);
  await desk.flip(FIRST);
  await desk.batches(FIRST, WHOLE);
  await desk.batches(SECOND, WHOLE);
  t.match(desk.lines, [{ ...FIRST, error: { code: 'LR_STORE_SEGMENT' } }]);
  t.same(await desk.sizes(SECOND), [PACK_RECORDS]);
  t.equal((await desk.sizes(FIRST)).length, WHOLE + 1, 'and nothing of it is touched');
  await desk.flip(FIRST);
  await desk.clock.advance(61_000);
  await desk.batches(FIRST, 1);
  t.same(await desk.sizes(FIRST), [PACK_RECORDS, BATCH, BATCH], 'until it is as it was');
  t.equal(desk.counters.packFailures, 1);
});

t.test('another process has the partition: no failure, and no wait when it comes back', async (t) => {
  const desk = await Desk.open(t);
  desk.fault = new Fault('unavailable', 'LR_LEASE_LOST', 'the partition is not ours');
  await desk.batches(FIRST, WHOLE);
  desk.fault = undefined;
  await desk.batches(FIRST, 1);
  t.same(await desk.sizes(FIRST), [PACK_RECORDS, BATCH]);
  t.same([desk.counters.packFailures, desk.lines.length], [0, 0]);
});

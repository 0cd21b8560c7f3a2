/**
 * Journal records are kept as they come, some dozen together, and packed anew once there are many: a segment of some hundred takes half the
 * room of those it was made of. Packing waits for nobody and nobody waits for it; what is packed is exactly what was there, or nothing is
 * changed. Where it fails the records stand as they came, whole, and after a while the next batch of that journal tries again: of that one
 * alone, the others are packed meanwhile.
 */
import type { MonoMs } from '@longroof/base/clock';
import { type Fault, toFault } from '@longroof/base/errors';
import { Backoff } from '@longroof/base/retry';
import type { Transaction } from 'kysely';
import { type Life, segmentsOf } from '../store/journal.js';
import { type KeptRecord, type PackedSegment, packTogether, unpack } from '../store/segment.js';
import type { Tables } from '../store/tables.js';
import type { Context } from './context.js';

/** Of one segment, and how many loose ones make one. */
export const PACK_RECORDS = 1024;
/** Of their text; a segment may be larger by what came together at once. */
const PACK_CHARS_MAX = 1024 * 1024;
const READ_SEGMENTS = 32;
/** From the first failure to the next attempt, and at most: a full disk is soon seen to, a damaged one is not. */
const RETRY = { firstMs: 60_000, maxMs: 3_600_000 };
/** Journals whose failures are remembered; the one that failed first is forgotten, and tried again a little early. */
const FAILED_MAX = 1000;

type Parts = Pick<Context, 'store' | 'commits' | 'fence' | 'log' | 'clock' | 'counters'>;

interface Failed {
  backoff: Backoff;
  untilMonoMs: MonoMs;
}

export class JournalPacker {
  readonly #context: Parts;
  readonly #due = new Map<string, Life>();
  readonly #failed = new Map<string, Failed>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(context: Parts) {
    this.#context = context;
  }

  /** So many records of a journal are kept as they came. */
  loose(life: Life, count: number): void {
    if (count < PACK_RECORDS || this.#stopped) return;
    const key = `${life.unit} ${life.epoch}`;
    if (this.#waits(key)) return;
    this.#due.set(key, life);
    this.#running ??= this.#run();
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.idle();
  }

  #waits(key: string): boolean {
    const failed = this.#failed.get(key);
    return failed !== undefined && this.#context.clock.mono() < failed.untilMonoMs;
  }

  async #run(): Promise<void> {
    for (const [key, life] of this.#due) {
      this.#due.delete(key);
      // More of it may have come while an attempt was under way.
      if (this.#waits(key)) continue;
      try {
        while (!this.#stopped && (await this.#pack(life)));
        this.#failed.delete(key);
      } catch (error) {
        this.#fail(key, life, toFault(error, 'pack a journal'));
      }
    }
    this.#running = undefined;
  }

  #fail(key: string, life: Life, fault: Fault): void {
    const { backoff } = this.#failed.get(key) ?? { backoff: new Backoff(RETRY) };
    this.#failed.delete(key);
    // Whoever holds the partition now packs it.
    if (fault.code === 'LR_LEASE_LOST') return;
    const { clock, counters, log } = this.#context;
    counters.packFailures += 1;
    const retryMs = Math.round(backoff.nextMs());
    this.#failed.set(key, { backoff, untilMonoMs: clock.mono() + retryMs });
    const [oldest] = this.#failed.keys();
    if (oldest !== undefined && this.#failed.size > FAILED_MAX) this.#failed.delete(oldest);
    log.error({ ...life, error: fault, retryMs }, 'a journal could not be packed');
  }

  /** False where too few are loose. */
  async #pack(life: Life): Promise<boolean> {
    const { old, records } = await this.#read(life);
    if (records.length === 0) return false;
    const segment = old.length > 1 ? await packTogether(records) : undefined;
    const { commits, fence } = this.#context;
    return commits.run(async (trx) => {
      await fence.hold(trx, life.unit);
      return replace(trx, life, old, segment);
    });
  }

  /** The next loose segments whose records make a whole one; nothing where they do not. */
  async #read({ unit, epoch }: Life): Promise<{ old: PackedSegment[]; records: KeptRecord[] }> {
    const { reads } = this.#context.store;
    const life = await reads.selectFrom('epoch').selectAll().where('unit', '=', unit).where('epoch', '=', epoch).executeTakeFirst();
    const old: PackedSegment[] = [];
    const records: KeptRecord[] = [];
    let next = life?.packed_next ?? 0;
    if (!life || life.next_seq - next < PACK_RECORDS) return { old, records };
    for (let chars = 0; ; ) {
      const page = segmentsOf(reads, { unit, epoch }).where('seq_first', '>=', next).orderBy('seq_first').limit(READ_SEGMENTS);
      const rows = await page.execute();
      for (const row of rows) {
        old.push(row);
        next = row.seq_last + 1;
        for (const record of unpack(row)) {
          records.push(record);
          chars += record.text.length;
        }
        if (records.length >= PACK_RECORDS || chars >= PACK_CHARS_MAX) return { old, records };
      }
      if (rows.length < READ_SEGMENTS) return { old: [], records: [] };
    }
  }
}

/** False where the old ones are no longer there: another process was first. */
async function replace(
  trx: Transaction<Tables>,
  { unit, epoch }: Life,
  old: readonly PackedSegment[],
  segment: PackedSegment | undefined,
): Promise<boolean> {
  const [first, last] = [old[0]?.seq_first ?? 0, old.at(-1)?.seq_last ?? 0];
  const there = await trx
    .selectFrom('segment')
    .select(['seq_first', 'head'])
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('seq_first', '>=', first)
    .where('seq_first', '<=', last)
    .orderBy('seq_first')
    .execute();
  const same = there.length === old.length && there.every((row, at) => row.seq_first === old[at]?.seq_first && row.head === old[at]?.head);
  if (!same) return false;
  if (segment) {
    await trx
      .deleteFrom('segment')
      .where('unit', '=', unit)
      .where('epoch', '=', epoch)
      .where('seq_first', '>=', first)
      .where('seq_first', '<=', last)
      .execute();
    await trx
      .insertInto('segment')
      .values({ unit, epoch, ...segment })
      .execute();
  }
  await trx
    .updateTable('epoch')
    .set({ packed_next: last + 1 })
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .execute();
  return true;
}

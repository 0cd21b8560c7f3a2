/**
 * Journal records are kept as they come, some dozen together, and packed anew once there are many: a segment of some hundred takes half the
 * room of those it was made of. Packing waits for nobody and nobody waits for it; what is packed is exactly what was there, or nothing is
 * changed.
 */
import { toFault } from '@longroof/base/errors';
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

export class JournalPacker {
  readonly #context: Pick<Context, 'store' | 'commits' | 'fence' | 'log'>;
  readonly #due = new Map<string, Life>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(context: Pick<Context, 'store' | 'commits' | 'fence' | 'log'>) {
    this.#context = context;
  }

  /** So many records of a journal are kept as they came. */
  loose(life: Life, count: number): void {
    if (count < PACK_RECORDS || this.#stopped) return;
    this.#due.set(`${life.unit} ${life.epoch}`, life);
    this.#running ??= this.#run();
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.idle();
  }

  async #run(): Promise<void> {
    for (const [key, life] of this.#due) {
      this.#due.delete(key);
      try {
        while (!this.#stopped && (await this.#pack(life)));
      } catch (error) {
        const fault = toFault(error, 'pack a journal');
        if (fault.code !== 'LR_LEASE_LOST') this.#context.log.error({ ...life, error: fault }, 'a journal could not be packed');
      }
    }
    this.#running = undefined;
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

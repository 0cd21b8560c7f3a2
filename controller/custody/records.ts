/**
 * Which records of a unit's journal an export needs, as stretches that begin and end with a checkpoint, so that every record in them
 * stands under a signature. Reads the database only; memory is a segment of records at a time.
 */
import type { UtcMs } from '@longroof/base/clock';
import { assert } from '@longroof/base/errors';
import { type ClockAnchor, servingAnchors } from '@longroof/protocol/wall';
import { type Life, recordsAt, recordsOf } from '../store/journal.js';
import type { Db } from '../store/open.js';
import type { ReelTable } from '../store/tables.js';

/** Records `first` to `last`, both with it. */
export interface Stretch {
  first: number;
  last: number;
}

export interface Segment extends Stretch {
  /** When the centre had taken its last record. */
  receivedUtcMs: UtcMs;
}

/** A part of a pull, one run of one camera, with the times of its footage. */
export interface PartTimes {
  camera: string;
  run: number;
  boot: string;
  startMonoMs: number;
  endMonoMs: number;
}

export interface Wanted {
  unit: string;
  epoch: string;
  pullId: string;
  pullCreatedUtcMs: UtcMs;
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
  cameras: readonly string[];
  rendition: string;
  parts: readonly PartTimes[];
  reels: readonly ReelTable[];
}

const POINTS_MAX = 20_000;

export class RecordReader {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Stretches in order, none touching another. */
  async segments(wanted: Wanted): Promise<Segment[]> {
    const stretches: Stretch[] = [{ first: 0, last: 0 }];
    const catalogs = catalogsOf(wanted);
    if (catalogs) stretches.push(catalogs);
    for (const seq of await this.#points(wanted)) stretches.push({ first: seq, last: seq });
    const whole: Stretch[] = [];
    for (const stretch of stretches.sort((a, b) => a.first - b.first)) {
      const before = whole.at(-1);
      if (before && stretch.last <= before.last) continue;
      const signed = await this.#signed(wanted, stretch);
      if (!signed) continue;
      if (before && signed.first <= before.last + 1) before.last = Math.max(before.last, signed.last);
      else whole.push(signed);
    }
    const segments: Segment[] = [];
    for (const stretch of whole) segments.push({ ...stretch, receivedUtcMs: await this.#received(wanted, stretch.last) });
    return segments;
  }

  /** The records' own bytes, a line each. */
  async *lines({ unit, epoch }: Life, { first, last }: Stretch): AsyncGenerator<Buffer, void, undefined> {
    for await (const records of recordsOf(this.#db, { unit, epoch }, first, last))
      if (records.length > 0) yield Buffer.from(`${records.map((record) => record.text).join('\n')}\n`);
  }

  /** Throws `corrupt` (LR_STORE_SEGMENT) where they cannot be read. */
  async check({ unit, epoch }: Life, { first, last }: Stretch): Promise<void> {
    for await (const _ of recordsOf(this.#db, { unit, epoch }, first, last));
  }

  /** Single records: runs and clocks of the footage, gaps of its cameras in the pull's time, what the unit said of the pull. */
  async #points(wanted: Wanted): Promise<number[]> {
    const { unit, epoch, parts } = wanted;
    const seqs = new Set<number>();
    const runs = [...new Set(parts.map((part) => part.run))];
    if (runs.length > 0) {
      const rows = await this.#records(wanted, 'run').where('run', 'in', runs).execute();
      for (const row of rows) seqs.add(row.seq);
    }
    for (const part of parts) for (const seq of await this.#clocks(wanted, part)) seqs.add(seq);
    const gaps = await this.#db
      .selectFrom('gap')
      .select('seq')
      .where('unit', '=', unit)
      .where('epoch', '=', epoch)
      .where('camera', 'in', [...wanted.cameras])
      .where('rendition', '=', wanted.rendition as 'original')
      .where('from_utc_ms', '<', wanted.toUtcMs)
      .where('to_utc_ms', '>', wanted.fromUtcMs)
      .orderBy('seq')
      .limit(POINTS_MAX)
      .execute();
    for (const row of gaps) seqs.add(row.seq);
    const done = await this.#records(wanted, 'done')
      .where('received_utc_ms', '>=', wanted.pullCreatedUtcMs)
      .where('body_json', 'like', `%"${wanted.pullId}"%`)
      .execute();
    for (const row of done) seqs.add(row.seq);
    return [...seqs].sort((a, b) => a - b);
  }

  #records({ unit, epoch }: Pick<Wanted, 'unit' | 'epoch'>, type: string) {
    return this.#db
      .selectFrom('noted_record')
      .select(['seq', 'run', 'body_json'])
      .where('unit', '=', unit)
      .where('type', '=', type)
      .where('epoch', '=', epoch)
      .orderBy('seq')
      .limit(POINTS_MAX);
  }

  /** The clock records of the boot that may date a fragment of the part, as far as they are signed, and the runs that wrote them. */
  async #clocks(wanted: Wanted, { boot, startMonoMs, endMonoMs }: PartTimes): Promise<number[]> {
    const { unit, epoch } = wanted;
    const checkpoint = await this.#records(wanted, 'checkpoint').clearOrderBy().orderBy('seq', 'desc').limit(1).executeTakeFirst();
    const runs = this.#db.selectFrom('run').select('run').where('unit', '=', unit).where('epoch', '=', epoch).where('boot', '=', boot);
    const rows = await this.#records(wanted, 'clock')
      .where('run', 'in', runs)
      .where('seq', '<', checkpoint?.seq ?? 0)
      .execute();
    const clocks = rows.map(({ seq, run, body_json }) => ({ seq, run, ...(JSON.parse(body_json) as ClockAnchor) }));
    const serving = servingAnchors(clocks, startMonoMs, endMonoMs);
    const writers = [...new Set(serving.map(({ run }) => run))];
    const written = writers.length > 0 ? await this.#records(wanted, 'run').where('run', 'in', writers).execute() : [];
    return [...serving, ...written].map(({ seq }) => seq);
  }

  /** From the checkpoint before a stretch, or the journal's beginning, to the first one after it, or its end as it is here. */
  async #signed({ unit, epoch }: Wanted, { first, last }: Stretch): Promise<Stretch | undefined> {
    const checkpoints = (order: 'asc' | 'desc') =>
      this.#db
        .selectFrom('noted_record')
        .select('seq')
        .where('unit', '=', unit)
        .where('type', '=', 'checkpoint')
        .where('epoch', '=', epoch)
        .orderBy('seq', order)
        .limit(1);
    const before = await checkpoints('desc').where('seq', '<=', first).executeTakeFirst();
    const after = await checkpoints('asc').where('seq', '>', last).executeTakeFirst();
    const end = after?.seq ?? (await this.#last(unit, epoch));
    return end === undefined ? undefined : { first: before?.seq ?? 0, last: end };
  }

  /** Undefined where there is no record yet. */
  async #last(unit: string, epoch: string): Promise<number | undefined> {
    const rows = this.#db.selectFrom('segment').select('seq_last').where('unit', '=', unit).where('epoch', '=', epoch);
    return (await rows.orderBy('seq_first', 'desc').limit(1).executeTakeFirst())?.seq_last;
  }

  async #received({ unit, epoch }: Wanted, seq: number): Promise<UtcMs> {
    const record = (await recordsAt(this.#db, { unit, epoch }, [seq])).get(seq);
    assert(record, 'the last record of a stretch is here');
    return record.receivedUtcMs;
  }
}

/** From the first to the last catalogue record of the pull's reels: what lies between shows that nothing was left out. */
function catalogsOf({ reels }: Wanted): Stretch | undefined {
  const seqs = reels.flatMap(({ catalog_seq: seq }) => (seq === null ? [] : [seq])).sort((a, b) => a - b);
  const [first] = seqs;
  return first === undefined ? undefined : { first, last: seqs.at(-1) ?? first };
}

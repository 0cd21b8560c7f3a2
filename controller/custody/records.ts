/**
 * Which records of a unit's journal an export needs, as stretches that begin and end with a checkpoint, so that every record in them
 * stands under a signature. Reads the database only; memory is a page of records at a time.
 */
import type { UtcMs } from '@longroof/base/clock';
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

const PAGE = 500;
/** Catalogue records that are looked through for the reels of a pull: some days of sixteen streams. */
const CATALOGS_MAX = 100_000;
const POINTS_MAX = 20_000;

export class RecordReader {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Stretches in order, none touching another. */
  async segments(wanted: Wanted): Promise<Segment[]> {
    const stretches: Stretch[] = [{ first: 0, last: 0 }];
    const catalogs = await this.#catalogs(wanted);
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
  async *lines({ unit, epoch }: { unit: string; epoch: string }, { first, last }: Stretch): AsyncGenerator<Buffer, void, undefined> {
    for (let next = first; next <= last; next += PAGE) {
      const rows = await this.#db
        .selectFrom('journal')
        .select('text')
        .where('unit', '=', unit)
        .where('epoch', '=', epoch)
        .where('seq', '>=', next)
        .where('seq', '<=', Math.min(last, next + PAGE - 1))
        .orderBy('seq')
        .execute();
      if (rows.length > 0) yield Buffer.from(`${rows.map((row) => row.text).join('\n')}\n`);
    }
  }

  /** From the first to the last catalogue record of the pull's reels: what lies between shows that nothing was left out. */
  async #catalogs({ unit, epoch, reels }: Wanted): Promise<Stretch | undefined> {
    const open = new Map(reels.map((reel) => [reelName(reel), reel]));
    if (open.size === 0) return undefined;
    const runs = [...reels].sort((a, b) => a.run - b.run || a.start_mono_ms - b.start_mono_ms);
    let next = await this.#recordAt(unit, epoch, runs[0] as ReelTable);
    const seqs: number[] = [];
    for (let looked = 0; looked < CATALOGS_MAX && open.size > 0; looked += PAGE) {
      const rows = await this.#db
        .selectFrom('journal')
        .select(['seq', 'body_json'])
        .where('unit', '=', unit)
        .where('type', '=', 'catalog')
        .where('epoch', '=', epoch)
        .where('seq', '>=', next)
        .orderBy('seq')
        .limit(PAGE)
        .execute();
      for (const row of rows) {
        const body = JSON.parse(row.body_json) as { camera: string; rendition: string; run: number; seqFirst: number };
        if (open.delete(reelName({ ...body, seq_first: body.seqFirst }))) seqs.push(row.seq);
        next = row.seq + 1;
      }
      if (rows.length < PAGE) break;
    }
    const [first] = seqs;
    return first === undefined ? undefined : { first, last: seqs.at(-1) ?? first };
  }

  /** The first record that was written when the reel had begun; order of seq is order of run and, within it, of monotonic time. */
  async #recordAt(unit: string, epoch: string, { run, start_mono_ms }: ReelTable): Promise<number> {
    const top = await this.#db
      .selectFrom('epoch')
      .select('next_seq')
      .where('unit', '=', unit)
      .where('epoch', '=', epoch)
      .executeTakeFirst();
    let low = 0;
    let high = top?.next_seq ?? 0;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = await this.#db
        .selectFrom('journal')
        .select(['run', 'mono_ms'])
        .where('unit', '=', unit)
        .where('epoch', '=', epoch)
        .where('seq', '=', middle)
        .executeTakeFirst();
      if (row && (row.run < run || (row.run === run && row.mono_ms < start_mono_ms))) low = middle + 1;
      else high = middle;
    }
    return low;
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
    for (const part of parts) for (const seq of await this.#clocks(unit, epoch, part)) seqs.add(seq);
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
      .selectFrom('journal')
      .select(['seq', 'body_json'])
      .where('unit', '=', unit)
      .where('type', '=', type)
      .where('epoch', '=', epoch)
      .orderBy('seq')
      .limit(POINTS_MAX);
  }

  /** The clock records of the boot that date the part best: the one with the least error for its middle. */
  async #clocks(unit: string, epoch: string, { boot, startMonoMs, endMonoMs }: PartTimes): Promise<number[]> {
    const runs = this.#db.selectFrom('run').select('run').where('unit', '=', unit).where('epoch', '=', epoch).where('boot', '=', boot);
    const rows = await this.#records({ unit, epoch }, 'clock').where('run', 'in', runs).execute();
    const middle = (startMonoMs + endMonoMs) / 2;
    let best: { seq: number; errorMs: number } | undefined;
    for (const row of rows) {
      const body = JSON.parse(row.body_json) as { atMonoMs: number; errorMs: number };
      const errorMs = body.errorMs + Math.abs(middle - body.atMonoMs) / 10_000;
      if (!best || errorMs < best.errorMs) best = { seq: row.seq, errorMs };
    }
    return best ? [best.seq] : [];
  }

  /** From the checkpoint before a stretch, or the journal's beginning, to the first one after it, or its end as it is here. */
  async #signed({ unit, epoch }: Wanted, { first, last }: Stretch): Promise<Stretch | undefined> {
    const at = (order: 'asc' | 'desc') =>
      this.#db.selectFrom('journal').select('seq').where('unit', '=', unit).where('epoch', '=', epoch).orderBy('seq', order).limit(1);
    const before = await at('desc').where('type', '=', 'checkpoint').where('seq', '<=', first).executeTakeFirst();
    const after = await at('asc').where('type', '=', 'checkpoint').where('seq', '>', last).executeTakeFirst();
    const end = after ?? (await at('desc').executeTakeFirst());
    return end && { first: before?.seq ?? 0, last: end.seq };
  }

  async #received({ unit, epoch }: Wanted, seq: number): Promise<UtcMs> {
    const row = await this.#db
      .selectFrom('journal')
      .select('received_utc_ms')
      .where('unit', '=', unit)
      .where('epoch', '=', epoch)
      .where('seq', '=', seq)
      .executeTakeFirstOrThrow();
    return row.received_utc_ms;
  }
}

function reelName(reel: { camera: string; rendition: string; run: number; seq_first: number }): string {
  return `${reel.camera}.${reel.rendition}/${reel.run}/${reel.seq_first}`;
}

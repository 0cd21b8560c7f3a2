/**
 * What became of a restore: which units have been heard since, what they have sent again, and which pieces of footage are lost: receipted
 * after the backup, let go by the wagon. Known as far as the units' journals have come in.
 */
import { rfc3339, type UtcMs } from '@longroof/base/clock';
import type { Db } from '../store/open.js';
import type { LostTable, RestoreTable } from '../store/tables-kept.js';
import type { RestoreShape } from './shapes.js';

type LostShape = RestoreShape['lost'][number];
type UnitShape = RestoreShape['units'][number];

/** Beyond this only their number is told here; `longroof-controller restored` lists all. */
export const LOST_LISTED_MAX = 1000;

export class RestoreReader {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Newest first. */
  async list(lostMax: number = LOST_LISTED_MAX): Promise<RestoreShape[]> {
    const rows = await this.#db.selectFrom('restore').selectAll().orderBy('restored_utc_ms', 'desc').execute();
    const shapes: RestoreShape[] = [];
    for (const row of rows) shapes.push(await this.#shape(row, lostMax));
    return shapes;
  }

  /** Changes whenever the newest restore's story does; undefined where there was none. */
  async mark(): Promise<string | undefined> {
    const restore = await this.#db
      .selectFrom('restore')
      .select('store_epoch')
      .orderBy('restored_utc_ms', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (!restore) return undefined;
    const units = await this.#db
      .selectFrom('restore_unit')
      .select((eb) => [eb.fn.countAll<number>().as('units'), eb.fn.count<number>('offered_utc_ms').as('offered')])
      .executeTakeFirstOrThrow();
    const lost = await this.#db
      .selectFrom('lost')
      .select((eb) => eb.fn.countAll<number>().as('pieces'))
      .executeTakeFirstOrThrow();
    return `${restore.store_epoch} ${units.units} ${units.offered} ${lost.pieces}`;
  }

  async #shape(restore: RestoreTable, lostMax: number): Promise<RestoreShape> {
    const epoch = restore.store_epoch;
    const { pieces, last, first } = await this.#db
      .selectFrom('lost')
      .select((eb) => [
        eb.fn.countAll<number>().as('pieces'),
        eb.fn.sum<number | null>('seq_last').as('last'),
        eb.fn.sum<number | null>('seq_first').as('first'),
      ])
      .where('store_epoch', '=', epoch)
      .executeTakeFirstOrThrow();
    const rows = await this.#db
      .selectFrom('lost')
      .selectAll()
      .where('store_epoch', '=', epoch)
      .orderBy('unit')
      .orderBy('camera')
      .orderBy('run')
      .orderBy('seq_first')
      .limit(lostMax)
      .execute();
    const lost: LostShape[] = [];
    for (const row of rows) lost.push(await this.#lost(row));
    return {
      storeEpoch: epoch,
      before: restore.before_epoch,
      backup: rfc3339(restore.backup_utc_ms),
      restored: rfc3339(restore.restored_utc_ms),
      units: await this.#units(restore),
      lostPieces: Number(pieces),
      lostFragments: Number(last ?? 0) - Number(first ?? 0) + Number(pieces),
      lost,
    };
  }

  async #units(restore: RestoreTable): Promise<UnitShape[]> {
    const rows = await this.#db
      .selectFrom('unit')
      .leftJoin('restore_unit as said', (join) =>
        join.onRef('said.unit', '=', 'unit.unit').on('said.store_epoch', '=', restore.store_epoch),
      )
      .select(['unit.unit', 'unit.first_seen_utc_ms', 'unit.last_seen_utc_ms'])
      .select(['said.released', 'said.offered_utc_ms', 'said.fragments', 'said.bytes', 'said.refused'])
      .orderBy('unit.unit')
      .execute();
    // A unit that came later has nothing to say of the store before.
    return rows
      .filter((row) => row.first_seen_utc_ms <= restore.restored_utc_ms || row.released !== null)
      .map((row) => ({
        unitId: row.unit,
        state: row.released === null ? ('awaited' as const) : row.offered_utc_ms === null ? ('offering' as const) : ('offered' as const),
        lastSeen: rfc3339(row.last_seen_utc_ms),
        ...(row.released === null ? {} : { receipted: row.released }),
        ...(row.offered_utc_ms === null
          ? {}
          : { offered: rfc3339(row.offered_utc_ms), stored: row.fragments ?? 0, storedBytes: row.bytes ?? 0, refused: row.refused ?? 0 }),
      }));
  }

  async #lost(row: LostTable): Promise<LostShape> {
    const { fromMs, toMs } = await this.#times(row);
    const { unit, camera, rendition, epoch, run, seq_first: seqFirst, seq_last: seqLast } = row;
    return {
      unitId: unit,
      camera,
      quality: rendition,
      ...(fromMs === undefined || toMs === undefined ? { from: null, to: null } : { from: rfc3339(fromMs), to: rfc3339(toMs) }),
      fragments: seqLast - seqFirst + 1,
      bytes: row.bytes,
      gone: row.gone,
      epoch,
      run,
      seqFirst,
      seqLast,
    };
  }

  /** Fragments of a reel are about as long as each other. */
  async #times(row: LostTable): Promise<{ fromMs?: UtcMs; toMs?: UtcMs }> {
    const reel = await this.#db
      .selectFrom('reel')
      .select(['seq_first', 'count', 'start_utc_ms', 'end_utc_ms'])
      .where('unit', '=', row.unit)
      .where('epoch', '=', row.epoch)
      .where('camera', '=', row.camera)
      .where('rendition', '=', row.rendition)
      .where('run', '=', row.run)
      .where('seq_first', '<=', row.seq_first)
      .orderBy('seq_first', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (!reel) return {};
    const at = (seq: number): UtcMs => reel.start_utc_ms + ((reel.end_utc_ms - reel.start_utc_ms) * (seq - reel.seq_first)) / reel.count;
    return { fromMs: at(row.seq_first), toMs: at(row.seq_last + 1) };
  }
}

/** How much of what a unit named for a pull is durable here. */
import type { Kysely } from 'kysely';
import type { PullPartTable, Tables } from './tables.js';

export interface Stored {
  fragments: number;
  bytes: number;
}

/** What of a part is here. */
export async function storedOf(db: Kysely<Tables>, unit: string, part: PullPartTable): Promise<Stored> {
  const row = await db
    .selectFrom('fragment')
    .select((eb) => [eb.fn.countAll<number>().as('fragments'), eb.fn.sum<number | null>('bytes').as('bytes')])
    .where('unit', '=', unit)
    .where('epoch', '=', part.epoch)
    .where('camera', '=', part.camera)
    .where('rendition', '=', part.rendition)
    .where('run', '=', part.run)
    .where('seq', '>=', part.seq_first)
    .where('seq', '<=', part.seq_last)
    .executeTakeFirstOrThrow();
  return { fragments: Number(row.fragments), bytes: Number(row.bytes ?? 0) };
}

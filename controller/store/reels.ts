/** Writing reels: names are entered once, and a row says the rest. Reading goes through the view `reel`. */
import { sql, type Transaction } from 'kysely';
import { insertMany, runMany } from './many.js';
import type { ReelTable, Tables } from './tables.js';

/** As it is entered: with whether a clock record dates it. */
export type NewReel = ReelTable & { by_clock: number };

type Named = Pick<ReelTable, 'unit' | 'epoch' | 'camera' | 'rendition'>;

/** What is there already stays. */
export async function insertReels(trx: Transaction<Tables>, reels: readonly NewReel[]): Promise<void> {
  if ((await insertNamed(trx, reels)) === reels.length) return;
  const streams = reels.map(({ unit, epoch, camera, rendition }) => ({ unit, epoch, camera, rendition }));
  await insertMany(trx, 'stream', streams, ['unit', 'camera', 'rendition', 'epoch']);
  const inits = reels.map((reel) => ({ sha256: reel.init_sha256, codec: reel.codec }));
  await insertMany(trx, 'stream_init', inits, ['sha256', 'codec']);
  await insertNamed(trx, reels);
}

/** Those whose names are entered: how many are new. */
function insertNamed(trx: Transaction<Tables>, reels: readonly NewReel[]): Promise<number> {
  const values = sql.join(Array.from({ length: 13 }, () => sql`${0}`));
  const like = sql`
    insert into catalog (run, seq_first, count, start_mono_ms, start_utc_ms, duration_ms, wall_source, wall_error_ms, bytes, lost_packets,
      root, by_clock, catalog_seq, gone, stream, init)
    select ${values}, ${0}, s.id, i.id from stream s join stream_init i on i.sha256 = ${''} and i.codec = ${''}
    where s.unit = ${''} and s.camera = ${''} and s.rendition = ${''} and s.epoch = ${''}
    on conflict (stream, run, seq_first) do nothing`.compile(trx);
  const rows = reels.map((reel) => [
    ...[reel.run, reel.seq_first, reel.count, reel.start_mono_ms, reel.start_utc_ms, reel.end_utc_ms - reel.start_utc_ms],
    ...[reel.wall_source, reel.wall_error_ms, reel.bytes, reel.lost_packets, Buffer.from(reel.root, 'hex')],
    ...[reel.by_clock, reel.catalog_seq, reel.gone],
    ...[reel.init_sha256, reel.codec, reel.unit, reel.camera, reel.rendition, reel.epoch],
  ]);
  return runMany(trx, like, rows);
}

export interface GoneReel extends Named {
  run: number;
  seq_first: number;
  count: number;
  gone: NonNullable<ReelTable['gone']>;
}

/** How reels went. */
export async function markGone(trx: Transaction<Tables>, reels: readonly GoneReel[]): Promise<void> {
  const like = trx
    .updateTable('catalog')
    .set({ gone: 'lost' })
    .where('stream', '=', (eb) =>
      eb
        .selectFrom('stream')
        .select('id')
        .where('unit', '=', '')
        .where('epoch', '=', '')
        .where('camera', '=', '')
        .where('rendition', '=', 'original'),
    )
    .where('run', '=', 0)
    .where('seq_first', '>=', 0)
    .where('seq_first', '<', 0)
    .compile();
  const rows = reels.map(({ gone, unit, epoch, camera, rendition, run, seq_first: first, count }) => {
    return [gone, unit, epoch, camera, rendition, run, first, first + Math.max(1, count)];
  });
  await runMany(trx, like, rows);
}

/**
 * Reels in as few bytes as they need: names once for each stream, init segments and codecs once, the root in bytes, one index for when they
 * were and one for how well that is known. `reel` is a view that shows them as they were.
 */
import { type Kysely, sql } from 'kysely';

const NUMBER = sql.raw('double precision');

async function createTables(db: Kysely<unknown>): Promise<void> {
  let stream = db.schema.createTable('stream').addColumn('id', 'integer', (column) => column.primaryKey().notNull());
  for (const name of ['unit', 'epoch', 'camera', 'rendition']) stream = stream.addColumn(name, 'text', (column) => column.notNull());
  await stream.addUniqueConstraint('stream_name', ['unit', 'camera', 'rendition', 'epoch'] as never).execute();
  await db.schema
    .createTable('stream_init')
    .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('codec', 'text', (column) => column.notNull())
    .addUniqueConstraint('stream_init_name', ['sha256', 'codec'])
    .execute();
  let catalog = db.schema.createTable('catalog').addColumn('stream', 'integer', (column) => column.notNull());
  for (const name of [
    'run',
    'seq_first',
    'count',
    'start_mono_ms',
    'start_utc_ms',
    'duration_ms',
    'wall_error_ms',
    'bytes',
    'lost_packets',
  ])
    catalog = catalog.addColumn(name, NUMBER, (column) => column.notNull());
  await catalog
    .addColumn('wall_source', 'text', (column) => column.notNull())
    .addColumn('root', 'blob', (column) => column.notNull())
    .addColumn('init', 'integer', (column) => column.notNull())
    .addColumn('catalog_seq', NUMBER)
    .addColumn('gone', 'text')
    .addPrimaryKeyConstraint('catalog_key', ['stream', 'run', 'seq_first'] as never)
    .modifyEnd(sql`without rowid`)
    .execute();
}

const COPY = [
  'insert into stream (unit, epoch, camera, rendition) select distinct unit, epoch, camera, rendition from reel',
  'insert into stream_init (sha256, codec) select distinct init_sha256, codec from reel',
  `insert into catalog (stream, run, seq_first, count, start_mono_ms, start_utc_ms, duration_ms, wall_error_ms, bytes, lost_packets,
      wall_source, root, init, catalog_seq, gone)
    select s.id, r.run, r.seq_first, r.count, r.start_mono_ms, r.start_utc_ms, r.end_utc_ms - r.start_utc_ms, r.wall_error_ms, r.bytes,
      r.lost_packets, r.wall_source, unhex(r.root), i.id, r.catalog_seq, r.gone
    from reel r
    join stream s on s.unit = r.unit and s.camera = r.camera and s.rendition = r.rendition and s.epoch = r.epoch
    join stream_init i on i.sha256 = r.init_sha256 and i.codec = r.codec
    order by s.id, r.run, r.seq_first`,
  'drop table reel',
];

const VIEW = `create view reel as
  select s.unit, s.epoch, s.camera, s.rendition, c.run, c.seq_first, c.count,
    coalesce((select boot from run where run.unit = s.unit and run.epoch = s.epoch and run.run = c.run), '') as boot,
    c.start_mono_ms, c.start_utc_ms, c.start_utc_ms + c.duration_ms as end_utc_ms, c.wall_source, c.wall_error_ms, c.bytes,
    lower(hex(c.root)) as root, i.sha256 as init_sha256, i.codec, c.lost_packets, c.catalog_seq, c.gone
  from stream s join catalog c on c.stream = s.id join stream_init i on i.id = c.init`;

export async function createCatalog(db: Kysely<unknown>): Promise<void> {
  await createTables(db);
  for (const step of COPY) await sql.raw(step).execute(db);
  await db.schema.createIndex('catalog_by_time').on('catalog').columns(['stream', 'start_utc_ms']).execute();
  await db.schema.createIndex('catalog_by_error').on('catalog').columns(['stream', 'run', 'wall_error_ms']).execute();
  await sql.raw(VIEW).execute(db);
}

/** Whether a clock record dates a row or its own claim stands: the one gives way to any better clock, the other to a clearly better one. */
export async function createDated(db: Kysely<unknown>): Promise<void> {
  for (const table of ['catalog', 'fragment', 'event'])
    await db.schema
      .alterTable(table)
      .addColumn('by_clock', 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
}

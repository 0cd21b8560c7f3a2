/**
 * Journals in segments: every record's bytes once and compressed, in place of a row for each with its body a second time. What stood in the
 * rows is packed from them, a segment at a time; what was asked of them is noted beside.
 */
import { type JournalRecord, recordHash } from '@longroof/protocol/journal';
import { type Kysely, sql, type Transaction } from 'kysely';
import { type Life, notedRows, noteRecords } from './journal.js';
import { runMany } from './many.js';
import { type KeptRecord, packTogether } from './segment.js';
import type { Tables } from './tables.js';

const NUMBER = sql.raw('double precision');
const PAGE = 1024;

interface OldRow {
  seq: number;
  text: string;
  received_utc_ms: number;
}

async function createTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('segment')
    .addColumn('unit', 'text', (column) => column.notNull())
    .addColumn('epoch', 'text', (column) => column.notNull())
    .addColumn('seq_first', NUMBER, (column) => column.notNull())
    .addColumn('seq_last', NUMBER, (column) => column.notNull())
    .addColumn('head', 'text', (column) => column.notNull())
    .addColumn('packed', 'blob', (column) => column.notNull())
    .addPrimaryKeyConstraint('segment_key', ['unit', 'epoch', 'seq_first'])
    .execute();
  let noted = db.schema.createTable('noted_record');
  for (const name of ['unit', 'epoch', 'type', 'body_json']) noted = noted.addColumn(name, 'text', (column) => column.notNull());
  for (const name of ['seq', 'run', 'utc_ms', 'received_utc_ms']) noted = noted.addColumn(name, NUMBER, (column) => column.notNull());
  await noted.addPrimaryKeyConstraint('noted_record_key', ['unit', 'type', 'epoch', 'seq'] as never).execute();
  await db.schema
    .alterTable('epoch')
    .addColumn('packed_next', NUMBER, (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('reel').addColumn('catalog_seq', NUMBER).execute();
  await db.schema.alterTable('gap').addColumn('said_json', 'text').execute();
}

/** Of the reels and gaps that records told of: the number of the one, the times that the other gave. */
async function tellRows(trx: Transaction<Tables>, { unit, epoch }: Life, records: readonly JournalRecord[]): Promise<void> {
  const reel = sql`update reel set catalog_seq = ${0} where unit = ${''} and epoch = ${''} and camera = ${''} and rendition = ${''}
    and run = ${0} and seq_first = ${0} and catalog_seq is null`.compile(trx);
  const catalogs = (records as JournalRecord<'catalog'>[]).filter(({ type }) => type === 'catalog');
  const isPlain = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number';
  const reels = catalogs
    .map(({ seq, body }) => [seq, unit, epoch, body.camera, body.rendition, body.run, body.seqFirst])
    .filter((row) => row.every(isPlain));
  await runMany(trx, reel, reels);
  const gap = sql`update gap set said_json = ${''} where unit = ${''} and epoch = ${''} and seq = ${0}`.compile(trx);
  const gaps = (records as JournalRecord<'gap'>[]).filter(({ type }) => type === 'gap');
  const said = ({ body: { fromMonoMs, durationMs, fromWall }, monoMs, wall }: JournalRecord<'gap'>): string =>
    JSON.stringify({ body: { fromMonoMs, durationMs, fromWall }, monoMs, wall });
  await runMany(
    trx,
    gap,
    gaps.map((record) => [said(record), unit, epoch, record.seq]),
  );
}

async function packPage(trx: Transaction<Tables>, life: Life, rows: readonly OldRow[]): Promise<void> {
  const kept: KeptRecord[] = rows.map(({ seq, text, received_utc_ms }) => ({
    ...{ seq, text, hash: recordHash(text), receivedUtcMs: received_utc_ms },
  }));
  await trx
    .insertInto('segment')
    .values({ unit: life.unit, epoch: life.epoch, ...(await packTogether(kept)) })
    .execute();
  const records = rows.map(({ text }) => JSON.parse(text) as JournalRecord);
  const noted = records.flatMap((record, index) => notedRows(life, [record], rows[index]?.received_utc_ms ?? 0));
  await noteRecords(trx, noted);
  await tellRows(trx, life, records);
}

async function packLife(trx: Transaction<Tables>, life: Life): Promise<void> {
  const { unit, epoch } = life;
  for (let next = 0; ; ) {
    const { rows } = await sql<OldRow>`select seq, text, received_utc_ms from journal
      where unit = ${unit} and epoch = ${epoch} and seq >= ${next} order by seq limit ${PAGE}`.execute(trx);
    const [first] = rows;
    if (!first) return;
    // Numbers of a journal have no holes; should a database have one, nothing that it holds is left behind.
    const hole = rows.findIndex((row, index) => row.seq !== first.seq + index);
    const page = hole < 0 ? rows : rows.slice(0, hole);
    await packPage(trx, life, page);
    next = first.seq + page.length;
    await sql`update epoch set packed_next = ${next} where unit = ${unit} and epoch = ${epoch}`.execute(trx);
  }
}

export async function createSegments(db: Kysely<unknown>): Promise<void> {
  await createTables(db);
  const trx = db as unknown as Transaction<Tables>;
  const { rows: lives } = await sql<Life>`select distinct unit, epoch from journal`.execute(trx);
  for (const life of lives) await packLife(trx, life);
  await db.schema.dropTable('journal').execute();
}

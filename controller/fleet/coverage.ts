/** What a unit recorded in a span of time, what it did not, and where it all is: one line for each stream. */
import { type Clock, rfc3339, type UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { isCameraRendition, type StreamName, streamText } from '@longroof/protocol/fragment';
import { sql } from 'kysely';
import type { Db } from '../store/open.js';
import { type GapSpan, type IslandSpan, type Line, layLine, type ReelSpan } from './coverage-line.js';
import { eventsIn } from './events.js';
import type { CoverageShape } from './shapes.js';
import { type CameraStream, readStatusJson, streamsOf } from './streams.js';

export const COVERAGE_MS_MAX = 7 * 86_400_000;
/** No reel and no fragment lasts longer: how far before the span one that reaches into it can begin. */
const REEL_MS_MAX = 600_000;
const STREAMS_MAX = 128;
/** Between two fragments: more is a break in time. */
const BREAK_MS = 1000;
/** A reel is told at the latest this long after it began: 60 s of footage, and its record's way to here. */
const OPEN_MS = 150_000;

interface Asked {
  unit: string;
  fromMs: UtcMs;
  toMs: UtcMs;
}

export class CoverageReader {
  readonly #db: Db;
  readonly #clock: Pick<Clock, 'utc'>;

  constructor(db: Db, clock: Pick<Clock, 'utc'>) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Throws LR_COVERAGE_SPAN, LR_UNIT_UNKNOWN, LR_CAMERA_UNKNOWN. */
  async read(asked: Asked & { camera?: string }): Promise<CoverageShape> {
    const { unit, fromMs, toMs, camera } = asked;
    if (!(toMs > fromMs && toMs - fromMs <= COVERAGE_MS_MAX))
      throw new Fault('invalid', 'LR_COVERAGE_SPAN', '`from` must be before `to`, by at most 7 days');
    const row = await this.#db.selectFrom('unit').select(['status_json', 'online']).where('unit', '=', unit).executeTakeFirst();
    if (!row) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unit}`);
    const known = await this.#streams(asked, row.status_json);
    const streams = known.filter((stream) => camera === undefined || stream.camera === camera);
    if (camera !== undefined && streams.length === 0)
      throw new Fault('not-found', 'LR_CAMERA_UNKNOWN', `${unit} has no camera by the name of ${camera}`);
    const status = row.online === 1 ? readStatusJson(row.status_json) : undefined;
    const cameras: CoverageShape['cameras'] = [];
    for (const stream of streams) {
      cameras.push(shapeLine(stream, await this.#line(asked, stream, status?.streams?.[streamText(stream)]?.state === 'recording')));
      // One stream's rows are read and laid in one go; others have their turn in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const events = await eventsIn(this.#db, unit, fromMs, toMs);
    return { unit, from: rfc3339(fromMs), to: rfc3339(toMs), cameras, events };
  }

  /** Those the unit has, those it ever recorded, and those that have left a gap in the span. */
  async #streams(asked: Asked, statusJson: string | null): Promise<CameraStream[]> {
    const streams = new Map<string, CameraStream>();
    // Copies cover no time: their originals do.
    const add = ({ camera, rendition }: StreamName): void => {
      if (isCameraRendition(rendition)) streams.set(`${camera} ${rendition}`, { camera, rendition });
    };
    for (const stream of await streamsOf(this.#db, asked.unit, readStatusJson(statusJson))) add(stream);
    const gaps = this.#db
      .selectFrom('gap')
      .select(['camera', 'rendition'])
      .distinct()
      .where('unit', '=', asked.unit)
      .where('to_utc_ms', '>', asked.fromMs)
      .where('from_utc_ms', '<', asked.toMs);
    for (const stream of [...(await this.#recorded(asked.unit)), ...(await gaps.execute())]) add(stream);
    return [...streams.keys()].sort().map((key) => streams.get(key) as CameraStream);
  }

  #recorded(unit: string): Promise<StreamName[]> {
    return this.#db.selectFrom('stream').select(['camera', 'rendition']).distinct().where('unit', '=', unit).limit(STREAMS_MAX).execute();
  }

  async #line(asked: Asked, stream: StreamName, recording: boolean): Promise<Line> {
    const reels = await this.#reels(asked, stream);
    const islands = await this.#islands(asked, stream, reels);
    const gaps = await this.#gaps(asked, stream);
    const nowMs = this.#clock.utc();
    const openMs = recording ? ([nowMs - OPEN_MS, nowMs] as const) : undefined;
    const { unit, fromMs, toMs } = asked;
    return layLine({ fromMs, toMs, bornMs: await this.#born(unit, stream), openMs }, { reels, islands, gaps });
  }

  async #reels({ unit, fromMs, toMs }: Asked, { camera, rendition }: StreamName): Promise<ReelSpan[]> {
    const rows = await this.#db
      .selectFrom('reel')
      .select(['epoch', 'run', 'seq_first', 'count', 'start_mono_ms', 'start_utc_ms', 'end_utc_ms'])
      .select(['bytes', 'wall_source', 'wall_error_ms', 'gone'])
      .where('unit', '=', unit)
      .where('camera', '=', camera)
      .where('rendition', '=', rendition)
      .where('start_utc_ms', '>', fromMs - REEL_MS_MAX)
      .where('start_utc_ms', '<', toMs)
      .where('end_utc_ms', '>', fromMs)
      .orderBy('start_utc_ms')
      .execute();
    return rows.map((row) => ({
      epoch: row.epoch,
      run: row.run,
      seqFirst: row.seq_first,
      count: row.count,
      startMonoMs: row.start_mono_ms,
      startUtcMs: row.start_utc_ms,
      durationMs: row.end_utc_ms - row.start_utc_ms,
      bytes: row.bytes,
      claim: { source: row.wall_source, errorMs: row.wall_error_ms },
      gone: row.gone,
    }));
  }

  async #gaps({ unit, fromMs, toMs }: Asked, { camera, rendition }: StreamName): Promise<GapSpan[]> {
    const rows = await this.#db
      .selectFrom('gap')
      .select(['from_utc_ms', 'to_utc_ms', 'cause', 'detail'])
      .where('unit', '=', unit)
      .where('camera', '=', camera)
      .where('rendition', '=', rendition)
      .where('from_utc_ms', '<', toMs)
      .where('to_utc_ms', '>', fromMs)
      .orderBy('from_utc_ms')
      .execute();
    return rows.map((row) => ({
      fromMs: row.from_utc_ms,
      toMs: row.to_utc_ms,
      cause: row.cause,
      ...(row.detail === null ? {} : { detail: row.detail }),
    }));
  }

  /** Per run of the unit the fragments of its reels in the span, and those that are dated into it. */
  async #islands(asked: Asked, stream: StreamName, reels: readonly ReelSpan[]): Promise<IslandSpan[]> {
    const { unit, fromMs, toMs } = asked;
    const ranges = new Map<string, { epoch: string; run: number; first: number; last: number }>();
    const widen = (epoch: string, run: number, first: number, last: number): void => {
      const range = ranges.get(`${epoch}/${run}`) ?? { epoch, run, first, last };
      ranges.set(`${epoch}/${run}`, { epoch, run, first: Math.min(range.first, first), last: Math.max(range.last, last) });
    };
    for (const reel of reels) widen(reel.epoch, reel.run, reel.seqFirst, reel.seqFirst + reel.count - 1);
    const dated = await this.#db
      .selectFrom('fragment')
      .select((eb) => ['epoch', 'run', eb.fn.min('seq').as('first'), eb.fn.max('seq').as('last')])
      .where('unit', '=', unit)
      .where('camera', '=', stream.camera)
      .where('rendition', '=', stream.rendition)
      .where('start_utc_ms', '>', fromMs - REEL_MS_MAX)
      .where('start_utc_ms', '<', toMs)
      .groupBy(['epoch', 'run'])
      .execute();
    for (const row of dated) widen(row.epoch, row.run, Number(row.first), Number(row.last));
    const islands: IslandSpan[] = [];
    for (const range of ranges.values()) islands.push(...(await this.#islandsOfRun(unit, stream, range)));
    return islands;
  }

  async #islandsOfRun(
    unit: string,
    { camera, rendition }: StreamName,
    { epoch, run, first, last }: { epoch: string; run: number; first: number; last: number },
  ): Promise<IslandSpan[]> {
    const { rows } = await sql<{
      seq_first: number;
      seq_last: number;
      start_mono: number;
      end_mono: number;
      start_utc: number;
      bytes: number;
      source: string;
      error_ms: number;
    }>`
      with f as (
        select seq, bytes, start_mono_ms, start_mono_ms + duration90k / 90.0 as end_mono_ms, start_utc_ms, wall_source, wall_error_ms,
          lag(seq) over (order by seq) as seq_before,
          lag(start_mono_ms + duration90k / 90.0) over (order by seq) as end_before
        from fragment
        where unit = ${unit} and epoch = ${epoch} and camera = ${camera} and rendition = ${rendition} and run = ${run}
          and seq >= ${first} and seq <= ${last}
      ), g as (
        select f.*, sum(case when seq = seq_before + 1 and start_mono_ms - end_before < ${BREAK_MS} then 0 else 1 end)
          over (order by seq) as island
        from f
      )
      select min(seq) as seq_first, max(seq) as seq_last, min(start_mono_ms) as start_mono, max(end_mono_ms) as end_mono,
        min(start_utc_ms) as start_utc, sum(bytes) as bytes, min(wall_source) as source, max(wall_error_ms) as error_ms
      from g group by island order by min(seq)`.execute(this.#db);
    return rows.map((row) => ({
      epoch,
      run,
      seqFirst: Number(row.seq_first),
      seqLast: Number(row.seq_last),
      startMonoMs: Number(row.start_mono),
      endMonoMs: Number(row.end_mono),
      startUtcMs: Number(row.start_utc),
      bytes: Number(row.bytes),
      claim: { source: row.source, errorMs: Number(row.error_ms) },
    }));
  }

  /** The earliest that the journal tells of a stream, by a clock worth the name. */
  async #born(unit: string, { camera, rendition }: StreamName): Promise<UtcMs | undefined> {
    const bornMs = await this.#firstReel(unit, { camera, rendition });
    if (bornMs === undefined) return this.#unitBorn(unit);
    const gap = await this.#db
      .selectFrom('gap')
      .select('from_utc_ms as ms')
      .where('unit', '=', unit)
      .where('camera', '=', camera)
      .where('rendition', '=', rendition)
      .where('from_utc_ms', '<', bornMs)
      .orderBy('from_utc_ms')
      .limit(1)
      .executeTakeFirst();
    return Math.min(bornMs, gap?.ms ?? bornMs);
  }

  /** In each life of the unit's spool by the index, however many reels it has. */
  async #firstReel(unit: string, { camera, rendition }: StreamName): Promise<UtcMs | undefined> {
    const streams = this.#db.selectFrom('stream').select('id').where('unit', '=', unit);
    const lives = await streams.where('camera', '=', camera).where('rendition', '=', rendition).execute();
    let bornMs: UtcMs | undefined;
    for (const { id } of lives) {
      const first = await this.#db
        .selectFrom('catalog')
        .select('start_utc_ms as ms')
        .where('stream', '=', id)
        .where('wall_source', '!=', 'none')
        .orderBy('start_utc_ms')
        .limit(1)
        .executeTakeFirst();
      if (first) bornMs = Math.min(bornMs ?? first.ms, first.ms);
    }
    return bornMs;
  }

  /** When the journal's first record of each of the unit's spools was written; the earliest, by the clock it then had. */
  async #unitBorn(unit: string): Promise<UtcMs | undefined> {
    const first = await this.#db
      .selectFrom('noted_record')
      .select((eb) => eb.fn.min('utc_ms').as('ms'))
      .where('unit', '=', unit)
      .where('type', '=', 'genesis')
      .executeTakeFirst();
    return first?.ms === null || first?.ms === undefined ? undefined : Number(first.ms);
  }
}

function shapeLine(stream: CameraStream, line: Line): CoverageShape['cameras'][number] {
  return {
    camera: stream.camera,
    rendition: stream.rendition,
    footage: line.footage.map((span) => ({
      from: rfc3339(span.fromMs),
      to: rfc3339(span.toMs),
      where: span.where,
      bytes: Math.round(span.bytes),
      clock: { source: span.claim.source, errorMs: Math.round(span.claim.errorMs) },
    })),
    gaps: line.gaps.map((span) => ({
      from: rfc3339(span.fromMs),
      to: rfc3339(span.toMs),
      cause: span.cause,
      ...(span.detail === undefined ? {} : { detail: span.detail }),
    })),
  };
}

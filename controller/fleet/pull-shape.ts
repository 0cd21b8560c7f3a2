/** A pull as the API tells of it: its rows, with what of it is here by now. */
import { rfc3339, type UtcMs } from '@longroof/base/clock';
import { isCameraRendition } from '@longroof/protocol/fragment';
import type { DerivedBy, DerivedFrom } from '@longroof/protocol/journal';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { Db } from '../store/open.js';
import type { PullPartTable, PullTable } from '../store/tables.js';
import { waitingFor } from './link-shape.js';
import { formatRate } from './rate.js';
import type { PullShape } from './shapes.js';

type CameraPart = PullShape['parts'][number];

/** The rate is taken over so long. */
const RATE_MS = 30_000;

/** Of the wagon, for a pull that has not ended: since when it is away, or by what it is connected. An unfinished pull may wait for either. */
export interface Reach {
  awaySince?: string;
  link?: StatusMessage['link'];
}

export async function shapePull(db: Db, pull: PullTable, { awaySince, link }: Reach, nowMs: UtcMs): Promise<PullShape> {
  const parts = await db.selectFrom('pull_part').selectAll().where('pull', '=', pull.id).orderBy('ordinal').execute();
  const missing = await db.selectFrom('pull_missing').selectAll().where('pull', '=', pull.id).orderBy('from_utc_ms').execute();
  const byCamera = new Map<string, PullPartTable[]>();
  for (const part of parts) byCamera.set(part.camera, [...(byCamera.get(part.camera) ?? []), part]);
  const shapes: CameraPart[] = [];
  const sinceMs = Math.max(nowMs - RATE_MS, pull.planned_utc_ms ?? nowMs);
  let recentBytes = 0;
  for (const [camera, ofCamera] of byCamera) {
    const { recent, ...shape } = await shapeCamera(db, pull, camera, ofCamera, sinceMs);
    recentBytes += recent;
    shapes.push(shape);
  }
  const ended = pull.ended_utc_ms !== null;
  const bytesDone = shapes.reduce((sum, part) => sum + part.bytesDone, 0);
  const isHere = pull.bytes_total !== null && bytesDone >= pull.bytes_total;
  const wanting = ended || isHere || awaySince !== undefined ? undefined : waitingFor(link, pull.urgent === 1);
  const waits = !ended && (awaySince !== undefined || wanting !== undefined);
  return {
    id: pull.id,
    unitId: pull.unit,
    cameras: JSON.parse(pull.cameras_json) as string[],
    from: rfc3339(pull.from_utc_ms),
    to: rfc3339(pull.to_utc_ms),
    quality: pull.rendition,
    ...(pull.rate_bps === null ? {} : { rate: formatRate(pull.rate_bps) }),
    ...(pull.derived_json === null ? {} : { derived: shapeDerived(JSON.parse(pull.derived_json) as DerivedBy) }),
    reason: pull.reason,
    ...(pull.case_number === null ? {} : { caseNumber: pull.case_number }),
    person: pull.person,
    urgent: pull.urgent === 1,
    state: waits ? 'waiting' : pull.state,
    ...(!ended && awaySince !== undefined ? { waitingSince: awaySince } : {}),
    ...(wanting ? { waitingFor: wanting } : {}),
    ...(pull.code === null ? {} : { problem: { code: pull.code, message: 'The wagon refused this pull.' } }),
    created: rfc3339(pull.created_utc_ms),
    ...(pull.ended_utc_ms === null ? {} : { ended: rfc3339(pull.ended_utc_ms) }),
    bytesDone,
    bytesTotal: pull.bytes_total,
    ...(ended || waits ? {} : rateOf(recentBytes, nowMs - sinceMs, (pull.bytes_total ?? 0) - bytesDone)),
    parts: shapes,
    missing: missing.map((row) => ({
      camera: row.camera,
      from: rfc3339(row.from_utc_ms),
      to: rfc3339(row.to_utc_ms),
      cause: row.cause,
    })),
  };
}

/** Nothing where nothing has arrived lately. */
function rateOf(bytes: number, ms: number, leftBytes: number): { bytesPerS?: number; secondsLeft?: number } {
  if (bytes <= 0 || ms < 1000) return {};
  const bytesPerS = Math.round((bytes * 1000) / ms);
  return { bytesPerS, ...(bytesPerS > 0 ? { secondsLeft: Math.ceil(Math.max(0, leftBytes) / bytesPerS) } : {}) };
}

/** Its bounds are those of the footage that is here; until some is, those of the pull. */
async function shapeCamera(
  db: Db,
  pull: PullTable,
  camera: string,
  parts: readonly PullPartTable[],
  sinceMs: UtcMs,
): Promise<CameraPart & { recent: number }> {
  let bytesDone = 0;
  let recent = 0;
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = Number.NEGATIVE_INFINITY;
  const inits = new Set<string>();
  let codec: string | null = null;
  for (const part of parts) {
    const rows = await db
      .selectFrom('fragment')
      .select((eb) => [
        'init_sha256',
        'codec',
        eb.fn.sum<number>('bytes').as('bytes'),
        eb.fn.sum<number>(eb.case().when('stored_utc_ms', '>', sinceMs).then(eb.ref('bytes')).else(0).end()).as('recent'),
        eb.fn.min('start_utc_ms').as('from_ms'),
        eb.fn.max(eb('start_utc_ms', '+', eb('duration90k', '/', 90))).as('to_ms'),
      ])
      .where('unit', '=', pull.unit)
      .where('epoch', '=', part.epoch)
      .where('camera', '=', camera)
      .where('rendition', '=', part.rendition)
      .where('run', '=', part.run)
      .where('seq', '>=', part.seq_first)
      .where('seq', '<=', part.seq_last)
      .groupBy(['init_sha256', 'codec'])
      .execute();
    for (const row of rows) {
      inits.add(row.init_sha256);
      bytesDone += Number(row.bytes);
      recent += Number(row.recent);
      codec ??= row.codec;
      fromMs = Math.min(fromMs, Number(row.from_ms));
      toMs = Math.max(toMs, Number(row.to_ms));
    }
  }
  const madeFrom = parts.flatMap((part) => (part.from_json === null ? [] : shapeFrom(JSON.parse(part.from_json) as DerivedFrom[])));
  return {
    camera,
    from: rfc3339(Number.isFinite(fromMs) ? fromMs : pull.from_utc_ms),
    to: rfc3339(Number.isFinite(toMs) ? toMs : pull.to_utc_ms),
    bytesDone,
    bytesTotal: parts.reduce((sum, part) => sum + part.bytes, 0),
    codec,
    mp4Parts: inits.size,
    ...(madeFrom.length === 0 ? {} : { madeFrom }),
    recent,
  };
}

/** Only what is told of, whatever else the unit said. */
function shapeDerived({ rateBps, tool, heightMax, keyMs, audio }: DerivedBy): NonNullable<PullShape['derived']> {
  return { rateBps, tool, heightMax, keyMs, audio };
}

function shapeFrom(from: readonly DerivedFrom[]): NonNullable<CameraPart['madeFrom']> {
  return from.flatMap(({ rendition, run, seqFirst, seqLast, root }) =>
    isCameraRendition(rendition) ? [{ rendition, run, seqFirst, seqLast, root }] : [],
  );
}

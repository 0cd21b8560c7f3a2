/** The streams that a unit said it has, from its newest runs and its last status; those of earlier configurations included. */
import { isId } from '@longroof/base/ids';
import { type CameraRendition, isCameraRendition, parseStreamText, type Rendition, streamText } from '@longroof/protocol/fragment';
import type { StatusMessage } from '@longroof/protocol/messages';
import { sql } from 'kysely';
import type { Db } from '../store/open.js';

/** A stream as a camera sends it. */
export interface CameraStream {
  camera: string;
  rendition: CameraRendition;
}

/** Runs that are looked at. */
const RUNS_MAX = 20;

/** The last status of a unit, or undefined before the first. */
export function readStatusJson(json: string | null): StatusMessage | undefined {
  return json === null ? undefined : (JSON.parse(json) as StatusMessage);
}

/** By `streamText`, in order of name. */
export async function streamsOf(db: Db, unit: string, status: StatusMessage | undefined): Promise<CameraStream[]> {
  const runs = await db
    .selectFrom('noted_record')
    .select('body_json')
    .where('unit', '=', unit)
    .where('type', '=', 'run')
    .orderBy('received_utc_ms', 'desc')
    .orderBy('seq', 'desc')
    .limit(RUNS_MAX)
    .execute();
  return streamsIn(
    status,
    runs.map((run) => run.body_json),
  );
}

/** Bodies of the newest `run` record of each unit, by unit; none where it has said none. */
export async function newestRuns(db: Db, units: readonly string[]): Promise<Map<string, string>> {
  const ranked = db
    .selectFrom('noted_record')
    .select(['unit', 'body_json'])
    .select(sql<number>`row_number() over (partition by unit order by received_utc_ms desc, seq desc)`.as('place'))
    .where('unit', 'in', units)
    .where('type', '=', 'run');
  const rows = await db.selectFrom(ranked.as('ranked')).select(['unit', 'body_json']).where('place', '=', 1).execute();
  return new Map(rows.map((row) => [row.unit, row.body_json]));
}

/** Those of a status and of bodies of `run` records, in order of name. */
export function streamsIn(status: StatusMessage | undefined, runs: readonly string[]): CameraStream[] {
  const streams = new Map<string, CameraStream>();
  const add = (camera: unknown, rendition: unknown): void => {
    if (!isId(camera) || !isCameraRendition(rendition)) return;
    streams.set(streamText({ camera, rendition }), { camera, rendition });
  };
  for (const name of Object.keys(status?.streams ?? {})) {
    const stream = parseStreamText(name);
    if (stream) add(stream.camera, stream.rendition);
  }
  for (const body of runs) {
    const { cameras } = JSON.parse(body) as { cameras?: { camera?: unknown; renditions?: Rendition[] }[] };
    for (const one of Array.isArray(cameras) ? cameras : [])
      for (const rendition of Array.isArray(one?.renditions) ? one.renditions : []) add(one.camera, rendition);
  }
  return [...streams.keys()].sort().map((key) => streams.get(key) as CameraStream);
}

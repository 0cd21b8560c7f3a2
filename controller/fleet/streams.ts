/** The streams that a unit said it has, from its newest runs and its last status; those of earlier configurations included. */
import { isId } from '@longroof/base/ids';
import { type CameraRendition, isCameraRendition, parseStreamText, type Rendition, streamText } from '@longroof/protocol/fragment';
import type { StatusMessage } from '@longroof/protocol/messages';
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

/** By `streamText`, in order of name. `runsMax` 1: only those of the newest run. */
export async function streamsOf(db: Db, unit: string, status: StatusMessage | undefined, runsMax = RUNS_MAX): Promise<CameraStream[]> {
  const streams = new Map<string, CameraStream>();
  const add = (camera: unknown, rendition: unknown): void => {
    if (!isId(camera) || !isCameraRendition(rendition)) return;
    streams.set(streamText({ camera, rendition }), { camera, rendition });
  };
  for (const name of Object.keys(status?.streams ?? {})) {
    const stream = parseStreamText(name);
    if (stream) add(stream.camera, stream.rendition);
  }
  const runs = await db
    .selectFrom('journal')
    .select('body_json')
    .where('unit', '=', unit)
    .where('type', '=', 'run')
    .orderBy('received_utc_ms', 'desc')
    .orderBy('seq', 'desc')
    .limit(runsMax)
    .execute();
  for (const { body_json } of runs) {
    const { cameras } = JSON.parse(body_json) as { cameras?: { camera?: unknown; renditions?: Rendition[] }[] };
    for (const one of Array.isArray(cameras) ? cameras : [])
      for (const rendition of Array.isArray(one?.renditions) ? one.renditions : []) add(one.camera, rendition);
  }
  return [...streams.keys()].sort().map((key) => streams.get(key) as CameraStream);
}

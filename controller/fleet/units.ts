/** Units as the API tells of them: what each said last, where it was, and what was refused of it. */
import { rfc3339 } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { streamText } from '@longroof/protocol/fragment';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { Db } from '../store/open.js';
import type { UnitTable } from '../store/tables.js';
import { powerOf } from './power.js';
import type { CameraState, UnitShape } from './shapes.js';
import { type CameraStream, readStatusJson, streamsOf } from './streams.js';

const REFUSALS_MAX = 50;
const UNITS_MAX = 5000;

export class UnitReader {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** In order of name. */
  async list(): Promise<UnitShape[]> {
    const rows = await this.#db.selectFrom('unit').selectAll().orderBy('unit').limit(UNITS_MAX).execute();
    const units: UnitShape[] = [];
    for (const row of rows) units.push(await this.#shape(row));
    return units;
  }

  /** Throws LR_UNIT_UNKNOWN. */
  async get(id: string): Promise<UnitShape> {
    const row = await this.#db.selectFrom('unit').selectAll().where('unit', '=', id).executeTakeFirst();
    if (!row) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${id}`);
    return this.#shape(row);
  }

  async #shape(row: UnitTable): Promise<UnitShape> {
    const status = readStatusJson(row.status_json);
    const streams = await streamsOf(this.#db, row.unit, status?.online ? status : undefined, 1);
    const refusals = await this.#db
      .selectFrom('refusal')
      .selectAll()
      .where('unit', '=', row.unit)
      .orderBy('last_utc_ms', 'desc')
      .limit(REFUSALS_MAX)
      .execute();
    const epoch = await this.#db
      .selectFrom('epoch')
      .select('next_seq')
      .where('unit', '=', row.unit)
      .where('epoch', '=', row.epoch ?? '')
      .executeTakeFirst();
    const online = row.online === 1;
    return {
      id: row.unit,
      online,
      state: stateOf(online, streams, status),
      lastSeen: rfc3339(row.last_seen_utc_ms),
      version: row.version,
      epoch: row.epoch,
      cameras: shapeCameras(online, streams, status),
      position:
        row.lat_deg === null || row.lon_deg === null || row.fix_utc_ms === null
          ? null
          : { latDeg: row.lat_deg, lonDeg: row.lon_deg, at: rfc3339(row.fix_utc_ms) },
      power: powerOf(row),
      journal: { next: epoch?.next_seq ?? 0, whole: !refusals.some((refusal) => refusal.code === 'LR_JOURNAL_FORK') },
      refusals: refusals.map((refusal) => ({
        code: refusal.code,
        count: refusal.count,
        last: rfc3339(refusal.last_utc_ms),
        message: refusal.last_message,
      })),
    };
  }
}

type StreamStatus = StatusMessage['streams'][string];

function statusOf(stream: CameraStream, status: StatusMessage | undefined): StreamStatus | undefined {
  return status?.online ? status.streams[streamText(stream)] : undefined;
}

/** A unit is `recording` only while all of its streams are: a sub-stream that fails is footage nobody can fetch over a slow link. */
function stateOf(online: boolean, streams: readonly CameraStream[], status: StatusMessage | undefined): UnitShape['state'] {
  if (!online) return 'offline';
  const recording = streams.filter((stream) => statusOf(stream, status)?.state === 'recording').length;
  if (recording === 0) return 'not-recording';
  return recording === streams.length ? 'recording' : 'degraded';
}

/** A camera's state is that of its main stream; where only the sub-stream fails, the code says so. */
function shapeCameras(online: boolean, streams: readonly CameraStream[], status: StatusMessage | undefined): UnitShape['cameras'] {
  const cameras = new Map<string, UnitShape['cameras'][number]>();
  for (const stream of streams) {
    const camera = cameras.get(stream.camera) ?? { id: stream.camera, state: 'unknown' as CameraState, renditions: [] };
    const told = online ? statusOf(stream, status) : undefined;
    if (stream.rendition === 'original' && told) camera.state = told.state;
    if (told?.code !== undefined && (stream.rendition === 'original' || camera.code === undefined)) camera.code = told.code;
    camera.renditions.push(stream.rendition);
    cameras.set(stream.camera, camera);
  }
  return [...cameras.values()];
}

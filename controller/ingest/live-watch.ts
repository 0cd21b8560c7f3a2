/**
 * Tells units which of their cameras are watched: when that changes, and again and again while it lasts, because a unit shows a camera
 * only for as long as it was last told. Looks wherever the look was begun, so that any process may show what another one's unit sends.
 */
import { type DesiredLive, LIVE_CAMERAS_MAX } from '@longroof/protocol/live';
import type { Kysely } from 'kysely';
import type { Tables } from '../store/tables.js';
import type { Context, Link } from './context.js';
import type { DesiredSender } from './desired.js';
import { Lookout } from './lookout.js';

const LOOK_MS = 1000;
/** So long a unit goes on by itself, and so often it is told again. */
export const LIVE_FOR_MS = 20_000;
const TELL_AGAIN_MS = 7_000;

/** Of the units given, those of which a camera is watched. */
export async function watchedCameras(db: Kysely<Tables>, nowUtcMs: number, unit?: string): Promise<Map<string, string[]>> {
  let query = db.selectFrom('live').select(['unit', 'camera']).where('until_utc_ms', '>', nowUtcMs);
  if (unit !== undefined) query = query.where('unit', '=', unit);
  const found = new Map<string, string[]>();
  for (const row of await query.orderBy('begun_utc_ms').orderBy('id').execute()) {
    const cameras = found.get(row.unit) ?? [];
    if (!cameras.includes(row.camera) && cameras.length < LIVE_CAMERAS_MAX) cameras.push(row.camera);
    found.set(row.unit, cameras);
  }
  return found;
}

export function desiredLive(cameras: readonly string[] | undefined): DesiredLive[] {
  return (cameras ?? []).map((camera) => ({ camera, forMs: LIVE_FOR_MS }));
}

export class LiveWatch {
  readonly #context: Context;
  readonly #desired: DesiredSender;
  readonly #links: () => Iterable<Link>;
  readonly #lookout: Lookout;

  constructor(context: Context, desired: DesiredSender, links: () => Iterable<Link>) {
    this.#context = context;
    this.#desired = desired;
    this.#links = links;
    const { clock, log } = context;
    const told = { what: 'look for live', cost: 'units may not be told to show' };
    this.#lookout = new Lookout({ clock, log, everyMs: LOOK_MS, look: () => this.#look(), ...told });
  }

  start(): void {
    this.#lookout.start();
  }

  stop(): Promise<void> {
    return this.#lookout.stop();
  }

  async #look(): Promise<void> {
    const { store, clock } = this.#context;
    const watched = await watchedCameras(store.db, clock.utc());
    for (const link of this.#links()) {
      if (link.epoch === undefined || link.session.closed) continue;
      const cameras = watched.get(link.unit) ?? [];
      const { told } = link;
      const isNews = cameras.join() !== told.cameras.join();
      if (isNews || (cameras.length > 0 && clock.mono() - told.atMs >= TELL_AGAIN_MS)) await this.#desired.send(link);
    }
  }
}

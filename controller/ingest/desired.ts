/**
 * What a unit should do, signed: its unfinished pulls, urgent ones first, then oldest first, under a generation that only rises. Sent
 * when it says hello, whenever a pull is made or ends while others wait, until the unit knows that one was called off, and while somebody
 * watches one of its cameras.
 */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { isEventId } from '@longroof/protocol/marks';
import {
  type DesiredConfiguration,
  type DesiredHold,
  type DesiredState,
  HOLDS_MAX,
  LIFTS_MAX,
  PULLS_MAX,
} from '@longroof/protocol/messages';
import type { UnitSettings } from '@longroof/protocol/settings';
import { signStatement } from '@longroof/protocol/signed';
import type { ExpressionBuilder, Transaction } from 'kysely';
import type { Tables } from '../store/tables.js';
import type { Context, Link } from './context.js';
import { newsFor, noNews, type Seen, UNFINISHED } from './desired-news.js';
import { fenced } from './fence.js';
import { desiredLive, watchedCameras } from './live-watch.js';

export class DesiredSender {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Nothing is sent where nothing is to be done. */
  async send(link: Link): Promise<void> {
    const { epoch, unit, session } = link;
    if (epoch === undefined || session.closed) return;
    const { state, seen } = await this.#next(unit, epoch, link.told.cameras.length > 0);
    link.desiredSeen = { newestUtcMs: Math.max(link.desiredSeen.newestUtcMs, seen.newestUtcMs), lifting: seen.lifting };
    if (!state) return;
    const { broker, clock, desiredSigner } = this.#context;
    link.told = { cameras: (state.live ?? []).map(({ camera }) => camera), atMs: clock.mono() };
    await broker.publish(session, 'desired', Buffer.from(canonicalJson(signStatement(desiredSigner.key, state) as unknown as Json)), 1);
  }

  #next(unit: string, epoch: string, showing: boolean): Promise<{ state?: DesiredState; seen: Seen }> {
    return fenced(this.#context, unit, async (trx) => {
      const { clock } = this.#context;
      const seen = (await newsFor(trx, [unit])).get(unit) ?? noNews();
      const rows = await trx
        .selectFrom('pull')
        .selectAll()
        .where('unit', '=', unit)
        .where('state', 'in', UNFINISHED)
        .orderBy('urgent', 'desc')
        .orderBy('created_utc_ms')
        .orderBy('id')
        .limit(PULLS_MAX)
        .execute();
      const row = await trx.selectFrom('unit').select('generation').where('unit', '=', unit).executeTakeFirst();
      if (!row) return { seen };
      const generation = row.generation + 1;
      const withdrawn = await withdraw(trx, unit, generation);
      const holds = await holdsOf(trx, unit);
      const live = desiredLive((await watchedCameras(trx, clock.utc(), unit)).get(unit));
      const configuration = await configurationOf(trx, unit);
      const asked = rows.length > 0 || withdrawn || holds?.due || configuration !== undefined || live.length > 0;
      if (!asked && !showing) return { seen };
      await trx.updateTable('unit').set({ generation }).where('unit', '=', unit).execute();
      const pulls = rows.map((pull) => ({
        pullId: pull.id,
        cameras: JSON.parse(pull.cameras_json) as string[],
        rendition: pull.rendition,
        fromUtcMs: pull.from_utc_ms,
        toUtcMs: pull.to_utc_ms,
        ...(pull.rate_bps === null ? {} : { rateBps: pull.rate_bps }),
        ...(pull.urgent === 1 ? { urgent: true as const } : {}),
      }));
      const kept = { ...(holds?.isAsked ? { holds: holds.wanted } : {}), ...(holds?.lifts.length ? { lifts: holds.lifts } : {}) };
      const more = { ...kept, ...(configuration ? { configuration } : {}), ...(live.length > 0 ? { live } : {}) };
      return { state: { what: 'longroof-desired-1' as const, unit, epoch, generation, pulls, ...more }, seen };
    });
  }
}

/** True when pulls were called off of which the unit has not been told. */
async function withdraw(trx: Transaction<Tables>, unit: string, generation: number): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('pull')
    .set({ withdrawn_generation: generation })
    .where('unit', '=', unit)
    .where('state', '=', 'cancelled')
    .where('withdrawn_generation', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

interface HoldsWanted {
  wanted: DesiredHold[];
  /** A person asked for one, ever. */
  isAsked: boolean;
  /** Of those that the unit placed for events: to be let go. */
  lifts: string[];
  due: boolean;
}

/** Undefined where there never was one. `due`: the unit may not know of all that stands, or of what is to be lifted. */
async function holdsOf(trx: Transaction<Tables>, unit: string): Promise<HoldsWanted | undefined> {
  const own = (eb: ExpressionBuilder<Tables, 'hold'>) => eb('id', 'not like', 'event-%');
  const any = await trx.selectFrom('hold').select('id').where('unit', '=', unit).where(own).limit(1).executeTakeFirst();
  const rows = await trx
    .selectFrom('hold')
    .selectAll()
    .where('unit', '=', unit)
    .where('state', 'in', ['queued', 'placed', 'lifting'])
    .orderBy('created_utc_ms')
    .execute();
  const asked = rows.filter((row) => !isEventId(row.id));
  const lifts = rows.filter((row) => isEventId(row.id) && row.state === 'lifting').map(({ id }) => id);
  const wanted = asked.filter((row) => row.state !== 'lifting').slice(0, HOLDS_MAX);
  return {
    isAsked: any !== undefined,
    lifts: lifts.slice(0, LIFTS_MAX),
    // A unit with a new disk has none of those that were placed before.
    due: asked.length > 0 || lifts.length > 0,
    wanted: wanted.map((row) => ({
      ...{ holdId: row.id, cameras: JSON.parse(row.cameras_json) as string[], fromUtcMs: row.from_utc_ms, toUtcMs: row.to_utc_ms },
      ...{ owner: row.owner, reviewUtcMs: row.review_utc_ms },
      ...(row.made === 1 ? { made: true as const } : {}),
    })),
  };
}

/** The last one asked for, until it is refused: a unit with a new disk has taken none on. */
async function configurationOf(trx: Transaction<Tables>, unit: string): Promise<DesiredConfiguration | undefined> {
  const row = await trx
    .selectFrom('configuration')
    .select(['id', 'settings_json'])
    .where('unit', '=', unit)
    .where('state', 'in', ['queued', 'applied'])
    .orderBy('created_utc_ms', 'desc')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row && { configurationId: row.id, settings: JSON.parse(row.settings_json) as UnitSettings };
}

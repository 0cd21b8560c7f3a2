/**
 * What a unit should do, signed: its unfinished pulls, oldest first, under a generation that only rises. Sent when it says hello and
 * whenever a pull is made or ends while others wait.
 */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import type { UtcMs } from '@longroof/base/clock';
import { type DesiredState, PULLS_MAX } from '@longroof/protocol/messages';
import { signStatement } from '@longroof/protocol/signed';
import type { Kysely } from 'kysely';
import type { Tables } from '../store/tables.js';
import type { Context, Link } from './context.js';
import { fenced } from './fence.js';

const UNFINISHED = ['queued', 'waiting', 'running'] as const;

export class DesiredSender {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Nothing is sent where nothing is to be done. */
  async send(link: Link): Promise<void> {
    const { epoch, unit, session } = link;
    if (epoch === undefined || session.closed) return;
    const { state, newestUtcMs } = await this.#next(unit, epoch);
    link.pullsSeenUtcMs = Math.max(link.pullsSeenUtcMs, newestUtcMs);
    if (!state) return;
    const { broker, desiredSigner } = this.#context;
    await broker.publish(session, 'desired', Buffer.from(canonicalJson(signStatement(desiredSigner.key, state) as unknown as Json)), 1);
  }

  /** When the newest unfinished pull of each unit was made. */
  async newest(units: readonly string[]): Promise<Map<string, UtcMs>> {
    return newestPulls(this.#context.store.db, units);
  }

  #next(unit: string, epoch: string): Promise<{ state?: DesiredState; newestUtcMs: UtcMs }> {
    const { store, fence } = this.#context;
    return fenced(store.db, fence, unit, async (trx) => {
      const newestUtcMs = (await newestPulls(trx, [unit])).get(unit) ?? 0;
      const rows = await trx
        .selectFrom('pull')
        .selectAll()
        .where('unit', '=', unit)
        .where('state', 'in', UNFINISHED)
        .orderBy('created_utc_ms')
        .orderBy('id')
        .limit(PULLS_MAX)
        .execute();
      const row = await trx.selectFrom('unit').select('generation').where('unit', '=', unit).executeTakeFirst();
      if (rows.length === 0 || !row) return { newestUtcMs };
      const generation = row.generation + 1;
      await trx.updateTable('unit').set({ generation }).where('unit', '=', unit).execute();
      const pulls = rows.map((pull) => ({
        pullId: pull.id,
        cameras: JSON.parse(pull.cameras_json) as string[],
        rendition: pull.rendition,
        fromUtcMs: pull.from_utc_ms,
        toUtcMs: pull.to_utc_ms,
        ...(pull.rate_bps === null ? {} : { rateBps: pull.rate_bps }),
      }));
      return { state: { what: 'longroof-desired-1', unit, epoch, generation, pulls }, newestUtcMs };
    });
  }
}

async function newestPulls(db: Kysely<Tables>, units: readonly string[]): Promise<Map<string, UtcMs>> {
  if (units.length === 0) return new Map();
  const rows = await db
    .selectFrom('pull')
    .select((eb) => ['unit', eb.fn.max<number>('created_utc_ms').as('newest')])
    .where('unit', 'in', units)
    .where('state', 'in', UNFINISHED)
    .groupBy('unit')
    .execute();
  return new Map(rows.map((row) => [row.unit, Number(row.newest)]));
}

/**
 * What a unit should do, signed: its unfinished pulls, oldest first, under a generation that only rises. Sent when it says hello and
 * whenever a pull is made or ends while others wait.
 */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { type DesiredState, PULLS_MAX } from '@longroof/protocol/messages';
import { signStatement } from '@longroof/protocol/signed';
import type { Context, Link } from './context.js';

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
    const state = await this.#next(unit, epoch);
    if (!state) return;
    const { broker, desiredSigner } = this.#context;
    await broker.publish(session, 'desired', Buffer.from(canonicalJson(signStatement(desiredSigner.key, state) as unknown as Json)), 1);
  }

  #next(unit: string, epoch: string): Promise<DesiredState | undefined> {
    return this.#context.store.db.transaction().execute(async (trx) => {
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
      if (rows.length === 0 || !row) return undefined;
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
      return { what: 'longroof-desired-1', unit, epoch, generation, pulls };
    });
  }
}

/**
 * What is new for a unit since its desired state was sent last: pulls, holds and configurations that were asked for, pulls that were called off, holds
 * to be lifted. For a worker whose units are told of what another process entered.
 */
import type { UtcMs } from '@longroof/base/clock';
import type { Kysely } from 'kysely';
import type { Tables } from '../store/tables.js';

export const UNFINISHED = ['queued', 'waiting', 'running'] as const;

/** What a desired state was sent after. */
export interface Seen {
  /** When the newest of its unfinished pulls, unanswered holds and configurations was asked for. */
  newestUtcMs: UtcMs;
  /** Holds that it is to lift. */
  lifting: ReadonlySet<string>;
}

export interface News extends Seen {
  lifting: Set<string>;
  /** Pulls were called off that no desired state has left out yet. */
  withdrawn: boolean;
}

export function noNews(): News {
  return { newestUtcMs: 0, lifting: new Set(), withdrawn: false };
}

export function isNews(news: News, seen: Seen): boolean {
  return news.newestUtcMs > seen.newestUtcMs || news.withdrawn || [...news.lifting].some((id) => !seen.lifting.has(id));
}

/** Units for which there is nothing are left out. */
export async function newsFor(db: Kysely<Tables>, units: readonly string[]): Promise<Map<string, News>> {
  const found = new Map<string, News>();
  if (units.length === 0) return found;
  const of = (unit: string): News => {
    const news = found.get(unit) ?? noNews();
    found.set(unit, news);
    return news;
  };
  const pulls = await db
    .selectFrom('pull')
    .select((eb) => ['unit', eb.fn.max<number>('created_utc_ms').as('newest')])
    .where('unit', 'in', units)
    .where('state', 'in', UNFINISHED)
    .groupBy('unit')
    .execute();
  for (const row of pulls) of(row.unit).newestUtcMs = Number(row.newest);
  const calledOff = await db
    .selectFrom('pull')
    .select('unit')
    .distinct()
    .where('unit', 'in', units)
    .where('state', '=', 'cancelled')
    .where('withdrawn_generation', 'is', null)
    .execute();
  for (const { unit } of calledOff) of(unit).withdrawn = true;
  const holds = await db
    .selectFrom('hold')
    .select(['id', 'unit', 'state', 'created_utc_ms'])
    .where('unit', 'in', units)
    .where('state', 'in', ['queued', 'lifting'])
    .execute();
  for (const { id, unit, state, created_utc_ms: createdUtcMs } of holds) {
    const news = of(unit);
    if (state === 'lifting') news.lifting.add(id);
    else news.newestUtcMs = Math.max(news.newestUtcMs, createdUtcMs);
  }
  const configurations = await db
    .selectFrom('configuration')
    .select(['unit', 'created_utc_ms'])
    .where('unit', 'in', units)
    .where('state', '=', 'queued')
    .execute();
  for (const { unit, created_utc_ms: createdUtcMs } of configurations) {
    const news = of(unit);
    news.newestUtcMs = Math.max(news.newestUtcMs, createdUtcMs);
  }
  return found;
}

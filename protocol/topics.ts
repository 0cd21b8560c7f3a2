/** Topic names: `lr/1/PART/UNIT/...`. PART spreads units over ingest workers; all of a unit's traffic shares one. */
import { sha256 } from '@longroof/base/canonical';
import { isId } from '@longroof/base/ids';

export const UP = ['status', 'journal', 'hello', 'manifest', 'chunk'] as const;
export const DOWN = ['ack', 'desired', 'receipt'] as const;
export type Up = (typeof UP)[number];
export type Down = (typeof DOWN)[number];

/** Two hex digits. */
export function partition(unit: string): string {
  return sha256(unit).toString('hex', 0, 1);
}

export function unitPrefix(unit: string): string {
  return `lr/1/${partition(unit)}/${unit}`;
}

export function upTopic(unit: string, name: Up): string {
  return `${unitPrefix(unit)}/${name}`;
}

/** Pieces of a camera that somebody watches. */
export function liveTopic(unit: string, camera: string): string {
  return `${unitPrefix(unit)}/live/${camera}`;
}

export function downTopic(unit: string, name: Down): string {
  return `${unitPrefix(unit)}/down/${name}`;
}

export type ParsedTopic = { unit: string; up: Up } | { unit: string; live: string } | { unit: string; down: Down };

/** Undefined for anything that is not one of our topics, also for a PART that is not the unit's. */
export function parseTopic(topic: string): ParsedTopic | undefined {
  const [lr, version, part, unit, name, last, ...rest] = topic.split('/');
  if (lr !== 'lr' || version !== '1' || !isId(unit) || part !== partition(unit) || rest.length > 0) return undefined;
  if (last === undefined && (UP as readonly unknown[]).includes(name)) return { unit, up: name as Up };
  if (name === 'live' && isId(last)) return { unit, live: last };
  if (name === 'down' && (DOWN as readonly unknown[]).includes(last)) return { unit, down: last as Down };
  return undefined;
}

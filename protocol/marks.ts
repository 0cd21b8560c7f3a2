/**
 * Events that protect footage: a button, the key, a hard braking, a speed. A unit writes each as a `mark` event into its journal, protects
 * the time around it by a hold of its own, and may ask the centre to ask for it. Holds of events are named so that both sides can
 * tell them from those that a person placed.
 */
import type { MonoMs, UtcMs } from '@longroof/base/clock';
import type { PullRendition } from './fragment.js';
import { isPullRendition } from './fragment.js';

export const MARK_KINDS = ['bookmark', 'panic', 'tamper', 'ignition', 'braking', 'speed'] as const;
export type MarkKind = (typeof MARK_KINDS)[number];

/** The `detail` of an `event` record whose `event` is `mark`. */
export interface MarkDetail {
  kind: MarkKind;
  atMonoMs: MonoMs;
  /** Of the ignition: switched on; else true. */
  on: boolean;
  /** Metres a second squared of a braking, metres a second of a speed. */
  value?: number;
  /** What is protected, by this hold or an earlier one that reaches so far; left out where the policy protects nothing. */
  hold?: { holdId: string; fromUtcMs: UtcMs; toUtcMs: UtcMs };
  /** The policy wants the footage at the centre: to be asked for under the hold's name. */
  upload?: { id: string; cameras: string[]; rendition: PullRendition; fromUtcMs: UtcMs; toUtcMs: UtcMs; urgent: boolean };
}

const EVENT_ID = /^event-[0-9a-f-]{36}$/;

/** The name of a hold that a unit placed for an event, and of the pull for it. `uuid` is one of RFC 9562. */
export function eventId(uuid: string): string {
  return `event-${uuid}`;
}

export function isEventId(id: string): boolean {
  return EVENT_ID.test(id);
}

const isReal = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isSpan = (value: { fromUtcMs?: unknown; toUtcMs?: unknown }): boolean =>
  isReal(value.fromUtcMs) && isReal(value.toUtcMs) && value.fromUtcMs < value.toUtcMs;

/** Undefined for what is no mark. */
export function readMark(detail: unknown): MarkDetail | undefined {
  if (typeof detail !== 'object' || detail === null) return undefined;
  const { kind, atMonoMs, on, value, hold, upload } = detail as Partial<MarkDetail>;
  const isMark =
    (MARK_KINDS as readonly unknown[]).includes(kind) &&
    isReal(atMonoMs) &&
    typeof on === 'boolean' &&
    (value === undefined || isReal(value)) &&
    (hold === undefined || (typeof hold?.holdId === 'string' && isEventId(hold.holdId) && isSpan(hold))) &&
    (upload === undefined ||
      (typeof upload?.id === 'string' &&
        isEventId(upload.id) &&
        Array.isArray(upload.cameras) &&
        upload.cameras.length <= 16 &&
        upload.cameras.every((camera) => typeof camera === 'string' && camera.length <= 32) &&
        isPullRendition(upload.rendition) &&
        typeof upload.urgent === 'boolean' &&
        isSpan(upload)));
  return isMark ? (detail as MarkDetail) : undefined;
}

/** `events` of unit.yaml: what each kind of event protects, for how long, and whether the centre is to ask for it. */
import * as c from '@longroof/base/config';

const DAY_MS = 8.64e7;

/** Footage is held until `keep` is over, at least; `upload` asks for it over the air. */
const protects = (keepMs: number) => ({
  hold: c.optional(c.flag(), true),
  before: c.optional(c.duration(0, 600_000), 30_000),
  after: c.optional(c.duration(10_000, 3_600_000), 120_000),
  keep: c.optional(c.duration(3_600_000, 366 * DAY_MS), keepMs),
  upload: c.optional(c.choice('none', 'proxy', 'original', 'strip'), 'none'),
  urgent: c.optional(c.flag(), false),
});

const MONTH_MS = 30 * DAY_MS;
const common = c.object(protects(MONTH_MS));
const filled = <T>(check: c.Check<T>): c.Check<T> => c.optional(check, check.read({}, '', new c.ConfigContext('/')) as T);

const events = c.object({
  bookmark: filled(common),
  panic: filled(common),
  tamper: filled(common),
  // The key is turned many times a day.
  ignition: filled(c.object(protects(7 * DAY_MS))),
  braking: filled(common),
  /** Without `above` (km/h) nothing is too fast. */
  speed: filled(c.object({ ...protects(MONTH_MS), above: c.optional(c.number(1, 500, 'km/h')) })),
});

export const eventConfig = filled(events);
type Read<C> = C extends c.Check<infer T> ? T : never;
export type EventConfig = Read<typeof events>;
export type EventPolicy = EventConfig['panic'];

/** `board.yaml`: which board this is, what differs from its profile, and what the guard may take from the battery. */
import * as c from '@longroof/base/config';
import type { Disk } from '@longroof/base/disk';
import { BOARD_EVENTS, type BoardEvent } from '@longroof/protocol/board';
import { DEFAULT_POLICY, type PowerPolicy } from '../power/policy.js';
import { type AccelerometerSpec, AXES } from './accelerometer.js';
import { BOARD_OUTPUTS, type BoardOutput } from './board.js';
import { type BoardProfile, type LineSpec, PROFILE_NAMES, PROFILES, SIM_PROFILE } from './profiles.js';
import { parseTimeOfDay } from './schedule.js';

export const SOCKET_PATH = '/run/longroof/board.sock';
/** sun_path of unix(7) without its end; beyond it the name would silently be cut off. */
const SOCKET_BYTES_MAX = 107;
const DAY_MS = 86_400_000;
/** Less is allowed on the simulated board only. */
const GRACE_MS_MIN = 300_000;
const POWER_OFF: readonly string[] = ['systemctl', 'poweroff'];
const P = DEFAULT_POLICY;

const line = c.object({ chip: c.text('the label of a GPIO chip', 64), offset: c.integer(0, 1023), activeLow: c.optional(c.flag(), false) });

const names = [...BOARD_EVENTS, ...BOARD_OUTPUTS] as const;
const lines = c.object(Object.fromEntries(names.map((name) => [name, c.optional(line)])));

const rule = c.object({
  usedWh: c.number(0, 1000, 'Wh'),
  belowV: c.optional(c.number(0, 60, 'V'), 0),
  proxies: c.optional(c.flag(), false),
  cameras: c.optional(c.list(c.id(), 0, 16, 'cameras'), []),
});

const guard = c.object({
  cutOffV: c.optional(c.number(6, 30, 'V'), P.cutOffV),
  returnV: c.optional(c.number(6, 30, 'V'), P.returnV),
  chargingV: c.optional(c.number(6, 32, 'V'), P.chargingV),
  smooth: c.optional(c.duration(1000, 600_000), P.smoothMs),
  budgetWh: c.optional(c.number(0.1, 10_000, 'Wh'), P.budgetWh),
  reserveWh: c.optional(c.number(0, 10_000, 'Wh'), P.reserveWh),
  parkLongest: c.optional(c.duration(1000, 30 * DAY_MS), P.parkLongestMs),
  watchLongest: c.optional(c.duration(1000, 30 * DAY_MS), P.watchLongestMs),
  grace: c.optional(c.duration(1000, DAY_MS), P.graceMs),
  wakeWatch: c.optional(c.duration(1000, DAY_MS), P.wakeWatchMs),
  flush: c.optional(c.duration(500, 120_000), P.flushMs),
  holdUp: c.optional(c.duration(100, 120_000), P.holdUpMs),
  offAgain: c.optional(c.duration(1000, DAY_MS), P.offAgainMs),
  nominalW: c.optional(c.number(0.1, 500, 'W'), P.nominalW),
  shedEvery: c.optional(c.duration(1000, DAY_MS), P.shedEveryMs),
  shed: c.optional(c.list(rule, 0, 16, 'rules'), []),
  contactEvery: c.optional(c.duration(1000, DAY_MS), P.contactEveryMs),
  contactFor: c.optional(c.duration(1000, DAY_MS), P.contactForMs),
});

const timeOfDay: c.Check<number> = {
  read: (value, key, context) =>
    (typeof value === 'string' ? parseTimeOfDay(value) : undefined) ?? context.wrong(key, value, 'a time of day in UTC such as "22:30"'),
};

const accelerometer = c.object({
  name: c.text('the name of an iio device', 64),
  forward: c.choice(...AXES),
  braking: c.optional(c.number(1, 20, 'm/s2'), 4.5),
});

const board = c.object({
  board: c.choice(...PROFILE_NAMES),
  socket: c.optional(c.filePath(), SOCKET_PATH),
  memory: c.optional(c.filePath(), '/var/lib/longroof-board/power.json'),
  powerOff: c.optional(c.list(c.text('a word of a command', 256), 1, 16, 'words')),
  log: c.optional(c.choice('debug', 'info', 'warn', 'error'), 'info'),
  watchAt: c.optional(c.list(timeOfDay, 0, 48, 'times'), []),
  lines: c.optional(lines),
  accelerometer: c.optional(accelerometer),
  guard: c.optional(guard),
});

export interface BoardConfig {
  name: string;
  /** Undefined for the simulated board. */
  profile: BoardProfile | undefined;
  policy: PowerPolicy;
  accelerometer: AccelerometerSpec | undefined;
  socket: string;
  memory: string;
  /** Empty: nothing is switched off. That is so on the simulated board, which may be anybody's laptop, unless a command is given. */
  powerOff: readonly string[];
  log: 'debug' | 'info' | 'warn' | 'error';
  scheduleMs: readonly number[];
}

type Raw = NonNullable<ReturnType<typeof board.read>>;
type RawGuard = NonNullable<ReturnType<typeof guard.read>>;

export const boardConfigCheck: c.Check<BoardConfig> = {
  read(value, key, context) {
    const raw = board.read(value, key, context);
    if (!raw || context.problems.length > 0) return undefined;
    const policy = policyOf(raw.guard ?? (guard.read({}, 'guard', context) as RawGuard));
    if (Buffer.byteLength(raw.socket) > SOCKET_BYTES_MAX)
      context.wrong('socket', raw.socket, `a path of at most ${SOCKET_BYTES_MAX} bytes`);
    const wrong = (name: string, what: unknown, expected: string): void => void context.wrong(`guard.${name}`, what, expected);
    if (policy.returnV < policy.cutOffV + 0.3) wrong('returnV', policy.returnV, 'at least 0.3 V above cutOffV');
    if (policy.chargingV < policy.returnV) wrong('chargingV', policy.chargingV, 'at least returnV');
    if (policy.reserveWh >= policy.budgetWh) wrong('reserveWh', policy.reserveWh, 'less than budgetWh');
    if (policy.watchLongestMs > policy.parkLongestMs) wrong('watchLongest', raw.guard?.watchLongest, 'at most parkLongest');
    if (policy.graceMs < GRACE_MS_MIN && raw.board !== SIM_PROFILE) wrong('grace', policy.graceMs, 'at least 300s');
    if (raw.lines && raw.board === SIM_PROFILE) context.wrong('lines', raw.lines, 'nothing: the simulated board has no lines');
    if (policy.contactEveryMs > 0 && policy.contactForMs >= policy.contactEveryMs)
      wrong('contactFor', raw.guard?.contactFor, 'less than contactEvery');
    const { socket, memory, log, watchAt } = raw;
    const { name, forward, braking } = raw.accelerometer ?? {};
    const accelerometer = name && forward && braking ? { name, forward, brakingMps2: braking } : undefined;
    const powerOff = raw.powerOff ?? (raw.board === SIM_PROFILE ? [] : POWER_OFF);
    return { name: raw.board, accelerometer, profile: profileOf(raw), policy, socket, memory, powerOff, log, scheduleMs: watchAt };
  },
};

function policyOf(raw: RawGuard): PowerPolicy {
  const { smooth, parkLongest, watchLongest, grace, wakeWatch, flush, holdUp, offAgain, shedEvery, contactEvery, contactFor, ...same } =
    raw;
  return {
    ...P,
    ...same,
    smoothMs: smooth,
    parkLongestMs: parkLongest,
    watchLongestMs: watchLongest,
    graceMs: grace,
    wakeWatchMs: wakeWatch,
    flushMs: flush,
    holdUpMs: holdUp,
    offAgainMs: offAgain,
    shedEveryMs: shedEvery,
    contactEveryMs: contactEvery,
    contactForMs: contactFor,
  };
}

function profileOf(raw: Raw): BoardProfile | undefined {
  const profile = PROFILES[raw.board];
  if (!profile) return undefined;
  const given = Object.entries(raw.lines ?? {}).filter((entry): entry is [string, LineSpec] => entry[1] !== undefined);
  const of = <T extends string>(all: readonly T[]): Partial<Record<T, LineSpec>> =>
    Object.fromEntries(given.filter(([name]) => (all as readonly string[]).includes(name))) as Partial<Record<T, LineSpec>>;
  return {
    ...profile,
    inputs: { ...profile.inputs, ...of<BoardEvent>(BOARD_EVENTS) },
    outputs: { ...profile.outputs, ...of<BoardOutput>(BOARD_OUTPUTS) },
  };
}

/** Throws LR_CONFIG with every problem. */
export function loadBoardConfig(disk: Disk, file: string): BoardConfig {
  return c.loadConfig(disk, file, boardConfigCheck).config;
}

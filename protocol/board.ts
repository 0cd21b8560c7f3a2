/**
 * What the board service and its clients say to each other over a Unix socket: one JSON object a line, at most 16 KiB. The board sends its
 * state when somebody connects, at each change and every few seconds, and asks the recorder to flush; whoever said `hello` as recorder
 * answers. Reading never throws: a line that is none of these is undefined.
 */
import type { MonoMs } from '@longroof/base/clock';
import { isId } from '@longroof/base/ids';

export const BOARD_LINE_BYTES_MAX = 16 * 1024;

export const POWER_MODES = ['driving', 'parked-watch', 'standby', 'shutdown'] as const;
export type PowerMode = (typeof POWER_MODES)[number];

/** Why a power state was entered. docs/power.md has the table. */
export const POWER_REASONS = [
  'started',
  'ignition-on',
  'ignition-off',
  'supply-lost',
  'supply-back',
  'battery-low',
  'energy-spent',
  'parked-too-long',
  'watch-spent',
  'watch-over',
  'panic',
  'tamper',
  'schedule',
] as const;
export type PowerReason = (typeof POWER_REASONS)[number];

/** One step of shedding load: the sub-streams of all cameras, or whole cameras. */
export interface Shed {
  proxies: boolean;
  cameras: string[];
}

/** Time left on the battery at the consumption measured, with its error (one standard deviation). */
export interface BatteryLeft {
  hours: number;
  cameraHours: number;
  errorCameraHours: number;
}

export const BOARD_EVENTS = ['ignition', 'power-good', 'tamper', 'panic', 'bookmark'] as const;
export type BoardEvent = (typeof BOARD_EVENTS)[number];

export interface BoardState {
  type: 'state';
  mode: PowerMode;
  reason: PowerReason;
  /** The state and its reason in one sentence. */
  sentence: string;
  sinceMonoMs: MonoMs;
  /** What the recorder shall do: nothing at all, or all but what is shed. */
  record: boolean;
  shed: Shed;
  supplyV: number | null;
  drawW: number | null;
  usedWh: number;
  left: BatteryLeft | null;
  temperatureC: number | null;
  throttled: boolean;
  inputs: Partial<Record<BoardEvent, boolean>>;
  /** False: the link to the centre rests until the next contact. Left out, it need not. */
  link?: boolean;
  /** Until the next contact begins, in a standby whose link rests; else null. */
  contactInMs?: number | null;
}

export type FromBoard =
  | BoardState
  | { type: 'event'; event: BoardEvent; on: boolean; atMonoMs: MonoMs }
  /** A braking as hard as that, in metres a second squared, at its height. */
  | { type: 'braking'; peakMps2: number; atMonoMs: MonoMs }
  | { type: 'flush'; id: number; withinMs: number }
  | { type: 'done' }
  | { type: 'refused'; code: string; message: string };

/** Inputs and sensors of the simulated board that can be set from outside. */
export const SIM_VALUES = ['supply', 'draw', 'temperature', 'braking'] as const;
export type SimValue = (typeof SIM_VALUES)[number];

export type ToBoard =
  | { type: 'hello'; role: 'recorder' }
  | { type: 'flushed'; id: number; tookMs: number }
  /** Cameras of which new fragments are durable. */
  | { type: 'recording'; cameras: number }
  | { type: 'sim'; set: BoardEvent; on: boolean }
  | { type: 'sim'; set: SimValue; value: number };

export function boardLine(message: FromBoard | ToBoard): string {
  return `${JSON.stringify(message)}\n`;
}

type Members = Record<string, unknown>;

function readObject(line: string): Members | undefined {
  if (line.length > BOARD_LINE_BYTES_MAX) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
  } catch {
    return undefined;
  }
}

const isOneOf = <T extends string>(choices: readonly T[], value: unknown): value is T => (choices as readonly unknown[]).includes(value);
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isNumberOrNull = (value: unknown): boolean => value === null || isNumber(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isShed(value: unknown): value is Shed {
  const shed = value as Partial<Shed> | null | undefined;
  return typeof shed?.proxies === 'boolean' && Array.isArray(shed.cameras) && shed.cameras.length <= 16 && shed.cameras.every(isId);
}

function isLeft(value: unknown): boolean {
  const left = value as Partial<BatteryLeft> | null;
  return (
    left === null || (typeof left === 'object' && isNumber(left.hours) && isNumber(left.cameraHours) && isNumber(left.errorCameraHours))
  );
}

function isInputs(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([name, on]) => isOneOf(BOARD_EVENTS, name) && typeof on === 'boolean');
}

function isState(members: Members): boolean {
  return (
    isOneOf(POWER_MODES, members['mode']) &&
    isOneOf(POWER_REASONS, members['reason']) &&
    typeof members['sentence'] === 'string' &&
    isNumber(members['sinceMonoMs']) &&
    typeof members['record'] === 'boolean' &&
    isShed(members['shed']) &&
    isNumberOrNull(members['supplyV']) &&
    isNumberOrNull(members['drawW']) &&
    isNumber(members['usedWh']) &&
    isLeft(members['left']) &&
    isNumberOrNull(members['temperatureC']) &&
    typeof members['throttled'] === 'boolean' &&
    isInputs(members['inputs']) &&
    (members['link'] === undefined || typeof members['link'] === 'boolean') &&
    (members['contactInMs'] === undefined || isNumberOrNull(members['contactInMs']))
  );
}

function isFromBoard(members: Members): boolean {
  switch (members['type']) {
    case 'state':
      return isState(members);
    case 'event':
      return isOneOf(BOARD_EVENTS, members['event']) && typeof members['on'] === 'boolean' && isNumber(members['atMonoMs']);
    case 'braking':
      return isNumber(members['peakMps2']) && isNumber(members['atMonoMs']);
    case 'flush':
      return isCount(members['id']) && isNumber(members['withinMs']);
    case 'refused':
      return typeof members['code'] === 'string' && typeof members['message'] === 'string';
    default:
      return members['type'] === 'done';
  }
}

function isToBoard(members: Members): boolean {
  switch (members['type']) {
    case 'hello':
      return members['role'] === 'recorder';
    case 'flushed':
      return isCount(members['id']) && isNumber(members['tookMs']);
    case 'recording':
      return isCount(members['cameras']) && members['cameras'] <= 16;
    case 'sim':
      return (
        (isOneOf(BOARD_EVENTS, members['set']) && typeof members['on'] === 'boolean') ||
        (isOneOf(SIM_VALUES, members['set']) && isNumber(members['value']))
      );
    default:
      return false;
  }
}

export function parseFromBoard(line: string): FromBoard | undefined {
  const members = readObject(line);
  return members && isFromBoard(members) ? (members as unknown as FromBoard) : undefined;
}

export function parseToBoard(line: string): ToBoard | undefined {
  const members = readObject(line);
  return members && isToBoard(members) ? (members as unknown as ToBoard) : undefined;
}

/** Cuts what a socket brings into lines. A line beyond the bound is dropped whole. */
export class LineCutter {
  #rest = '';
  #dropping = false;

  cut(text: string): string[] {
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop() ?? '';
    if (this.#dropping && parts.length > 0) {
      parts.shift();
      this.#dropping = false;
    }
    if (this.#rest.length > BOARD_LINE_BYTES_MAX) {
      this.#rest = '';
      this.#dropping = true;
    }
    return parts;
  }
}

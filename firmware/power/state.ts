/** The power state as plain data, what it is decided from, and what is to be done: all that the pure function of `step.ts` takes and gives. */
import type { MonoMs } from '@longroof/base/clock';
import type { PowerMode, PowerReason } from '@longroof/protocol/board';

export interface PowerInputs {
  /** Monotonic time; never earlier than the call before. */
  monoMs: MonoMs;
  /** Debounced. */
  ignition: boolean;
  /** Undefined where the board cannot tell. */
  powerGood: boolean | undefined;
  supplyV: number | undefined;
  drawW: number | undefined;
  /** Pressed or raised since the call before. */
  panic: boolean;
  tamper: boolean;
  /** A scheduled watch is due. */
  schedule: boolean;
  /** The recorder answered the flush of this number. */
  flushed: number | undefined;
}

export interface Supply {
  smoothV: number;
  sinceMonoMs: MonoMs;
  seenMonoMs: MonoMs;
}

/** Exponentially weighted mean and variance of the consumption. */
export interface Draw {
  meanW: number;
  varianceW2: number;
  measuredMs: number;
}

export interface Flush {
  id: number;
  askedMonoMs: MonoMs;
  withinMs: number;
  /** How it ended; undefined while it is under way. */
  ended: 'answered' | 'late' | undefined;
}

export interface PowerState {
  mode: PowerMode;
  reason: PowerReason;
  sinceMonoMs: MonoMs;
  startMonoMs: MonoMs;
  atMonoMs: MonoMs;
  supply: Supply | null;
  draw: Draw | null;
  /** The battery was found low, and has not come back since. */
  tripped: boolean;
  /** Null with the ignition on. */
  ignitionOffMonoMs: MonoMs | null;
  usedWh: number;
  /** So many of the policy's shedding rules are in force. */
  shed: number;
  shedMonoMs: MonoMs;
  /** A watch begun by an event ends then. */
  watch: { untilMonoMs: MonoMs; panic: boolean } | null;
  flush: Flush | null;
  flushCount: number;
  offMonoMs: MonoMs | null;
}

export type PowerStep =
  | { step: 'enter'; from: PowerMode; to: PowerMode; reason: PowerReason }
  | { step: 'shed'; level: number }
  | { step: 'flush'; id: number; withinMs: number }
  /** Switch the computer off. `flush` says how the recorder's flush before it ended. */
  | { step: 'off'; reason: PowerReason; flush: 'answered' | 'late' };

/** What is kept on disk, so that neither a crash of the service nor a reboot gives the battery's budget anew. */
export interface PowerMemory {
  boot: string;
  startMonoMs: MonoMs;
  atMonoMs: MonoMs;
  tripped: boolean;
  usedWh: number;
  /** How long it has been parked; null with the ignition on. */
  parkedMs: number | null;
  /** How long a running watch begun by an event still lasts. */
  watchLeftMs: number | null;
  watchPanic: boolean;
}

export function memoryOf(state: PowerState, boot: string): PowerMemory {
  return {
    boot,
    startMonoMs: state.startMonoMs,
    atMonoMs: state.atMonoMs,
    tripped: state.tripped,
    usedWh: state.usedWh,
    parkedMs: state.ignitionOffMonoMs === null ? null : state.atMonoMs - state.ignitionOffMonoMs,
    watchLeftMs: state.watch ? Math.max(0, state.watch.untilMonoMs - state.atMonoMs) : null,
    watchPanic: state.watch?.panic ?? false,
  };
}

/** The state before the first inputs: standby, from which the first step moves on. Within one boot time that passed unseen counts as parked. */
export function initialState(monoMs: MonoMs, boot: string, memory: PowerMemory | undefined): PowerState {
  const isSameBoot = memory?.boot === boot && memory.atMonoMs <= monoMs;
  const unseenMs = isSameBoot ? monoMs - memory.atMonoMs : 0;
  const parkedMs = memory?.parkedMs ?? null;
  const watchLeftMs = isSameBoot ? (memory.watchLeftMs ?? 0) - unseenMs : 0;
  return {
    mode: 'standby',
    reason: 'started',
    sinceMonoMs: monoMs,
    startMonoMs: isSameBoot ? memory.startMonoMs : monoMs,
    atMonoMs: monoMs - unseenMs,
    supply: null,
    draw: null,
    tripped: memory?.tripped ?? false,
    ignitionOffMonoMs: parkedMs === null ? null : monoMs - unseenMs - parkedMs,
    usedWh: memory?.usedWh ?? 0,
    shed: 0,
    shedMonoMs: monoMs,
    watch: watchLeftMs > 0 ? { untilMonoMs: monoMs + watchLeftMs, panic: memory?.watchPanic ?? false } : null,
    flush: null,
    flushCount: 0,
    offMonoMs: null,
  };
}

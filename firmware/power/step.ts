/**
 * The power states as one pure function: (policy, state, inputs) to (state, steps). What is measured is taken in first, then at most one
 * row of the table is followed, then the flush and the switching off that a state asks for. The computer is never switched off
 * without a flush that was answered or whose time ran out.
 */
import type { Shed } from '@longroof/protocol/board';
import { averageDraw, isTripped, smoothSupply, usedEnergy } from './measure.js';
import type { PowerPolicy } from './policy.js';
import type { PowerInputs, PowerState, PowerStep } from './state.js';
import { isEventReason, type Row, TABLE } from './table.js';

export interface Stepped {
  state: PowerState;
  steps: PowerStep[];
}

export function stepPower(policy: PowerPolicy, before: PowerState, inputs: PowerInputs): Stepped {
  const steps: PowerStep[] = [];
  let state = takeIn(policy, before, inputs);
  const row = TABLE.find((one) => one.from.includes(state.mode) && one.holds({ policy, state, inputs }));
  if (row) {
    steps.push({ step: 'enter', from: state.mode, to: row.to, reason: row.reason });
    state = enter(policy, state, inputs, row);
    if (state.flush && state.flush !== before.flush) steps.push({ step: 'flush', id: state.flush.id, withinMs: state.flush.withinMs });
  } else state = prolong(policy, state, inputs);
  if (state.mode === 'parked-watch') state = shedLoad(policy, state, inputs, steps);
  if (state.mode === 'shutdown') state = switchOff(policy, state, inputs, steps);
  return { state, steps };
}

function takeIn(policy: PowerPolicy, state: PowerState, inputs: PowerInputs): PowerState {
  const supply = smoothSupply(policy, state.supply, inputs.monoMs, inputs.supplyV);
  return {
    ...state,
    supply,
    tripped: isTripped(policy, supply, state.tripped),
    draw: averageDraw(state.draw, Math.max(0, inputs.monoMs - state.atMonoMs), inputs.drawW),
    usedWh: usedEnergy(policy, state, inputs, supply),
    ignitionOffMonoMs: inputs.ignition ? null : (state.ignitionOffMonoMs ?? inputs.monoMs),
    flush: flushEnd(state, inputs),
    watch: state.watch && inputs.monoMs < state.watch.untilMonoMs ? state.watch : null,
    atMonoMs: inputs.monoMs,
  };
}

function flushEnd({ flush }: PowerState, inputs: PowerInputs): PowerState['flush'] {
  if (!flush || flush.ended) return flush;
  if (inputs.flushed === flush.id) return { ...flush, ended: 'answered' };
  return inputs.monoMs - flush.askedMonoMs >= flush.withinMs ? { ...flush, ended: 'late' } : flush;
}

function enter(policy: PowerPolicy, state: PowerState, inputs: PowerInputs, { to, reason }: Row): PowerState {
  const { monoMs } = inputs;
  const next: PowerState = {
    ...state,
    mode: to,
    reason,
    sinceMonoMs: monoMs,
    shed: 0,
    shedMonoMs: monoMs,
    watch: null,
    flush: null,
    offMonoMs: null,
  };
  if (to === 'parked-watch' && isEventReason(reason)) {
    const running = reason === 'panic' && !inputs.panic ? state.watch : null;
    next.watch = running ?? { untilMonoMs: monoMs + policy.wakeWatchMs, panic: reason === 'panic' };
  }
  if (to === 'shutdown' || to === 'standby') {
    next.flushCount = state.flushCount + 1;
    const withinMs = reason === 'supply-lost' ? Math.min(policy.flushMs, policy.holdUpMs) : policy.flushMs;
    next.flush = { id: next.flushCount, askedMonoMs: monoMs, withinMs, ended: undefined };
  }
  return next;
}

/** Panic keeps a parked watch going and lifts its shedding, whatever is left of the watch's share; tamper prolongs a watch that it began. */
function prolong(policy: PowerPolicy, state: PowerState, inputs: PowerInputs): PowerState {
  if (state.mode !== 'parked-watch') return state;
  if (!inputs.panic && !(inputs.tamper && state.watch)) return state;
  return { ...state, watch: { untilMonoMs: inputs.monoMs + policy.wakeWatchMs, panic: inputs.panic || state.watch?.panic === true } };
}

/** One rule at a time, in order, and none is taken back while the watch goes on. */
function shedLoad(policy: PowerPolicy, state: PowerState, inputs: PowerInputs, steps: PowerStep[]): PowerState {
  const rule = policy.shed[state.shed];
  if (!rule || inputs.monoMs - state.shedMonoMs < policy.shedEveryMs) return state;
  const isBelow = state.supply !== null && state.supply.smoothV < rule.belowV;
  if (state.usedWh < rule.usedWh && !isBelow) return state;
  steps.push({ step: 'shed', level: state.shed + 1 });
  return { ...state, shed: state.shed + 1, shedMonoMs: inputs.monoMs };
}

function switchOff(policy: PowerPolicy, state: PowerState, inputs: PowerInputs, steps: PowerStep[]): PowerState {
  const ended = state.flush?.ended;
  const isDue = state.offMonoMs === null || inputs.monoMs - state.offMonoMs >= policy.offAgainMs;
  if (!ended || !isDue) return state;
  steps.push({ step: 'off', reason: state.reason, flush: ended });
  return { ...state, offMonoMs: inputs.monoMs };
}

/** What a state asks of the hardware and the recorder: levels, not edges, so that whoever comes late knows all of it. */
export interface Wanted {
  record: boolean;
  shed: Shed;
  /** Cameras keep their power until the recorder has let go of them. */
  cameraPower: boolean;
  lamp: boolean;
  /** Whether the link to the centre may be up. */
  link: boolean;
  /** Where it rests now and then: until the next contact begins. */
  contactInMs: number | null;
}

export function wantedOf(policy: PowerPolicy, state: PowerState): Wanted {
  const record = state.mode === 'driving' || state.mode === 'parked-watch';
  // In danger everything records, whatever it costs.
  const rules = state.watch?.panic ? [] : policy.shed.slice(0, state.shed);
  return {
    record,
    shed: { proxies: rules.some((rule) => rule.proxies), cameras: [...new Set(rules.flatMap((rule) => rule.cameras))] },
    cameraPower: record || state.flush?.ended === undefined,
    lamp: record,
    ...contactOf(policy, state),
  };
}

/** A standby begins with a contact: the centre hears why, and when the next is. */
function contactOf({ contactEveryMs, contactForMs }: PowerPolicy, state: PowerState): Pick<Wanted, 'link' | 'contactInMs'> {
  if (state.mode !== 'standby' || contactEveryMs === 0) return { link: true, contactInMs: null };
  const sinceMs = (state.atMonoMs - state.sinceMonoMs) % contactEveryMs;
  return { link: sinceMs < contactForMs, contactInMs: contactEveryMs - sinceMs };
}

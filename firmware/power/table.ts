/**
 * The table of power states: every way from one state to another, in the order in which they are looked at. The first row that holds is
 * taken. docs/power.md shows the same rows, and a test compares them.
 */
import type { PowerMode, PowerReason } from '@longroof/protocol/board';
import type { PowerPolicy } from './policy.js';
import type { PowerInputs, PowerState } from './state.js';

/** Inputs, and the state with everything measured up to now. */
export interface Situation {
  policy: PowerPolicy;
  state: PowerState;
  inputs: PowerInputs;
}

export interface Row {
  from: readonly PowerMode[];
  to: PowerMode;
  reason: PowerReason;
  /** The condition in words, as in the document. */
  when: string;
  holds(situation: Situation): boolean;
}

const PARKED = ['parked-watch', 'standby'] as const;
const RUNNING = ['driving', 'parked-watch', 'standby'] as const;

function parkedMs({ state, inputs }: Situation): number {
  return state.ignitionOffMonoMs === null ? 0 : inputs.monoMs - state.ignitionOffMonoMs;
}

/** The guard may act: long enough after ignition off, and after the start. */
function mayAct(situation: Situation): boolean {
  const { policy, state, inputs } = situation;
  return !inputs.ignition && parkedMs(situation) >= policy.graceMs && inputs.monoMs - state.startMonoMs >= policy.graceMs;
}

function isWatchSpent({ policy, state }: Situation): boolean {
  return state.usedWh >= policy.budgetWh - policy.reserveWh;
}

function isWatchLong(situation: Situation): boolean {
  return parkedMs(situation) >= situation.policy.watchLongestMs;
}

/** Whether a watch entered for this reason lasts only as long as its event asks. */
export function isEventReason(reason: PowerReason): boolean {
  return reason === 'panic' || reason === 'tamper' || reason === 'schedule';
}

function isAboveCutOff({ policy, state }: Situation): boolean {
  return state.supply === null ? !state.tripped : state.supply.smoothV >= policy.cutOffV;
}

/** A person in danger may use what a rested battery still gives, down to the cut-off itself. */
function isLow(situation: Situation): boolean {
  const { state } = situation;
  return state.tripped && !(state.watch?.panic === true && isAboveCutOff(situation));
}

function isSpent({ policy, state }: Situation): boolean {
  return state.usedWh >= policy.budgetWh;
}

function isTooLong(situation: Situation): boolean {
  return parkedMs(situation) >= situation.policy.parkLongestMs;
}

/** The computer still runs and may go on: not yet switched off, or so long ago that it did not work. */
function mayGoOn({ policy, state, inputs }: Situation): boolean {
  return state.offMonoMs === null || inputs.monoMs - state.offMonoMs >= policy.offAgainMs;
}

function mayWake(situation: Situation): boolean {
  return !situation.state.tripped && !isWatchSpent(situation) && !isTooLong(situation);
}

export const TABLE: readonly Row[] = [
  {
    from: RUNNING,
    to: 'shutdown',
    reason: 'supply-lost',
    when: 'power-good is lost; the hold-up time runs',
    holds: ({ inputs }) => inputs.powerGood === false,
  },
  {
    from: PARKED,
    to: 'driving',
    reason: 'ignition-on',
    when: 'the ignition is on',
    holds: ({ inputs }) => inputs.ignition,
  },
  {
    from: ['shutdown'],
    to: 'driving',
    reason: 'ignition-on',
    when: 'the ignition is on, the supply is good, and the computer was not yet switched off or did not go off',
    holds: (situation) => situation.inputs.ignition && situation.inputs.powerGood !== false && mayGoOn(situation),
  },
  {
    from: ['shutdown'],
    to: 'parked-watch',
    reason: 'supply-back',
    when: 'it was entered for a lost supply, which is back, and the computer was not yet switched off or did not go off',
    holds: (situation) => situation.state.reason === 'supply-lost' && situation.inputs.powerGood !== false && mayGoOn(situation),
  },
  {
    from: ['driving'],
    to: 'parked-watch',
    reason: 'ignition-off',
    when: 'the ignition is off',
    holds: ({ inputs }) => !inputs.ignition,
  },
  {
    from: PARKED,
    to: 'shutdown',
    reason: 'battery-low',
    when: 'the smoothed voltage fell below the cut-off and has not come back to the return voltage, and the grace time is over; while a panic watch runs only below the cut-off itself',
    holds: (situation) => mayAct(situation) && isLow(situation),
  },
  {
    from: PARKED,
    to: 'shutdown',
    reason: 'energy-spent',
    when: 'the energy budget is used, and the grace time is over',
    holds: (situation) => mayAct(situation) && isSpent(situation),
  },
  {
    from: PARKED,
    to: 'shutdown',
    reason: 'parked-too-long',
    when: 'the longest park is over, and the grace time is over',
    holds: (situation) => mayAct(situation) && isTooLong(situation),
  },
  {
    from: ['standby'],
    to: 'parked-watch',
    reason: 'panic',
    when: 'the panic button, or its watch still runs after a restart; the voltage is not below the cut-off',
    holds: (situation) => isAboveCutOff(situation) && (situation.inputs.panic || situation.state.watch?.panic === true),
  },
  {
    from: ['standby'],
    to: 'parked-watch',
    reason: 'tamper',
    when: 'tamper; the battery is not low and the budget of the watch is not used',
    holds: (situation) => situation.inputs.tamper && mayWake(situation),
  },
  {
    from: ['standby'],
    to: 'parked-watch',
    reason: 'schedule',
    when: 'a scheduled watch is due; the battery is not low and the budget of the watch is not used',
    holds: (situation) => situation.inputs.schedule && mayWake(situation),
  },
  {
    from: ['standby'],
    to: 'parked-watch',
    reason: 'started',
    when: 'the board has just started; the battery is not low, and neither the budget nor the longest watch is used',
    holds: (situation) => situation.state.reason === 'started' && mayWake(situation) && !isWatchLong(situation),
  },
  {
    from: ['parked-watch'],
    to: 'standby',
    reason: 'watch-spent',
    when: 'the budget is used but for its reserve, no event watch runs, and the grace time is over',
    holds: (situation) => mayAct(situation) && isWatchSpent(situation) && situation.state.watch === null,
  },
  {
    from: ['parked-watch'],
    to: 'standby',
    reason: 'watch-over',
    when: 'the longest watch or the watch begun by an event is over, none runs, and the grace time is over',
    holds: (situation) =>
      mayAct(situation) && situation.state.watch === null && (isWatchLong(situation) || isEventReason(situation.state.reason)),
  },
];

/** The power state and its reason in one plain sentence, as `longroof-board status` and the agent print it. */
import type { PowerReason } from '@longroof/protocol/board';
import { batteryLeft } from './measure.js';
import type { PowerPolicy } from './policy.js';
import type { PowerState } from './state.js';
import { wantedOf } from './step.js';

const MODES: Readonly<Record<PowerState['mode'], string>> = {
  driving: 'Driving',
  'parked-watch': 'Parked watch',
  standby: 'Standby',
  shutdown: 'Shutting down',
};

const REASONS: Readonly<Record<PowerReason, string>> = {
  started: 'the board has just started',
  'ignition-on': 'the ignition is on',
  'ignition-off': 'the ignition was switched off',
  'supply-lost': 'the supply was lost',
  'supply-back': 'the supply is back',
  'battery-low': 'the battery is low',
  'energy-spent': 'the energy budget is used',
  'parked-too-long': 'the longest park is over',
  'watch-spent': 'the watch has used its share of the energy budget',
  'watch-over': 'the watch is over',
  panic: 'the panic button was pressed',
  tamper: 'somebody tampers with the unit',
  schedule: 'a watch was scheduled',
};

function spell(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function powerSentence(policy: PowerPolicy, state: PowerState, cameras: number): string {
  const parts = [`${MODES[state.mode]} for ${spell(state.atMonoMs - state.sinceMonoMs)} because ${REASONS[state.reason]}`];
  parts.push(state.supply ? `${state.supply.smoothV.toFixed(1)} V` : 'voltage unknown');
  if (state.mode !== 'driving') parts.push(`${state.usedWh.toFixed(1)} of ${policy.budgetWh} Wh used`);
  if (state.mode === 'parked-watch' && state.shed > 0) parts.push(`${state.shed} of ${policy.shed.length} steps of saving taken`);
  const left = state.mode === 'parked-watch' ? batteryLeft(policy, state, cameras) : undefined;
  if (left) parts.push(`${left.cameraHours.toFixed(0)} ± ${left.errorCameraHours.toFixed(0)} camera-hours left`);
  const contact = wantedOf(policy, state).contactInMs;
  if (contact !== null) parts.push(`next contact in ${spell(contact)}`);
  return `${parts.join(', ')}.`;
}

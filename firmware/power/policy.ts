/**
 * What a wagon may take from its starter battery, as data. The defaults are anchored in published systems: openpilot switches off below
 * 11.8 V (45 s low-pass), after 30 Wh or 30 h, never within 300 s of stopping; Brigade's recorders come back at 12.5 V.
 */
import { assert } from '@longroof/base/errors';
import type { Shed } from '@longroof/protocol/board';

export interface ShedRule extends Shed {
  /** Taken when so much of the energy budget is used, or the smoothed supply is below `belowV`. */
  usedWh: number;
  belowV: number;
}

export interface PowerPolicy {
  /** Time constant of the voltage's low-pass filter. */
  smoothMs: number;
  cutOffV: number;
  returnV: number;
  /** Energy from the battery since it was last charged. */
  budgetWh: number;
  /** The part of it that is kept for standby and for what wakes the unit. */
  reserveWh: number;
  parkLongestMs: number;
  /** Parked watch ends after so long, in standby. */
  watchLongestMs: number;
  /** The guard never acts so soon after ignition off, nor after a start. */
  graceMs: number;
  /** How long a panic, tamper or scheduled watch lasts. */
  wakeWatchMs: number;
  /** The recorder's time to flush. */
  flushMs: number;
  /** The supply's hold-up: what is left of it once power-good is lost. */
  holdUpMs: number;
  /** A machine that still runs so long after it was switched off is switched off again. */
  offAgainMs: number;
  /** Taken for the consumption where it is not measured. */
  nominalW: number;
  /** Standard deviation of the power sensor, relative. */
  sensorError: number;
  /** With the ignition on, the alternator charges above this voltage, and gives back this power. */
  chargingV: number;
  chargeW: number;
  /** In order; each at least `shedEveryMs` after the one before it. */
  shed: readonly ShedRule[];
  shedEveryMs: number;
  /** In standby the link to the centre rests but for `contactForMs` each `contactEveryMs`; 0: it does not rest. */
  contactEveryMs: number;
  contactForMs: number;
}

export const DEFAULT_POLICY: PowerPolicy = {
  smoothMs: 45_000,
  cutOffV: 11.8,
  returnV: 12.5,
  budgetWh: 30,
  reserveWh: 3,
  parkLongestMs: 30 * 3_600_000,
  watchLongestMs: 24 * 3_600_000,
  graceMs: 300_000,
  wakeWatchMs: 600_000,
  flushMs: 10_000,
  holdUpMs: 5000,
  offAgainMs: 120_000,
  nominalW: 12,
  sensorError: 0.05,
  chargingV: 13,
  chargeW: 45,
  shed: [],
  shedEveryMs: 60_000,
  contactEveryMs: 0,
  contactForMs: 120_000,
};

/** Relations between the numbers without which the guard could not keep its promises. */
export function assertPolicy(policy: PowerPolicy): void {
  assert(policy.returnV >= policy.cutOffV + 0.3, 'the return voltage must be at least 0.3 V above the cut-off');
  assert(policy.chargingV >= policy.returnV, 'the charging voltage must not be below the return voltage');
  assert(policy.reserveWh < policy.budgetWh, 'the reserve must be smaller than the budget');
  assert(policy.watchLongestMs <= policy.parkLongestMs, 'a watch cannot be longer than the longest park');
  assert(policy.contactEveryMs === 0 || policy.contactForMs < policy.contactEveryMs, 'a contact must be shorter than the time between two');
  assert(policy.smoothMs > 0 && policy.nominalW > 0, 'filter time and nominal consumption must be above 0');
}

/**
 * What the battery guard knows of the battery: smoothed voltage with its hysteresis, energy taken since it was last charged, consumption
 * with its spread, and the time left on it. Pure. A sensor that is missing or tells nonsense is no voltage, never a low one.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { BatteryLeft } from '@longroof/protocol/board';
import type { PowerPolicy } from './policy.js';
import type { Draw, PowerInputs, PowerState, Supply } from './state.js';

const MS_PER_HOUR = 3_600_000;
/** A voltage older than this is none: the filter starts anew. */
const SUPPLY_STALE_MS = 15_000;
const SUPPLY_V_MAX = 60;
const DRAW_W_MAX = 1000;
/** Consumption is averaged over so long; short enough to follow the shedding of load. */
const DRAW_SMOOTH_MS = 600_000;
/** Below so little time of measurement no time left is told. */
const DRAW_MEASURED_MS_MIN = 60_000;

/** First-order low-pass: gain 1 - exp(-dt / tau). */
export function smoothSupply(policy: PowerPolicy, before: Supply | null, monoMs: MonoMs, volts: number | undefined): Supply | null {
  const isFresh = before !== null && monoMs - before.seenMonoMs <= SUPPLY_STALE_MS;
  if (volts === undefined || !Number.isFinite(volts) || volts <= 0 || volts > SUPPLY_V_MAX) return isFresh ? before : null;
  if (!isFresh) return { smoothV: volts, sinceMonoMs: monoMs, seenMonoMs: monoMs };
  const gain = 1 - Math.exp(-(monoMs - before.seenMonoMs) / policy.smoothMs);
  return { smoothV: before.smoothV + (volts - before.smoothV) * gain, sinceMonoMs: before.sinceMonoMs, seenMonoMs: monoMs };
}

/** Trips below the cut-off once the filter has settled; comes back only at the return voltage. */
export function isTripped(policy: PowerPolicy, supply: Supply | null, before: boolean): boolean {
  if (!supply || supply.seenMonoMs - supply.sinceMonoMs < policy.smoothMs) return before;
  if (supply.smoothV < policy.cutOffV) return true;
  return before && supply.smoothV < policy.returnV;
}

function measuredDraw(watts: number | undefined): number | undefined {
  return watts !== undefined && Number.isFinite(watts) && watts >= 0 && watts <= DRAW_W_MAX ? watts : undefined;
}

/** Mean and variance, exponentially weighted (West 1979, in its exponential form). */
export function averageDraw(before: Draw | null, passedMs: number, watts: number | undefined): Draw | null {
  const drawW = measuredDraw(watts);
  if (drawW === undefined) return before;
  if (!before) return { meanW: drawW, varianceW2: 0, measuredMs: 0 };
  // A plain mean at first, so that the first sample does not weigh for ten minutes.
  const measuredMs = before.measuredMs + passedMs;
  const gain = Math.min(1, Math.max(1 - Math.exp(-passedMs / DRAW_SMOOTH_MS), measuredMs > 0 ? passedMs / measuredMs : 0));
  const off = drawW - before.meanW;
  return { meanW: before.meanW + gain * off, varianceW2: (1 - gain) * (before.varianceW2 + gain * off * off), measuredMs };
}

/**
 * Energy taken from the battery since it was last charged. With the ignition on, a voltage that shows the alternator at work gives back,
 * one between return and charging changes nothing (the alternator carries the load), a lower one is the battery alone. So a key that is
 * turned for a moment does not give the budget anew.
 */
export function usedEnergy(policy: PowerPolicy, state: PowerState, inputs: PowerInputs, supply: Supply | null): number {
  const hours = Math.max(0, inputs.monoMs - state.atMonoMs) / MS_PER_HOUR;
  const drawWh = (measuredDraw(inputs.drawW) ?? policy.nominalW) * hours;
  if (!inputs.ignition) return state.usedWh + drawWh;
  const isCharging = supply ? supply.smoothV >= policy.chargingV : true;
  if (isCharging) return Math.max(0, state.usedWh - policy.chargeW * hours);
  return supply && supply.smoothV < policy.returnV ? state.usedWh + drawWh : state.usedWh;
}

/**
 * Hours of watch left: what remains of the budget over the mean consumption, or what remains of the longest watch where that is less. The
 * error has the spread of the consumption and the sensor's own; it is one standard deviation. Undefined with the ignition on or
 * before a minute of measurement. A weak battery may end it sooner: that is the voltage guard's to see.
 */
export function batteryLeft(policy: PowerPolicy, state: PowerState, cameras: number): BatteryLeft | undefined {
  const { draw, ignitionOffMonoMs } = state;
  if (!draw || ignitionOffMonoMs === null || draw.measuredMs < DRAW_MEASURED_MS_MIN || draw.meanW <= 0) return undefined;
  const energyHours = Math.max(0, policy.budgetWh - policy.reserveWh - state.usedWh) / draw.meanW;
  const timeHours = Math.max(0, policy.watchLongestMs - (state.atMonoMs - ignitionOffMonoMs)) / MS_PER_HOUR;
  const relative = Math.hypot(Math.sqrt(draw.varianceW2) / draw.meanW, policy.sensorError);
  // Time passes exactly; only where the energy could run out first does its error count.
  const errorHours = Math.max(0, Math.min(energyHours * relative, timeHours - energyHours * (1 - relative)));
  const hours = Math.min(energyHours, timeHours);
  return { hours, cameraHours: hours * cameras, errorCameraHours: errorHours * cameras };
}

/**
 * A lead-acid starter battery for tests: the normalised model of J. B. Copetti, E. Lorenzo, F. Chenlo, "A general battery model for PV
 * system simulation", Progress in Photovoltaics 1 (1993) 283-292, in its equations for discharge, charge and capacity. Six cells;
 * faults: a worn capacity and a higher inner resistance, as old batteries have.
 */
const CELLS = 6;
const STATE_MIN = 0.02;
const STATE_MAX = 0.97;
const MS_PER_HOUR = 3_600_000;

export interface BatteryOptions {
  /** Capacity at the 10-hour rate, as on its label. */
  c10Ah: number;
  temperatureC: number;
  /** 0 to 1. */
  stateOfCharge: number;
  /** Share of the capacity that is left. */
  health: number;
  /** Times the model's inner resistance. */
  resistance: number;
}

export class LeadAcidBattery {
  readonly #options: BatteryOptions;
  stateOfCharge: number;

  constructor(options: BatteryOptions) {
    this.#options = options;
    this.stateOfCharge = options.stateOfCharge;
  }

  /** Voltage at the terminals with so many amperes drawn; negative ones charge. */
  volts(drawA: number): number {
    const { c10Ah, temperatureC, resistance, health } = this.#options;
    const warm = temperatureC - 25;
    const soc = this.stateOfCharge;
    const i = Math.abs(drawA);
    const rate = (i / (c10Ah * health)) * resistance;
    if (drawA >= 0) {
      const inner = 4 / (1 + i ** 1.3) + 0.27 / soc ** 1.5 + 0.02;
      return CELLS * (2.085 - 0.12 * (1 - soc) - rate * inner * (1 - 0.007 * warm));
    }
    const inner = 6 / (1 + i ** 0.86) + 0.48 / (1 - soc) ** 1.2 + 0.036;
    return CELLS * (2 + 0.16 * soc + rate * inner * (1 - 0.025 * warm));
  }

  /** Voltage and amperes at so many watts drawn: two rounds are enough, the voltage hardly moves. */
  load(watts: number): { volts: number; amperes: number } {
    let volts = this.volts(0);
    for (let round = 0; round < 2; round++) volts = this.volts(watts / volts);
    return { volts, amperes: watts / volts };
  }

  pass(ms: number, drawA: number): void {
    const { c10Ah, temperatureC, health } = this.#options;
    const capacityAh = (health * 1.67 * c10Ah * (1 + 0.005 * (temperatureC - 25))) / (1 + 0.67 * (Math.abs(drawA) / (c10Ah / 10)) ** 0.9);
    const next = this.stateOfCharge - (drawA * ms) / MS_PER_HOUR / capacityAh;
    this.stateOfCharge = Math.min(STATE_MAX, Math.max(STATE_MIN, next));
  }
}

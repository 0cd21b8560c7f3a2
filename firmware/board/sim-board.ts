/** A board without hardware, for laptops and the demonstration: its key, buttons and battery are set over the service's socket. */
import type { BoardEvent, SimValue } from '@longroof/protocol/board';
import type { Board, BoardOutput, Readings } from './board.js';
import { SIM_PROFILE } from './profiles.js';

const BRAKING_SAMPLES = 10;

export class SimBoard implements Board {
  readonly name = SIM_PROFILE;
  /** What the service has set, for whoever looks. */
  readonly outputs = new Map<BoardOutput, boolean>();
  readonly #levels: Record<BoardEvent, boolean> = { ignition: true, 'power-good': true, tamper: false, panic: false, bookmark: false };
  readonly #values: Record<SimValue, number> = { supply: 12.6, draw: 10, temperature: 45, braking: 0 };
  #brakingSamples = 0;
  #listener: (event: BoardEvent, level: boolean) => void = () => {};

  input(event: BoardEvent, level: boolean): void {
    if (this.#levels[event] === level) return;
    this.#levels[event] = level;
    this.#listener(event, level);
  }

  sensor(name: SimValue, value: number): void {
    // A braking is over again by itself.
    if (name === 'braking') this.#brakingSamples = BRAKING_SAMPLES;
    this.#values[name] = value;
  }

  levels(): Partial<Record<BoardEvent, boolean>> {
    return { ...this.#levels };
  }

  onEdge(listener: (event: BoardEvent, level: boolean) => void): void {
    this.#listener = listener;
  }

  set(output: BoardOutput, on: boolean): void {
    this.outputs.set(output, on);
  }

  readings(): Readings {
    const { supply, draw, temperature } = this.#values;
    return { supplyV: supply, drawW: draw, temperatureC: temperature, throttled: false };
  }

  forwardMps2(): number {
    if (this.#brakingSamples === 0) return 0;
    this.#brakingSamples -= 1;
    return -this.#values.braking;
  }

  close(): void {
    this.#listener = () => {};
  }
}

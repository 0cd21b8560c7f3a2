/** A board without hardware, for laptops and the demonstration: its key, buttons and battery are set over the service's socket. */
import type { BoardEvent, SimValue } from '@longroof/protocol/board';
import type { Board, BoardOutput, Readings } from './board.js';
import { SIM_PROFILE } from './profiles.js';

export class SimBoard implements Board {
  readonly name = SIM_PROFILE;
  /** What the service has set, for whoever looks. */
  readonly outputs = new Map<BoardOutput, boolean>();
  readonly #levels: Record<BoardEvent, boolean> = { ignition: true, 'power-good': true, tamper: false, panic: false, bookmark: false };
  readonly #values: Record<SimValue, number> = { supply: 12.6, draw: 10, temperature: 45 };
  #listener: (event: BoardEvent, level: boolean) => void = () => {};

  input(event: BoardEvent, level: boolean): void {
    if (this.#levels[event] === level) return;
    this.#levels[event] = level;
    this.#listener(event, level);
  }

  sensor(name: SimValue, value: number): void {
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

  close(): void {
    this.#listener = () => {};
  }
}

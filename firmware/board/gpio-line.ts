/** One line of a GPIO chip, and the way to open one: onoff on a real kernel, a stand-in in tests. */
import { Fault, toFault } from '@longroof/base/errors';
import type { Gpio } from 'onoff';

export interface GpioLine {
  read(): boolean;
  write(on: boolean): void;
  /** Called with the level after each edge. */
  watch(listener: (level: boolean) => void): void;
  close(): void;
}

export type OpenLine = (number: number, direction: 'in' | 'out', activeLow: boolean) => GpioLine;

class OnoffLine implements GpioLine {
  readonly #gpio: Gpio;

  constructor(gpio: Gpio) {
    this.#gpio = gpio;
  }

  read(): boolean {
    return this.#gpio.readSync() === 1;
  }

  write(on: boolean): void {
    this.#gpio.writeSync(on ? 1 : 0);
  }

  watch(listener: (level: boolean) => void): void {
    this.#gpio.watch((error, value) => {
      if (error) throw toFault(error, 'a GPIO line');
      listener(value === 1);
    });
  }

  /** Leaves an output as it is: cameras do not blink when the service restarts. */
  close(): void {
    this.#gpio.unwatchAll();
  }
}

/** Loaded only where a board has lines: the library brings a native module. Throws LR_BOARD_GPIO where it cannot be. */
export async function onoffLines(): Promise<OpenLine> {
  const { Gpio: OnoffGpio } = await import('onoff').catch((error: unknown) => {
    throw new Fault('unavailable', 'LR_BOARD_GPIO', `onoff: ${toFault(error).message}`, {
      hint: 'Compile its native part: npm rebuild epoll.',
    });
  });
  return (number, direction, activeLow) => {
    // An output that was exported before keeps its level; one that was not starts low.
    const options = { activeLow, reconfigureDirection: direction === 'in' };
    return new OnoffLine(direction === 'in' ? new OnoffGpio(number, 'in', 'both', options) : new OnoffGpio(number, 'out', 'none', options));
  };
}

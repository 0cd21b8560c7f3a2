/** A board on the kernel's files: lines resolved by chip label and offset, sensors by name. An output that is not wired is not set. */
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { BoardEvent } from '@longroof/protocol/board';
import { Accelerometer, type AccelerometerSpec } from './accelerometer.js';
import type { Board, BoardOutput, Readings } from './board.js';
import { lineNumber, listChips } from './chips.js';
import type { GpioLine, OpenLine } from './gpio-line.js';
import type { BoardProfile, LineSpec } from './profiles.js';
import { Sensors } from './sensors.js';

export interface GpioBoardOptions {
  name: string;
  profile: BoardProfile;
  disk: Disk;
  clock: Clock;
  openLine: OpenLine;
  accelerometer?: AccelerometerSpec | undefined;
  sysfs?: string;
}

export class GpioBoard implements Board {
  readonly name: string;
  readonly #inputs = new Map<BoardEvent, GpioLine>();
  readonly #outputs = new Map<BoardOutput, GpioLine>();
  readonly #sensors: Sensors;
  readonly forwardMps2?: () => number | undefined;

  /** Throws LR_BOARD_LINE where a line is not there, LR_BOARD_GPIO where it cannot be had. */
  constructor(options: GpioBoardOptions) {
    const { name, profile, disk, clock, openLine, sysfs = '/sys' } = options;
    this.name = name;
    this.#sensors = new Sensors(profile, disk, clock, sysfs);
    if (options.accelerometer) {
      const accelerometer = new Accelerometer(options.accelerometer, disk, clock, sysfs);
      this.forwardMps2 = () => accelerometer.forwardMps2();
    }
    const chips = listChips(disk, sysfs);
    const open = (what: string, spec: LineSpec, direction: 'in' | 'out'): GpioLine => {
      const number = lineNumber(chips, what, spec);
      try {
        return openLine(number, direction, spec.activeLow);
      } catch (error) {
        this.close();
        throw new Fault('unavailable', 'LR_BOARD_GPIO', `${what}: line ${number}: ${toFault(error).message}`, {
          hint: 'The service needs the group gpio, and the line may not be in use.',
          cause: error,
        });
      }
    };
    for (const [event, spec] of Object.entries(profile.inputs)) this.#inputs.set(event as BoardEvent, open(event, spec, 'in'));
    for (const [output, spec] of Object.entries(profile.outputs)) this.#outputs.set(output as BoardOutput, open(output, spec, 'out'));
  }

  levels(): Partial<Record<BoardEvent, boolean>> {
    return Object.fromEntries([...this.#inputs].map(([event, line]) => [event, line.read()]));
  }

  onEdge(listener: (event: BoardEvent, level: boolean) => void): void {
    for (const [event, line] of this.#inputs) line.watch((level) => listener(event, level));
  }

  set(output: BoardOutput, on: boolean): void {
    this.#outputs.get(output)?.write(on);
  }

  readings(): Readings {
    return this.#sensors.readings();
  }

  close(): void {
    for (const line of [...this.#inputs.values(), ...this.#outputs.values()]) line.close();
  }
}

/**
 * Acceleration along the wagon from the kernel's iio files (Documentation/ABI/testing/sysfs-bus-iio): in_accel_{x,y,z}_raw, which (raw + offset) x
 * scale turns into metres a second squared. Scale and offset are read when the device is found; the raw value each time.
 */
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { Found, findDevice, readNumber } from './sensors.js';

export interface AccelerometerSpec {
  /** As in /sys/bus/iio/devices/.../name. */
  name: string;
  /** The sensor's axis that points ahead. */
  forward: (typeof AXES)[number];
  /** A braking at least as hard is an event, in metres a second squared. */
  brakingMps2: number;
}

export const AXES = ['x', 'y', 'z', '-x', '-y', '-z'] as const;

export class Accelerometer {
  readonly #disk: Disk;
  readonly #axis: string;
  readonly #sign: number;
  readonly #found: Found;
  #scale = 1;
  #offset = 0;

  constructor(spec: AccelerometerSpec, disk: Disk, clock: Clock, sysfs = '/sys') {
    this.#disk = disk;
    this.#axis = spec.forward.slice(-1);
    this.#sign = spec.forward.startsWith('-') ? -1 : 1;
    this.#found = new Found(clock, () => {
      const folder = findDevice(disk, `${sysfs}/bus/iio/devices`, 'name', spec.name);
      if (folder === undefined) return undefined;
      const either = (what: string): number | undefined =>
        readNumber(disk, `${folder}/in_accel_${this.#axis}_${what}`) ?? readNumber(disk, `${folder}/in_accel_${what}`);
      this.#scale = either('scale') ?? 1;
      this.#offset = either('offset') ?? 0;
      return folder;
    });
  }

  /** Undefined where there is no such device, or it does not answer. */
  forwardMps2(): number | undefined {
    const raw = this.#found.read((folder) => readNumber(this.#disk, `${folder}/in_accel_${this.#axis}_raw`));
    return raw === undefined ? undefined : this.#sign * (raw + this.#offset) * this.#scale;
  }
}

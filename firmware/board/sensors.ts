/**
 * Voltage, current, temperature and throttling from the kernel's files: hwmon (Documentation/hwmon/sysfs-interface.rst), iio
 * (Documentation/ABI/testing/sysfs-bus-iio) and thermal zones. Numbers of devices change from boot to boot: they are found by name, and
 * looked for again when they cease to answer, but not more often than each half minute.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import type { Readings } from './board.js';
import { readSysfs } from './chips.js';
import type { BoardProfile, SensorSpec } from './profiles.js';

const DEVICES_MAX = 128;
const SEARCH_AGAIN_MS = 30_000;

/** The folder of the device whose `file` holds `name`. */
export function findDevice(disk: Disk, folder: string, file: string, name: string): string | undefined {
  const found = disk
    .list(folder)
    .slice(0, DEVICES_MAX)
    .find((device) => readSysfs(disk, `${folder}/${device}/${file}`) === name);
  return found === undefined ? undefined : `${folder}/${found}`;
}

export function readNumber(disk: Disk, file: string): number | undefined {
  const text = readSysfs(disk, file);
  return text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

/** One source that is found by name, and found again when it moves. */
export class Found {
  readonly #clock: Clock;
  readonly #find: () => string | undefined;
  #path: string | undefined;
  #searchedMonoMs: MonoMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, find: () => string | undefined) {
    this.#clock = clock;
    this.#find = find;
  }

  read<T>(get: (path: string) => T | undefined): T | undefined {
    const value = this.#path === undefined ? undefined : get(this.#path);
    if (value !== undefined || this.#clock.mono() - this.#searchedMonoMs < SEARCH_AGAIN_MS) return value;
    this.#searchedMonoMs = this.#clock.mono();
    this.#path = this.#find();
    return this.#path === undefined ? undefined : get(this.#path);
  }
}

export class Sensors {
  readonly #disk: Disk;
  readonly #supply: () => number | undefined;
  readonly #current: () => number | undefined;
  readonly #temperature: () => number | undefined;
  readonly #throttled: () => boolean;

  constructor(profile: BoardProfile, disk: Disk, clock: Clock, sysfs = '/sys') {
    this.#disk = disk;
    const device = (folder: string, file: string, name: string): Found =>
      new Found(clock, () => findDevice(disk, `${sysfs}/${folder}`, file, name));
    const sensor = (spec: SensorSpec | undefined): (() => number | undefined) => {
      if (!spec) return () => undefined;
      const found = device(spec.kind === 'hwmon' ? 'class/hwmon' : 'bus/iio/devices', 'name', spec.name);
      return () => found.read((path) => this.#value(path, spec));
    };
    this.#supply = sensor(profile.supply);
    this.#current = sensor(profile.current);
    const zone = profile.thermal === undefined ? undefined : device('class/thermal', 'type', profile.thermal);
    this.#temperature = () => {
      const milli = zone?.read((path) => readNumber(disk, `${path}/temp`));
      return milli === undefined ? undefined : milli / 1000;
    };
    this.#throttled = this.#throttle(profile, device, sysfs);
  }

  readings(): Readings {
    const supplyV = this.#supply();
    const currentA = this.#current();
    return {
      supplyV,
      drawW: supplyV === undefined || currentA === undefined ? undefined : supplyV * Math.abs(currentA),
      temperatureC: this.#temperature(),
      throttled: this.#throttled(),
    };
  }

  #value(path: string, spec: SensorSpec): number | undefined {
    if (spec.kind === 'hwmon') {
      const value = readNumber(this.#disk, `${path}/${spec.file}`);
      return value === undefined ? undefined : value * spec.factor;
    }
    const raw = readNumber(this.#disk, `${path}/${spec.channel}_raw`);
    if (raw === undefined) return undefined;
    // Scale and offset are of the channel, or shared by all of its kind.
    const shared = spec.channel.replace(/\d+$/, '');
    const either = (what: string): number | undefined =>
      readNumber(this.#disk, `${path}/${spec.channel}_${what}`) ?? readNumber(this.#disk, `${path}/${shared}_${what}`);
    return (raw + (either('offset') ?? 0)) * (either('scale') ?? 1) * spec.factor;
  }

  #throttle(profile: BoardProfile, device: (folder: string, file: string, name: string) => Found, sysfs: string): () => boolean {
    const spec = profile.throttle;
    if (!spec) return () => false;
    if (spec.kind === 'bits') {
      const file = spec.file.replace(/^\/sys/, sysfs);
      return () => (Number.parseInt(readSysfs(this.#disk, file) ?? '0', 16) & spec.mask) !== 0;
    }
    const found = device('class/hwmon', 'name', spec.name);
    return () => found.read((path) => readNumber(this.#disk, `${path}/${spec.file}`)) === 1;
  }
}

/**
 * A tree like the kernel's /sys in a folder, and lines on it: writing a line's `value` as the outside does fires its watchers. Faults: sensors
 * that vanish and come back under another number, bouncing edges.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { GpioLine, OpenLine } from './gpio-line.js';
import type { BoardProfile, LineSpec } from './profiles.js';

export class FakeSysfs {
  readonly root: string;
  readonly #watchers = new Map<number, ((level: boolean) => void)[]>();

  constructor(root: string) {
    this.root = root;
  }

  put(file: string, content: string): void {
    const full = path.join(this.root, file);
    fs.mkdirSync(path.dirname(full), { recursive: true });
    fs.writeFileSync(full, `${content}\n`);
  }

  chip(name: string, label: string, base: number, lines: number): void {
    for (const [file, content] of Object.entries({ label, base, ngpio: lines })) this.put(`class/gpio/${name}/${file}`, `${content}`);
  }

  /** Level at the pin: what the wire has, before active-low. */
  drive(number: number, high: boolean): void {
    this.put(`class/gpio/gpio${number}/value`, high ? '1' : '0');
    for (const watcher of this.#watchers.get(number) ?? []) watcher(high);
  }

  pin(number: number): boolean {
    const file = path.join(this.root, `class/gpio/gpio${number}/value`);
    return fs.existsSync(file) && fs.readFileSync(file, 'latin1').trim() === '1';
  }

  readonly openLine: OpenLine = (number, _direction, activeLow): GpioLine => {
    const level = (high: boolean): boolean => high !== activeLow;
    if (!fs.existsSync(path.join(this.root, `class/gpio/gpio${number}`))) this.drive(number, activeLow);
    return {
      read: () => level(this.pin(number)),
      write: (on) => this.drive(number, level(on)),
      watch: (listener) => {
        const list = this.#watchers.get(number) ?? [];
        list.push((high) => listener(level(high)));
        this.#watchers.set(number, list);
      },
      close: () => void this.#watchers.delete(number),
    };
  };

  /** The chips and sensors of a profile, chips at odd bases. */
  furnish(profile: BoardProfile): void {
    const specs: LineSpec[] = [...Object.values(profile.inputs), ...Object.values(profile.outputs)];
    this.chip('gpiochip0', 'something-else', 0, 4);
    for (const [index, label] of [...new Set(specs.map((spec) => spec.chip))].entries())
      this.chip(`gpiochip${571 + index}`, label, 571 + index * 100, 54);
    for (const sensor of [profile.supply, profile.current]) {
      if (sensor?.kind === 'hwmon') this.put('class/hwmon/hwmon3/name', sensor.name);
      if (sensor?.kind === 'iio') this.put('bus/iio/devices/iio:device0/name', sensor.name);
    }
    if (profile.thermal) this.put('class/thermal/thermal_zone0/type', profile.thermal);
  }
}

/**
 * The boards, as data. A line is named by the label of its chip and its offset there: the kernel's numbers start at a base that changes
 * with kernel and board (Raspberry Pi kernels from 6.6 shift it). Any line and sensor can be given otherwise in `board.yaml`.
 */
import type { BoardEvent } from '@longroof/protocol/board';
import type { BoardOutput } from './board.js';

export interface LineSpec {
  /** As in /sys/class/gpio/gpiochip.../label. */
  chip: string;
  offset: number;
  activeLow: boolean;
}

/** Value = content x factor; an iio channel is (raw + offset) x scale x factor. */
export type SensorSpec =
  | { kind: 'hwmon'; name: string; file: string; factor: number }
  | { kind: 'iio'; name: string; channel: string; factor: number };

export type ThrottleSpec = { kind: 'bits'; file: string; mask: number } | { kind: 'alarm'; name: string; file: string };

export interface BoardProfile {
  inputs: Partial<Record<BoardEvent, LineSpec>>;
  outputs: Partial<Record<BoardOutput, LineSpec>>;
  /** Volts and amperes. */
  supply?: SensorSpec;
  current?: SensorSpec;
  /** The type of a thermal zone. */
  thermal?: string;
  throttle?: ThrottleSpec;
}

const on = (chip: string, offset: number, activeLow = false): LineSpec => ({ chip, offset, activeLow });

/** Texas Instruments INA226 on the supply: bus voltage in millivolts, current in milliamperes (kernel: hwmon/ina2xx). */
const INA226_SUPPLY: SensorSpec = { kind: 'hwmon', name: 'ina226', file: 'in1_input', factor: 1e-3 };
const INA226_CURRENT: SensorSpec = { kind: 'hwmon', name: 'ina226', file: 'curr1_input', factor: 1e-3 };

/** The same pins on both boards' 40-pin header, so that one cable loom serves both. */
function raspberryPi(chip: string, throttle: ThrottleSpec): BoardProfile {
  return {
    inputs: {
      ignition: on(chip, 17),
      'power-good': on(chip, 27),
      tamper: on(chip, 22, true),
      panic: on(chip, 23, true),
      bookmark: on(chip, 24, true),
    },
    outputs: { 'camera-cut': on(chip, 5), lamp: on(chip, 6) },
    supply: INA226_SUPPLY,
    current: INA226_CURRENT,
    thermal: 'cpu-thermal',
    throttle,
  };
}

export const PROFILES: Readonly<Record<string, BoardProfile>> = {
  // The firmware's bits 0 to 3: under-voltage, frequency capped, throttled, soft temperature limit.
  'raspberry-pi-4': raspberryPi('pinctrl-bcm2711', {
    kind: 'bits',
    file: '/sys/devices/platform/soc/soc:firmware/get_throttled',
    mask: 0xf,
  }),
  'raspberry-pi-5': raspberryPi('pinctrl-rp1', { kind: 'alarm', name: 'rpi_volt', file: 'in0_lcrit_alarm' }),
  // A fanless vehicle PC with ignition control on a Super I/O chip of ITE, its supply measured by an I2C converter behind a 1:11 divider.
  'x86-vehicle': {
    inputs: {
      ignition: on('gpio_it87', 0, true),
      'power-good': on('gpio_it87', 1, true),
      tamper: on('gpio_it87', 2, true),
      panic: on('gpio_it87', 3, true),
      bookmark: on('gpio_it87', 4, true),
    },
    outputs: { 'camera-cut': on('gpio_it87', 8), lamp: on('gpio_it87', 9) },
    supply: { kind: 'iio', name: 'ads1115', channel: 'in_voltage0', factor: 11e-3 },
    thermal: 'x86_pkg_temp',
  },
  // PL061 of the virt machine; its line 3 is the machine's own power button. No sensor is emulated.
  'qemu-virt': {
    inputs: {
      ignition: on('9030000.pl061', 0),
      'power-good': on('9030000.pl061', 1),
      tamper: on('9030000.pl061', 2),
      panic: on('9030000.pl061', 4),
      bookmark: on('9030000.pl061', 5),
    },
    outputs: { 'camera-cut': on('9030000.pl061', 6), lamp: on('9030000.pl061', 7) },
  },
};

export const SIM_PROFILE = 'sim';
export const PROFILE_NAMES: readonly string[] = [...Object.keys(PROFILES), SIM_PROFILE];

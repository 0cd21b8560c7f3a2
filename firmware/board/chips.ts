/**
 * From a line's chip and offset to the kernel's number for it, by the sysfs interface (Documentation/admin-guide/gpio/sysfs.rst):
 * /sys/class/gpio/gpiochipN/{label,base,ngpio}. The number is base + offset.
 */
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import type { LineSpec } from './profiles.js';

export interface GpioChip {
  label: string;
  base: number;
  lines: number;
}

const CHIPS_MAX = 64;

/** Content of a small sysfs file without its line end; undefined when it is not there or does not answer. */
export function readSysfs(disk: Disk, file: string): string | undefined {
  try {
    return disk.readFile(file).toString('latin1').trim();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

export function listChips(disk: Disk, sysfs = '/sys'): GpioChip[] {
  const folder = `${sysfs}/class/gpio`;
  const chips: GpioChip[] = [];
  for (const name of disk.list(folder).slice(0, 1024)) {
    if (!name.startsWith('gpiochip') || chips.length >= CHIPS_MAX) continue;
    const [label, base, lines] = ['label', 'base', 'ngpio'].map((file) => readSysfs(disk, `${folder}/${name}/${file}`));
    if (label === undefined || !/^\d+$/.test(base ?? '') || !/^\d+$/.test(lines ?? '')) continue;
    chips.push({ label, base: Number(base), lines: Number(lines) });
  }
  return chips;
}

/** Throws `not-found` (LR_BOARD_LINE) that names the chips there are. Two chips of one label are told apart by who has the offset. */
export function lineNumber(chips: readonly GpioChip[], what: string, spec: LineSpec): number {
  const chip = chips.find((one) => one.label === spec.chip && spec.offset < one.lines);
  if (chip) return chip.base + spec.offset;
  const known = chips.map((one) => `${one.label} (${one.lines} lines)`).join(', ') || 'none';
  throw new Fault('not-found', 'LR_BOARD_LINE', `${what}: no line ${spec.offset} of chip ${spec.chip}; chips here: ${known}`, {
    hint: 'Choose the profile of this board, or give the line under `lines` in board.yaml.',
  });
}

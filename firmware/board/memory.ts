/**
 * The power function's memory on disk, written durably. What cannot be read back is no memory, and says so: the guard then starts with a full
 * budget, and the voltage still protects the battery.
 */
import type { Disk } from '@longroof/base/disk';
import { writeDurably } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { PowerMemory } from '../power/state.js';

const BYTES_MAX = 4096;
const BOOT_FILE = '/proc/sys/kernel/random/boot_id';

/** The kernel's own name of this boot. */
export function bootId(disk: Disk): string {
  return disk.readFile(BOOT_FILE).toString('latin1').trim();
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isSpan = (value: unknown): boolean => value === null || (isNumber(value) && value >= 0);

function isMemory(value: unknown): value is PowerMemory {
  if (typeof value !== 'object' || value === null) return false;
  const memory = value as Partial<PowerMemory>;
  return (
    typeof memory.boot === 'string' &&
    isNumber(memory.startMonoMs) &&
    isNumber(memory.atMonoMs) &&
    typeof memory.tripped === 'boolean' &&
    isNumber(memory.usedWh) &&
    memory.usedWh >= 0 &&
    isSpan(memory.parkedMs) &&
    isSpan(memory.watchLeftMs) &&
    typeof memory.watchPanic === 'boolean'
  );
}

export function readMemory(disk: Disk, file: string): { memory: PowerMemory | undefined; fault: Fault | undefined } {
  const none = (why: string): { memory: undefined; fault: Fault } => ({
    memory: undefined,
    fault: new Fault('corrupt', 'LR_BOARD_MEMORY', `${file}: ${why}; the battery's budget begins anew`),
  });
  try {
    const stat = disk.stat(file);
    if (!stat) return { memory: undefined, fault: undefined };
    if (stat.bytes > BYTES_MAX) return none(`${stat.bytes} bytes`);
    const value: unknown = JSON.parse(disk.readFile(file).toString('utf8'));
    return isMemory(value) ? { memory: value, fault: undefined } : none('not what was written');
  } catch (error) {
    return none(error instanceof SyntaxError ? 'no JSON' : toFault(error).message);
  }
}

/** Undefined when it stands on the disk, else why not: the guard goes on without. */
export function writeMemory(disk: Disk, file: string, memory: PowerMemory): Fault | undefined {
  try {
    writeDurably(disk, file, `${JSON.stringify(memory)}\n`);
    return undefined;
  } catch (error) {
    return new Fault('unavailable', 'LR_BOARD_MEMORY', `${file}: ${toFault(error).message}`, { cause: error });
  }
}

/**
 * Contacts bounce. A level counts once it has stood for its time, which may differ for on and off: a panic button is believed at once, a key
 * that flickers while the engine cranks is not. Pure: edges and time in, settled levels out.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { BoardEvent } from '@longroof/protocol/board';

export interface Settle {
  onMs: number;
  offMs: number;
}

export const SETTLE: Readonly<Record<BoardEvent, Settle>> = {
  ignition: { onMs: 200, offMs: 2000 },
  // Lost at once: the hold-up time runs. Back only when it stays.
  'power-good': { onMs: 5000, offMs: 20 },
  tamper: { onMs: 300, offMs: 1000 },
  panic: { onMs: 30, offMs: 200 },
  bookmark: { onMs: 30, offMs: 200 },
};

export interface Contact {
  /** The level that counts. */
  settled: boolean;
  level: boolean;
  sinceMonoMs: MonoMs;
}

export function contactAt(level: boolean, monoMs: MonoMs): Contact {
  return { settled: level, level, sinceMonoMs: monoMs };
}

/** Takes in a level seen at `monoMs`; what stood long enough until then counts first. */
export function seeLevel(settle: Settle, contact: Contact, level: boolean, monoMs: MonoMs): Contact {
  const now = settleAt(settle, contact, monoMs);
  return level === now.level ? now : { settled: now.settled, level, sinceMonoMs: monoMs };
}

export function settleAt(settle: Settle, contact: Contact, monoMs: MonoMs): Contact {
  if (contact.level === contact.settled) return contact;
  const needMs = contact.level ? settle.onMs : settle.offMs;
  return monoMs - contact.sinceMonoMs >= needMs ? { ...contact, settled: contact.level } : contact;
}

/** How long until this contact may settle; undefined when it has. */
export function settlesInMs(settle: Settle, contact: Contact, monoMs: MonoMs): number | undefined {
  if (contact.level === contact.settled) return undefined;
  return Math.max(0, contact.sinceMonoMs + (contact.level ? settle.onMs : settle.offMs) - monoMs);
}

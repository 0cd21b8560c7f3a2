/**
 * One ticker and one read buffer for all cameras of the process. Between ticks a playing socket does not read, so that the kernel
 * gathers what arrives and one read takes it all; that is most of what makes many cameras cheap.
 */
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';

/** No divisor of any usual frame distance: reads then fall on all phases of a stream, and its smallest delay comes to light. */
const TICK_MS = 249;
const READ_BYTES = 512 * 1024;

export interface Ticked {
  tick(nowMonoMs: MonoMs): void;
}

export class ReadHub {
  /** Filled and used up within one read; shared, since reads never nest. */
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly clock: Clock;
  readonly #members = new Set<Ticked>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(member: Ticked): void {
    this.#members.add(member);
    this.#timer ??= this.clock.every(TICK_MS, () => this.#tick());
  }

  remove(member: Ticked): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #tick(): void {
    const now = this.clock.mono();
    for (const member of this.#members) member.tick(now);
  }
}

/** Engines are made one by one and know nothing of each other; what they share hangs on the clock that they all are given. */
const hubs = new WeakMap<Clock, ReadHub>();

export function readHub(clock: Clock): ReadHub {
  const known = hubs.get(clock);
  if (known) return known;
  const made = new ReadHub(clock);
  hubs.set(clock, made);
  return made;
}

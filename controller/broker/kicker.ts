/**
 * Cuts a unit's connection to a broker that is not ours, by the one means that every broker has: whoever connects under a client id
 * ends the connection that had it (MQTT 3.1.1, 3.1.4-2). Only the listener for the centre lets it choose the id.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { type BrokerAddress, openBrokerLink } from './broker-link.js';

const TOGETHER_MAX = 4;
/** A unit that comes back at once is cut again no sooner. */
const AGAIN_MS = 3000;
/** Beyond this, those that were cut longest ago are forgotten. */
const REMEMBERED_MAX = 20_000;

export class Kicker {
  readonly #address: BrokerAddress;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Set<string>();
  readonly #last = new Map<string, MonoMs>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(address: BrokerAddress, clock: Clock, log: Log) {
    this.#address = address;
    this.#clock = clock;
    this.#log = log;
  }

  kick(unit: string): void {
    const last = this.#last.get(unit);
    if (this.#stopped || (last !== undefined && this.#clock.mono() - last < AGAIN_MS)) return;
    this.#last.delete(unit);
    this.#last.set(unit, this.#clock.mono());
    for (const old of this.#last.keys()) {
      if (this.#last.size <= REMEMBERED_MAX) break;
      this.#last.delete(old);
    }
    this.#waiting.add(unit);
    this.#next();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  #next(): void {
    while (this.#running.size < TOGETHER_MAX) {
      const [unit] = this.#waiting;
      if (unit === undefined) return;
      this.#waiting.delete(unit);
      const done = this.#cut(unit).finally(() => {
        this.#running.delete(done);
        this.#next();
      });
      this.#running.add(done);
    }
  }

  /** A failure is told and not tried again: whatever called for the cut does so again. */
  async #cut(unit: string): Promise<void> {
    try {
      const link = await openBrokerLink(this.#address, unit, () => undefined);
      await link.end('orderly');
    } catch (error) {
      this.#log.warn({ unit, error: toFault(error, 'cut a connection') }, 'a connection could not be cut');
    }
  }
}

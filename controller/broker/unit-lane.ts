/**
 * One unit as it is heard through a broker that is not ours: its messages in order, and which of them belong to one connection. The
 * broker does not tell of connections, but the protocol does: hello begins one, `online: false` (the will, or goodbye) ends it.
 */
import type { Up } from '@longroof/protocol/topics';
import type { BrokerHandlers, Session } from './broker.js';
import { Inbox, MESSAGE_WEIGHT } from './inbox.js';

export class ExternalSession implements Session {
  readonly unit: string;
  /** The broker keeps the certificate to itself: hello brings it. */
  readonly journalKeySha256 = undefined;
  closed = false;

  constructor(unit: string) {
    this.unit = unit;
  }
}

export interface LaneOptions {
  unit: string;
  handlers: BrokerHandlers;
  /** Outstanding bytes beyond which its messages are thrown away. */
  bytesMax: number;
  /** Bytes taken in (positive) and done with (negative). */
  weigh: (bytes: number) => void;
  /** Nothing is under way and no session is live. */
  idle: () => void;
}

export class UnitLane {
  /** Messages for which there was no room. */
  thrownAway = 0;
  #session: ExternalSession | undefined;
  readonly #options: LaneOptions;
  readonly #inbox: Inbox;
  /** Told as connected and not yet as disconnected. */
  readonly #told = new Set<ExternalSession>();
  #greeted = false;
  #full = false;
  #outstanding = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#inbox = new Inbox({
      pauseBytes: options.bytesMax,
      hold: () => {
        this.#full = true;
      },
      release: () => {
        this.#full = false;
      },
      ended: async () => {
        for (const session of this.#told) await this.#disconnect(session);
      },
    });
  }

  get session(): ExternalSession | undefined {
    return this.#session;
  }

  /** False when it had to be thrown away. A new hello in a session that was greeted comes from a new connection. */
  take(up: Up, payload: Buffer): boolean {
    if (this.#full) {
      this.thrownAway += 1;
      return false;
    }
    if (up === 'hello' && this.#greeted) this.#end();
    if (up === 'hello') this.#greeted = true;
    const session = this.#session ?? this.#begin();
    this.#push(payload.length, () => this.#options.handlers.message(session, up, payload, false));
    return true;
  }

  /** The unit is gone, as its will or its last status says. Another worker may have been told before us: then there is nothing to end. */
  goodbye(payload: Buffer): void {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    session.closed = true;
    this.#push(payload.length, () => this.#options.handlers.message(session, 'status', payload, true));
    this.#leave(session);
  }

  /** Nothing of it is ours any more; resolves when nothing is under way. */
  async close(): Promise<void> {
    if (this.#session) this.#session.closed = true;
    this.#session = undefined;
    await this.#inbox.end();
    this.#options.weigh(-this.#outstanding);
    this.#outstanding = 0;
  }

  #begin(): ExternalSession {
    const session = new ExternalSession(this.#options.unit);
    this.#session = session;
    this.#told.add(session);
    this.#options.handlers.connected(session);
    return session;
  }

  #end(): void {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    session.closed = true;
    this.#leave(session);
  }

  #leave(session: ExternalSession): void {
    this.#greeted = false;
    this.#push(0, async () => {
      await this.#disconnect(session);
      if (!this.#session) this.#options.idle();
    });
  }

  async #disconnect(session: ExternalSession): Promise<void> {
    this.#told.delete(session);
    await this.#options.handlers.disconnected(session);
  }

  #push(bytes: number, run: () => Promise<void>): void {
    const weight = bytes + MESSAGE_WEIGHT;
    this.#outstanding += weight;
    this.#options.weigh(weight);
    this.#inbox.push(bytes, async () => {
      await run();
      this.#outstanding -= weight;
      this.#options.weigh(-weight);
    });
  }
}

/** One connection of one unit on the embedded broker: its inbox, and the way down to it. */
import type { Fault } from '@longroof/base/errors';
import type { AckMessage } from '@longroof/protocol/messages';
import { type Down, downTopic } from '@longroof/protocol/topics';
import type { Client } from 'aedes';
import type { Session } from './broker.js';
import type { GuardedStream } from './guarded-stream.js';
import { Inbox } from './inbox.js';
import type { Peer } from './tls.js';

export interface EmbeddedSessionOptions extends Peer {
  client: Client;
  stream: GuardedStream;
  pauseBytes: number;
  paused: () => void;
  ended: (session: Session) => Promise<void>;
}

export class EmbeddedSession implements Session {
  readonly unit: string;
  readonly journalKeySha256: string | undefined;
  readonly certificatePem: string | undefined;
  readonly certificateSerial: string | undefined;
  readonly inbox: Inbox;
  readonly #client: Client;
  readonly #stream: GuardedStream;

  constructor(options: EmbeddedSessionOptions) {
    this.unit = options.unit;
    this.journalKeySha256 = options.journalKeySha256;
    this.certificatePem = options.certificatePem;
    this.certificateSerial = options.certificateSerial;
    this.#client = options.client;
    this.#stream = options.stream;
    this.inbox = new Inbox({
      pauseBytes: options.pauseBytes,
      hold: () => {
        options.paused();
        this.#stream.hold();
      },
      release: () => this.#stream.release(),
      ended: () => options.ended(this),
    });
  }

  get closed(): boolean {
    return this.#client.closed;
  }

  publish(down: Down, payload: Buffer, qos: 0 | 1): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#client.publish({ cmd: 'publish', topic: downTopic(this.unit, down), payload, qos, retain: false, dup: false }, () => resolve());
    });
  }

  /** Tells the unit what was refused. `limit` comes from the fault's detail. */
  refuse(topic: string, fault: Fault): Promise<void> {
    const limit = fault.detail?.['limit'];
    const ack: AckMessage = {
      what: 'refused',
      topic: topic.slice(0, 200),
      code: fault.code,
      message: fault.message.slice(0, 400),
      ...(typeof limit === 'number' ? { limit } : {}),
    };
    return this.publish('ack', Buffer.from(JSON.stringify(ack)), 1);
  }

  close(): void {
    this.#client.close();
  }

  end(): Promise<void> {
    return this.inbox.end();
  }
}

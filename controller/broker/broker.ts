/**
 * The one way in which the centre meets units, whatever broker stands behind it. A session is one connection of one unit, proved by
 * its certificate; its messages come one at a time and in order, and a session that holds too much unread is not read from.
 */
import type { Fault } from '@longroof/base/errors';
import type { Down, Up } from '@longroof/protocol/topics';

export interface Session {
  readonly unit: string;
  /** Hex SHA-256 of the SPKI of the journal key that the unit's certificate binds. */
  readonly journalKeySha256: string | undefined;
  /** PEM, where the broker knows it, and its serial number, lower-case hex. */
  readonly certificatePem?: string | undefined;
  readonly certificateSerial?: string | undefined;
  /** True once the connection is gone; publishing then does nothing. */
  readonly closed: boolean;
}

export interface BrokerHandlers {
  /** Asked before a connection is taken, where the broker is ours: why not. */
  admit?(unit: string, certificateSerial: string | undefined): Fault | undefined;
  connected(session: Session): void;
  /** `last` is the will, delivered after the connection broke. The payload is a view that stays valid. A rejection is a bug. */
  message(session: Session, up: Up, payload: Uint8Array, last: boolean): Promise<void>;
  /** A chunk of a piece that is to be shown at once; handled before it returns. Left out: nobody is shown anything. */
  live?(unit: string, camera: string, payload: Uint8Array): void;
  /** After the last message of the session. */
  disconnected(session: Session): Promise<void>;
  /** Something was refused before it became a message. `unit` is empty where no certificate of the fleet names one. */
  refused(unit: string, fault: Fault): void;
}

export interface Broker {
  /** Resolves when units can connect; a broker that is not ours may still be away then, and is tried again. */
  start(handlers: BrokerHandlers): Promise<void>;
  /** The real port after start. */
  readonly port: number;
  /** Resolves when the bytes are with the connection, so that whoever answers is no faster than who listens. */
  publish(session: Session, down: Down, payload: Buffer, qos: 0 | 1): Promise<void>;
  /** To a unit that may be another worker's; resolves as `publish` does. Nothing where it is not to be reached. */
  tell(unit: string, down: Down, payload: Buffer, qos: 0 | 1): Promise<void>;
  /** Whether pieces of this unit's cameras are heard from now on, whoever holds its partition. */
  watch(unit: string, on: boolean): void;
  /** The live session of a unit. */
  session(unit: string): Session | undefined;
  kick(session: Session, why: Fault): void;
  stop(): Promise<void>;
  readonly counters: BrokerCounters;
}

/** A broker that several workers share: each hears only the partitions that it holds. */
export interface PartitionedBroker extends Broker {
  /** From now on, also through reconnects. */
  hold(parts: readonly string[]): void;
  /** Resolves when their sessions have ended and nothing of them is under way. */
  drop(parts: readonly string[]): Promise<void>;
  /** Whether messages come in now; why not. */
  readonly fault: Fault | undefined;
}

export interface BrokerCounters {
  connections: number;
  connectionsRefused: number;
  connected: number;
  /** Connections that wait to be let in. */
  waiting: number;
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  /** Times that a connection was not read from because of what it had outstanding. */
  pauses: number;
  /** Messages thrown away because their unit had more outstanding than any that keeps its window. */
  dropped: number;
}

export function newBrokerCounters(): BrokerCounters {
  return {
    connections: 0,
    connectionsRefused: 0,
    connected: 0,
    waiting: 0,
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    pauses: 0,
    dropped: 0,
  };
}

/** What the footage lane knows of one connection, and what of it goes next. */
import type { MonoMs, Timer } from '@longroof/base/clock';
import type { Flight } from './flight.js';
import type { Entry } from './fragment-queue.js';
import type { Line } from './link.js';
import type { MessagePool } from './message-pool.js';
import { goesBefore } from './priority.js';
import type { Window } from './window.js';

export interface Connection {
  line: Line;
  window: Window;
  messages: MessagePool;
  flights: Map<number, Flight>;
  /** Init segments that the controller has been given in this connection. */
  inits: Set<string>;
  handle: number;
  /** Disk work under way for its flights. */
  reads: number;
  heardMs: MonoMs;
  tick: Timer;
}

/** Handles that are open at the other side. */
export function openHandles(connection: Connection): number {
  let open = 0;
  for (const flight of connection.flights.values()) if (!flight.arrived) open += 1;
  return open;
}

/** By its receipt: others may go in its place while our disk still takes note that it is free. */
export function arrived(connection: Connection, entry: Entry, nowMs: MonoMs): void {
  const flight = flightOf(connection, entry);
  const sentAtMs = flight?.acknowledge(flight.total, nowMs, 'receipt');
  if (sentAtMs !== undefined) connection.window.acknowledged(sentAtMs, nowMs, 'receipt');
}

/** The best of what is under way and may go, in order of opening; the others let go of their bytes. */
export function nextToSend(connection: Connection, nowMs: MonoMs, mayGo: (entry: Entry) => boolean): Flight | undefined {
  let best: Flight | undefined;
  for (const flight of connection.flights.values()) {
    if (!flight.announced || flight.sent >= flight.total || flight.probeUntilMs > nowMs || !mayGo(flight.entry)) continue;
    if (!best || goesBefore(flight.entry.priority, best.entry.priority)) best = flight;
  }
  for (const flight of connection.flights.values()) if (flight !== best && flight.waits) flight.letGo();
  return best;
}

/** Its bytes are being read: what it goes before waits that long. */
export function isOpeningBetter(connection: Connection, flight: Flight): boolean {
  if (connection.reads === 0) return false;
  return [...connection.flights.values()].some((one) => !one.announced && goesBefore(one.entry.priority, flight.entry.priority));
}

export function flightOf(connection: Connection | undefined, entry: Entry): Flight | undefined {
  for (const flight of connection?.flights.values() ?? []) if (flight.entry === entry) return flight;
  return undefined;
}

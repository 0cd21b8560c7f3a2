/** What the footage lane knows of one connection, and what of it goes next. */
import type { MonoMs, Timer } from '@longroof/base/clock';
import type { Flight } from './flight.js';
import type { Entry } from './fragment-queue.js';
import type { Line } from './link.js';
import { goesBefore } from './priority.js';
import type { Window } from './window.js';

export interface Connection {
  line: Line;
  window: Window;
  flights: Map<number, Flight>;
  /** Init segments that the controller has been given in this connection. */
  inits: Set<string>;
  handle: number;
  /** Disk work under way for its flights. */
  reads: number;
  heardMs: MonoMs;
  tick: Timer;
}

/** The best of what is under way and may go, in order of opening; the others let go of their bytes. */
export function nextToSend(connection: Connection, nowMs: MonoMs, mayGo: (entry: Entry) => boolean): Flight | undefined {
  let best: Flight | undefined;
  for (const flight of connection.flights.values()) {
    if (!flight.announced || flight.sent >= flight.total || flight.probeUntilMs > nowMs || !mayGo(flight.entry)) continue;
    if (!best || goesBefore(flight.entry.priority, best.entry.priority)) best = flight;
  }
  for (const flight of connection.flights.values()) if (flight !== best && flight.waits) flight.bytes = undefined;
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

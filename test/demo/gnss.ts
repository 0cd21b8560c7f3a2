/** Feeds each wagon's gpsd with a receiver's sentences on the second, and the scenes with the way the wagon has gone. */
import dgram from 'node:dgram';
import { nmea, placeAt } from './drive.js';

export interface FeedTarget {
  wagon: number;
  unit: string;
  nmeaPort: number;
}

export class GnssFeed {
  readonly #targets: readonly FeedTarget[];
  readonly #tellScenes: (line: string) => void;
  readonly #socket = dgram.createSocket('udp4');
  #timer: NodeJS.Timeout | undefined;

  constructor(targets: readonly FeedTarget[], tellScenes: (line: string) => void) {
    this.#targets = targets;
    this.#tellScenes = tellScenes;
    // gpsd may be between two lives: a sentence that nobody took is as good as one not received.
    this.#socket.on('error', () => this.stop());
  }

  start(): void {
    this.#timer = setTimeout(() => this.#second(), 1000 - (Date.now() % 1000));
    this.#socket.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #second(): void {
    const utcMs = Math.round(Date.now() / 1000) * 1000;
    for (const { wagon, unit, nmeaPort } of this.#targets) {
      const place = placeAt(utcMs, wagon);
      this.#socket.send(nmea(utcMs, place), nmeaPort, '127.0.0.1');
      this.#tellScenes(JSON.stringify({ wagon: unit, metres: Math.round(place.metres * 10) / 10 }));
    }
    this.#timer = setTimeout(() => this.#second(), 1000 - (Date.now() % 1000) || 1000);
  }
}

/**
 * The key and the battery of each wagon of the demo, over the socket of its simulated board: the key follows the drive, the battery runs down
 * while it is parked, faster than life because its budget is small, and is charged while it drives. Each stop ends with a hard braking.
 */
import net from 'node:net';
import { boardLine, LineCutter, parseFromBoard, type ToBoard } from '@longroof/protocol/board';
import { placeAt } from './drive.js';

export interface BatteryTarget {
  wagon: number;
  socket: string;
}

/** In Wh: a stop of the demo's route uses it up. */
export const BUDGET_WH = 0.8;
const WATCH_W = 10;
const STANDBY_W = 3;
const FULL_V = 12.7;
const EMPTY_V = 12.0;
const ALTERNATOR_V = 14.2;
const BRAKING_MPS2 = 6.2;
const RETRY_MS = 1000;

class Wagon {
  readonly #target: BatteryTarget;
  #socket: net.Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #records = true;
  #usedWh = 0;
  #wasMoving = false;

  constructor(target: BatteryTarget) {
    this.#target = target;
    this.#connect();
  }

  second(utcMs: number): void {
    const isMoving = placeAt(utcMs, this.#target.wagon).speedMps > 0;
    // Watts differ a little from second to second, as real ones do.
    const drawW = (this.#records ? WATCH_W : STANDBY_W) * (0.95 + Math.abs(Math.sin(utcMs)) * 0.1);
    this.#usedWh = isMoving ? Math.max(0, this.#usedWh - 45 / 3600) : this.#usedWh + drawW / 3600;
    const restV = FULL_V - (FULL_V - EMPTY_V) * Math.min(1, this.#usedWh / BUDGET_WH);
    this.#say({ type: 'sim', set: 'ignition', on: isMoving });
    this.#say({ type: 'sim', set: 'supply', value: isMoving ? ALTERNATOR_V : restV });
    this.#say({ type: 'sim', set: 'draw', value: drawW });
    if (this.#wasMoving && placeAt(utcMs + 1000, this.#target.wagon).speedMps === 0 && isMoving)
      this.#say({ type: 'sim', set: 'braking', value: BRAKING_MPS2 });
    this.#wasMoving = isMoving;
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#socket?.removeAllListeners('close').destroy();
  }

  #connect(): void {
    const cutter = new LineCutter();
    const socket = net.connect(this.#target.socket);
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      for (const line of cutter.cut(text)) {
        const message = parseFromBoard(line);
        if (message?.type === 'state') this.#records = message.record;
      }
    });
    // Its end is told by `close`; a board that is started again is found again.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
    });
  }

  #say(message: ToBoard): void {
    if (this.#socket?.readyState === 'open') this.#socket.write(boardLine(message));
  }
}

export class BatteryFeed {
  readonly #wagons: Wagon[];
  readonly #timer: NodeJS.Timeout;

  constructor(targets: readonly BatteryTarget[]) {
    this.#wagons = targets.map((target) => new Wagon(target));
    this.#timer = setInterval(() => {
      for (const wagon of this.#wagons) wagon.second(Date.now());
    }, 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const wagon of this.#wagons) wagon.stop();
  }
}

/** Puts the board service together: board by its name, service, socket. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { BOARD_EVENTS, type BoardEvent, SIM_VALUES, type ToBoard } from '@longroof/protocol/board';
import type { Board } from './board.js';
import type { BoardConfig } from './config.js';
import { GpioBoard } from './gpio-board.js';
import { onoffLines } from './gpio-line.js';
import { bootId } from './memory.js';
import { BoardService } from './service.js';
import { SimBoard } from './sim-board.js';
import { BoardSocket, isListening } from './socket.js';

export interface RunningBoard {
  stop(): Promise<void>;
}

/** Where it is not given: about 0.45 g, which tyres give on a dry road and nobody gives without need. */
const BRAKING_MPS2 = 4.5;
const POWER_OFF_MS = 30_000;
/** While the system starts, udev hands the rights to the lines over some time after the service has begun. */
const RIGHTS_MS = 20_000;
const RIGHTS_EVERY_MS = 250;

async function openBoard(config: BoardConfig, disk: Disk, clock: Clock): Promise<Board> {
  const { name, profile, accelerometer } = config;
  if (!profile) return new SimBoard();
  const openLine = await onoffLines();
  return withRights(clock, () => new GpioBoard({ name, profile, disk, clock, openLine, accelerometer }));
}

/** Tries again while a line may not be had; throws its LR_BOARD_GPIO when the time is up. */
export async function withRights<T>(clock: Clock, open: () => T): Promise<T> {
  const endMonoMs = clock.mono() + RIGHTS_MS;
  for (;;) {
    try {
      return open();
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'LR_BOARD_GPIO' || clock.mono() >= endMonoMs) throw error;
    }
    await clock.sleep(RIGHTS_EVERY_MS);
  }
}

function powerOff(words: readonly string[]): Promise<void> {
  const [command, ...args] = words;
  if (command === undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: POWER_OFF_MS }, (error) => {
      if (error) reject(new Fault('unavailable', 'LR_BOARD_OFF', `${words.join(' ')}: ${error.message}`));
      else resolve();
    });
  });
}

/** Orders to the simulated board; refused on any other. */
function simulate(board: Board, message: ToBoard & { type: 'sim' }): void {
  if (!(board instanceof SimBoard)) throw new Fault('conflict', 'LR_BOARD_NOT_SIM', `the board is ${board.name}, not the simulated one`);
  if ('on' in message) board.input(message.set, message.on);
  else board.sensor(message.set, message.value);
}

export async function runBoard(config: BoardConfig, clock: Clock, disk: Disk, log: Log): Promise<RunningBoard> {
  if (await isListening(config.socket)) throw new Fault('conflict', 'LR_BOARD_SOCKET', `${config.socket}: another service listens there`);
  for (const folder of [path.dirname(config.socket), path.dirname(config.memory)]) disk.makeDirectory(folder);
  if (disk.list(path.dirname(config.socket)).includes(path.basename(config.socket))) disk.remove(config.socket);
  const board = await openBoard(config, disk, clock);
  let socket: BoardSocket | undefined;
  const service = new BoardService({
    board,
    policy: config.policy,
    scheduleMs: config.scheduleMs,
    memoryFile: config.memory,
    boot: bootId(disk),
    brakingMps2: config.accelerometer?.brakingMps2 ?? BRAKING_MPS2,
    clock,
    disk,
    log,
    tell: (message) => socket?.tell(message),
    powerOff: () => powerOff(config.powerOff),
  });
  const handlers = {
    greet: () => [service.state(), service.openFlush()],
    take: (message: ToBoard, isRecorder: boolean): void => {
      if (message.type === 'sim') simulate(board, message);
      if ((message.type === 'flushed' || message.type === 'recording') && !isRecorder)
        throw new Fault('denied', 'LR_BOARD_ROLE', 'only the recorder says so');
      if (message.type === 'flushed') service.flushed(message.id, message.tookMs);
      if (message.type === 'recording') service.recording(message.cameras);
    },
  };
  service.start();
  socket = new BoardSocket(config.socket, handlers, log);
  await socket.listen();
  return {
    async stop() {
      service.stop();
      await socket?.close();
    },
  };
}

/** `ignition off`, `supply 12.1` as a message; throws LR_USAGE. */
export function simOrder(name: string, value: string): ToBoard {
  const event = BOARD_EVENTS.find((one) => one === name);
  if (event && (value === 'on' || value === 'off')) return { type: 'sim', set: event satisfies BoardEvent, on: value === 'on' };
  const sensor = SIM_VALUES.find((one) => one === name);
  if (sensor && value.trim() !== '' && Number.isFinite(Number(value))) return { type: 'sim', set: sensor, value: Number(value) };
  throw new Fault('invalid', 'LR_USAGE', `${name} ${value}: ${BOARD_EVENTS.join(', ')} on|off, or ${SIM_VALUES.join(', ')} with a number`);
}

import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { type Disk, systemDisk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import {
  BOARD_LINE_BYTES_MAX,
  type BoardState,
  boardLine,
  type FromBoard,
  LineCutter,
  parseFromBoard,
  parseToBoard,
  type ToBoard,
} from '@longroof/protocol/board';
import t from 'tap';
import { DEFAULT_POLICY } from '../power/policy.js';
import { visit } from './client.js';
import { BoardService } from './service.js';
import { SimBoard } from './sim-board.js';
import { BoardSocket, CONNECTIONS_MAX } from './socket.js';

const HOUR = 3_600_000;
const POLICY = { ...DEFAULT_POLICY, shed: [{ usedWh: 5, belowV: 0, proxies: true, cameras: [] }] };

interface Bench {
  board: SimBoard;
  clock: SimClock;
  service: BoardService;
  told: FromBoard[];
  offs: string[];
  state(): BoardState;
}

function bench(memoryFile: string, disk: Disk = systemDisk, boot = 'a', clock = new SimClock()): Bench {
  const board = new SimBoard();
  const told: FromBoard[] = [];
  const offs: string[] = [];
  const service = new BoardService({
    board,
    policy: POLICY,
    scheduleMs: [],
    memoryFile,
    boot,
    clock,
    disk,
    log: silentLog,
    tell: (message) => told.push(message),
    powerOff: async () => void offs.push(service.state().reason),
  });
  service.start();
  return { board, clock, service, told, offs, state: () => service.state() };
}

t.test('parked on a weak battery: event, shed, flush, off; and nothing is forgotten', async (t) => {
  const file = path.join(t.testdir(), 'power.json');
  const one = bench(file);
  t.match(one.state(), { mode: 'driving', record: true, inputs: { ignition: true } });
  one.service.recording(4);
  one.board.input('ignition', false);
  await one.clock.advance(2000);
  t.match(
    one.told.find((message) => message.type === 'event'),
    { event: 'ignition', on: false },
  );
  t.match(one.state(), { mode: 'parked-watch', reason: 'ignition-off' });
  await one.clock.advance(HOUR * 0.6);
  t.match(one.state(), { shed: { proxies: true } });
  t.match(
    one.state().sentence,
    /^Parked watch for 36 min because the ignition was switched off, 12\.6 V, 6\.0 of 30 Wh used, 1 of 1 steps of saving taken, \d+ ± \d+ camera-hours left\.$/,
  );
  one.board.sensor('supply', 11.5);
  await one.clock.advance(60_000);
  t.match(one.state(), { mode: 'shutdown', reason: 'battery-low', record: false });
  const flush = one.told.find((message) => message.type === 'flush');
  t.match(one.service.openFlush(), flush, 'who connects now is asked too');
  t.same([one.offs, one.board.outputs.get('camera-cut')], [[], false], 'cameras and computer stay until then');
  one.service.flushed(flush?.type === 'flush' ? flush.id : -1, 120);
  t.same([one.offs, one.board.outputs.get('camera-cut'), one.board.outputs.get('lamp')], [['battery-low'], true, false]);
  one.service.stop();

  const two = bench(file, systemDisk, 'b');
  two.board.input('ignition', false);
  await two.clock.advance(3000);
  t.ok(two.state().usedWh > 6, 'a reboot gives no new budget');
  two.service.stop();
});

t.test('without recorder and disk the battery is guarded all the same', async (t) => {
  const broken: Disk = {
    ...systemDisk,
    openAppend: () => {
      throw new Fault('read-only', 'LR_SYS_EROFS', 'read-only');
    },
  };
  const file = path.join(t.testdir(), 'power.json');
  fs.writeFileSync(file, '{"boot":');
  const { board, clock, service, offs, state } = bench(file, broken);
  t.match(state().sentence, /Its memory cannot be written/);
  board.input('power-good', false);
  await clock.advance(20);
  t.match(state(), { mode: 'shutdown', reason: 'supply-lost' });
  await clock.advance(DEFAULT_POLICY.holdUpMs + 1000);
  t.same(offs, ['supply-lost']);
  service.stop();
});

t.test('an unwired ignition is on: such a unit is powered by the key', async (t) => {
  const clock = new SimClock();
  const board = new SimBoard();
  board.levels = () => ({});
  const service = new BoardService({
    board,
    policy: POLICY,
    scheduleMs: [],
    memoryFile: path.join(t.testdir(), 'p.json'),
    boot: 'a',
    clock,
    disk: systemDisk,
    log: silentLog,
    tell: () => {},
    powerOff: async () => {},
  });
  service.start();
  await clock.advance(5000);
  t.match(service.state(), { mode: 'driving', inputs: {} });
  service.stop();
});

const STATE: BoardState = {
  type: 'state',
  mode: 'driving',
  reason: 'ignition-on',
  sentence: 'Driving.',
  sinceMonoMs: 1,
  record: true,
  shed: { proxies: false, cameras: ['rear'] },
  supplyV: 12.5,
  drawW: null,
  usedWh: 0,
  left: { hours: 1, cameraHours: 4, errorCameraHours: 1 },
  temperatureC: null,
  throttled: false,
  inputs: { ignition: true },
};

t.test('messages go through a line and back; rubbish is none', async (t) => {
  const up: FromBoard[] = [
    STATE,
    { type: 'event', event: 'panic', on: true, atMonoMs: 5 },
    { type: 'flush', id: 1, withinMs: 5000 },
    { type: 'done' },
    { type: 'refused', code: 'LR_X', message: 'x' },
  ];
  const down: ToBoard[] = [
    { type: 'hello', role: 'recorder' },
    { type: 'flushed', id: 1, tookMs: 20 },
    { type: 'recording', cameras: 4 },
    { type: 'sim', set: 'ignition', on: false },
    { type: 'sim', set: 'supply', value: 12 },
  ];
  for (const message of up) t.same(parseFromBoard(boardLine(message).trimEnd()), message);
  for (const message of down) t.same(parseToBoard(boardLine(message).trimEnd()), message);
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let n = fuzzCases(5000); n > 0; n--) {
    const bytes = Buffer.from(boardLine(random.pick<FromBoard | ToBoard>([...up, ...down])));
    for (let i = random.int(1, 5); i > 0; i--) bytes[random.int(0, bytes.length)] = random.int(0, 256);
    const line = bytes.toString('latin1');
    const state = parseFromBoard(line);
    if (state?.type === 'state' && !(Number.isFinite(state.usedWh) && Array.isArray(state.shed.cameras))) t.fail(line);
    parseToBoard(line);
  }
  const cutter = new LineCutter();
  t.same(cutter.cut(`a\n${'x'.repeat(BOARD_LINE_BYTES_MAX + 1)}`), ['a']);
  t.same(cutter.cut('still x\nb\nc'), ['b'], 'a line without end is dropped whole');
  t.same(cutter.cut('d\n'), ['cd']);
});

t.test('the socket answers each message, refuses what it should, and outlives whoever comes', async (t) => {
  // A short path: those of sockets have at most 107 bytes.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lr-'));
  t.teardown(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'board.sock');
  const taken: [ToBoard, boolean][] = [];
  const take = (message: ToBoard, isRecorder: boolean): void => {
    if (message.type === 'sim') throw new Fault('conflict', 'LR_BOARD_NOT_SIM', 'a real board');
    taken.push([message, isRecorder]);
  };
  const socket = new BoardSocket(file, { greet: () => [STATE, undefined], take }, silentLog);
  await socket.listen();
  t.match(await visit(systemClock, file), { sentence: 'Driving.' });
  await t.rejects(visit(systemClock, file, { type: 'sim', set: 'panic', on: true }), { code: 'LR_BOARD_NOT_SIM' });
  await t.rejects(visit(systemClock, `${file}.not`), { code: 'LR_BOARD_SOCKET' });
  await t.rejects(new BoardSocket(file, { greet: () => [], take }, silentLog).listen(), { code: 'LR_BOARD_SOCKET' });

  const client = net.connect(file);
  const lines: FromBoard[] = [];
  const cutter = new LineCutter();
  const heard = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (lines.length >= count && resolve());
      client.on('data', look);
      look();
    });
  client.on('data', (data) => lines.push(...cutter.cut(data.toString()).flatMap((line) => parseFromBoard(line) ?? [])));
  client.write(`nonsense\n${boardLine({ type: 'recording', cameras: 2 })}${boardLine({ type: 'hello', role: 'recorder' })}`);
  client.write(boardLine({ type: 'flushed', id: 3, tookMs: 9 }));
  await heard(5);
  t.match(lines, [{ type: 'state' }, { code: 'LR_BOARD_MESSAGE' }, { type: 'done' }, { type: 'done' }, { type: 'done' }]);
  t.match(
    taken.map(([message, isRecorder]) => `${message.type} ${isRecorder}`),
    ['recording false', 'hello true', 'flushed true'],
  );
  socket.tell({ type: 'flush', id: 4, withinMs: 1000 });
  await heard(6);
  t.match(lines.at(-1), { type: 'flush', id: 4 });

  const crowd = Array.from({ length: CONNECTIONS_MAX + 2 }, () => net.connect(file).on('error', () => {}));
  await t.rejects(visit(systemClock, file), { code: 'LR_BOARD_CONNECTIONS' }, 'so many and no more');
  for (const one of [...crowd, client]) one.destroy();
  await socket.close();
});

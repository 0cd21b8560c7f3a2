/** A short visit to the service, for the command line: hears the state, says at most one thing, and leaves. */
import net from 'node:net';
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { type BoardState, boardLine, type FromBoard, LineCutter, parseFromBoard, type ToBoard } from '@longroof/protocol/board';

const ANSWER_MS = 5000;

/** The state, or after `order` that it was done. Throws LR_BOARD_SOCKET where nobody answers, and the service's own refusal. */
export function visit(clock: Clock, path: string, order?: ToBoard): Promise<BoardState> {
  return new Promise((resolve, reject) => {
    const cutter = new LineCutter();
    const socket = net.connect(path);
    let state: BoardState | undefined;
    const end = (error?: Fault): void => {
      timer.cancel();
      socket.destroy();
      if (error) reject(error);
      else if (state) resolve(state);
    };
    const timer = clock.after(ANSWER_MS, () => end(new Fault('timeout', 'LR_BOARD_SOCKET', `${path}: no answer`)));
    const take = (message: FromBoard | undefined): void => {
      if (message?.type === 'refused') end(new Fault('conflict', message.code, message.message));
      if (message?.type === 'state') state ??= message;
      if ((message?.type === 'state' && !order) || message?.type === 'done') end();
    };
    socket.setEncoding('utf8');
    socket.on('connect', () => order && socket.write(boardLine(order)));
    socket.on('data', (text: string) => {
      for (const line of cutter.cut(text)) take(parseFromBoard(line));
    });
    socket.on('error', (error) =>
      end(new Fault('unavailable', 'LR_BOARD_SOCKET', `${path}: ${error.message}`, { hint: 'Is longroof-board running? See --socket.' })),
    );
    socket.on('close', () => end(new Fault('unavailable', 'LR_BOARD_SOCKET', `${path}: the service closed the connection`)));
  });
}

/**
 * The service's Unix socket: JSON lines to whoever connects. Bounded: so many connections, so long a line, so much unread; whoever
 * does not keep up is cut off and may come again. Only a connection that said `hello` as recorder answers flushes and tells what records.
 */
import net from 'node:net';
import { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { boardLine, type FromBoard, LineCutter, parseToBoard, type ToBoard } from '@longroof/protocol/board';

export const CONNECTIONS_MAX = 8;
const UNREAD_BYTES_MAX = 256 * 1024;

export interface SocketHandlers {
  /** What a new connection hears first. */
  greet: () => (FromBoard | undefined)[];
  /** What a recorder says, and orders to the simulated board; a Fault is answered as refused. */
  take: (message: ToBoard, isRecorder: boolean) => void;
}

export class BoardSocket {
  readonly #path: string;
  readonly #handlers: SocketHandlers;
  readonly #log: Log;
  readonly #connections = new Set<net.Socket>();
  readonly #server: net.Server;

  constructor(path: string, handlers: SocketHandlers, log: Log) {
    this.#path = path;
    this.#handlers = handlers;
    this.#log = log;
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  /** Throws `conflict` (LR_BOARD_SOCKET) when the path cannot be had. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(new Fault('conflict', 'LR_BOARD_SOCKET', `${this.#path}: ${error.message}`)));
      this.#server.listen(this.#path, resolve);
    });
  }

  tell(message: FromBoard): void {
    const line = boardLine(message);
    for (const socket of this.#connections) this.#send(socket, line);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#connections) socket.destroy();
    });
  }

  #send(socket: net.Socket, line: string): void {
    if (socket.writableLength > UNREAD_BYTES_MAX) socket.destroy();
    else socket.write(line);
  }

  #accept(socket: net.Socket): void {
    if (this.#connections.size >= CONNECTIONS_MAX) {
      socket.end(boardLine({ type: 'refused', code: 'LR_BOARD_CONNECTIONS', message: `more than ${CONNECTIONS_MAX} connections` }));
      return;
    }
    this.#connections.add(socket);
    const cutter = new LineCutter();
    const peer = { isRecorder: false };
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      for (const line of cutter.cut(text)) this.#line(socket, peer, line);
    });
    socket.on('error', (error) => this.#log.debug({ error: error.message }, 'a connection broke'));
    socket.on('close', () => this.#connections.delete(socket));
    for (const message of this.#handlers.greet()) if (message) this.#send(socket, boardLine(message));
  }

  #line(socket: net.Socket, peer: { isRecorder: boolean }, line: string): void {
    const message = parseToBoard(line);
    if (!message) {
      this.#send(socket, boardLine({ type: 'refused', code: 'LR_BOARD_MESSAGE', message: 'not a message' }));
      return;
    }
    if (message.type === 'hello') peer.isRecorder = true;
    try {
      this.#handlers.take(message, peer.isRecorder);
      this.#send(socket, boardLine({ type: 'done' }));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#send(socket, boardLine({ type: 'refused', code: error.code, message: error.message }));
    }
  }
}

/** Whether somebody listens there. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

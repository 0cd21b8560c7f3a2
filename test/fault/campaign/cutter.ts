/**
 * A link that can be cut: TCP through the loopback, bytes untouched. `reset` and `fin` end what is connected; `half-open` drops every
 * byte of it from then on while both ends still believe in it, also when one of them goes; `dark` does the same and swallows new
 * connections too, for a while; `stall` holds everything back and then lets it through late, in order.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export const CUTS = ['half-open', 'reset', 'dark', 'stall', 'fin'] as const;
export type Cut = (typeof CUTS)[number];

interface Pair {
  near: Socket;
  far: Socket | undefined;
  /** Nothing passes any more. */
  dead: boolean;
}

export class Cutter {
  readonly #target: () => number;
  readonly #pairs = new Set<Pair>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #all = new Set<Socket>();
  #server: Server | undefined;
  #dark = false;
  port = 0;

  constructor(target: () => number) {
    this.#target = target;
  }

  async listen(): Promise<void> {
    const server = createServer({ noDelay: true }, (near) => this.#connected(near));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = (server.address() as { port: number }).port;
  }

  get connections(): number {
    return [...this.#pairs].filter((pair) => !pair.dead).length;
  }

  /** `ms`: of `dark` and `stall`. How many connections it met. */
  cut(how: Cut, ms: number): number {
    const live = [...this.#pairs].filter((pair) => !pair.dead);
    for (const pair of live) {
      if (how === 'reset') for (const socket of ends(pair)) socket.resetAndDestroy();
      else if (how === 'fin') for (const socket of ends(pair)) socket.end();
      else if (how === 'stall') for (const socket of ends(pair)) socket.pause();
      else this.#kill(pair);
    }
    if (how === 'dark') this.#dark = true;
    if (how === 'stall' || how === 'dark') {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (how === 'dark') this.#dark = false;
        else for (const pair of live) for (const socket of ends(pair)) socket.resume();
      }, ms);
      this.#timers.add(timer);
    }
    return live.length;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const pair of this.#pairs) for (const socket of ends(pair)) socket.destroy();
    for (const socket of this.#all) socket.destroy();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
  }

  #connected(near: Socket): void {
    const pair: Pair = { near, far: undefined, dead: false };
    this.#pairs.add(pair);
    this.#all.add(near);
    near.once('close', () => this.#all.delete(near));
    near.on('error', () => this.#ended(pair, near));
    near.on('close', () => this.#ended(pair, near));
    if (this.#dark) {
      this.#kill(pair);
      return;
    }
    const far = connect({ port: this.#target(), host: '127.0.0.1', noDelay: true });
    pair.far = far;
    far.on('error', () => this.#ended(pair, far));
    far.on('close', () => this.#ended(pair, far));
    near.pipe(far);
    far.pipe(near);
  }

  /** What comes is thrown away; each end lives until it gives up by itself. */
  #kill(pair: Pair): void {
    pair.dead = true;
    for (const socket of ends(pair)) {
      socket.unpipe();
      socket.removeAllListeners('data');
      socket.on('data', () => undefined);
      socket.resume();
    }
  }

  #ended(pair: Pair, socket: Socket): void {
    socket.destroy();
    if (!pair.dead) for (const other of ends(pair)) other.destroy();
    if (ends(pair).every((one) => one.destroyed)) this.#pairs.delete(pair);
  }
}

function ends(pair: Pair): Socket[] {
  return pair.far ? [pair.near, pair.far] : [pair.near];
}

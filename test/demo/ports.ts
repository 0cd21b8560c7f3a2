/**
 * Free ports on loopback for the demo's parts: those of the last start where they are still free, so that nothing moves without need.
 * New ones lie below the range from which the system gives ports to connections, or one of those might take it before its owner does.
 */
import { randomInt } from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';

const PORT_MIN = 15_000;
const PORT_END = 32_000;
const TRIES_MAX = 1000;

/** Gives the port when it can be listened on, undefined when it is taken. */
export function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const { port: got } = server.address() as net.AddressInfo;
      server.close(() => resolve(got));
    });
  });
}

function tryUdpPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    socket.once('error', () => resolve(undefined));
    socket.bind(port, '127.0.0.1', () => {
      const got = socket.address().port;
      socket.close(() => resolve(got));
    });
  });
}

/** A port that is free now. */
export async function freePort(look = tryPort): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = await look(randomInt(PORT_MIN, PORT_END));
    if (port !== undefined) return port;
  }
  throw new Error(`no free port from ${PORT_MIN} to ${PORT_END}`);
}

/** `kind` of each name: what the port is for. Names keep their port from `before` where it is free. */
export async function choosePorts<N extends string>(
  names: readonly { name: N; kind: 'tcp' | 'udp' }[],
  before: Partial<Record<N, number>>,
): Promise<Record<N, number>> {
  const chosen = {} as Record<N, number>;
  const taken = new Set<number>();
  for (const { name, kind } of names) {
    const look = kind === 'tcp' ? tryPort : tryUdpPort;
    let port = before[name] === undefined ? undefined : await look(before[name]);
    while (port === undefined || taken.has(port)) port = await freePort(look);
    taken.add(port);
    chosen[name] = port;
  }
  return chosen;
}

/** Free ports on loopback for the demo's parts: those of the last start where they are still free, so that nothing moves without need. */
import dgram from 'node:dgram';
import net from 'node:net';

/** Whether `port` can be listened on; 0 asks for any. Gives the port, or undefined when it is taken. */
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
    while (port === undefined || taken.has(port)) port = await look(0);
    taken.add(port);
    chosen[name] = port;
  }
  return chosen;
}

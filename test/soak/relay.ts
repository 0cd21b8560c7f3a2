/** A TCP relay on the loopback that counts what passes: what a unit's link would be charged for, TLS included, without TCP/IP headers. */
import { connect, createServer, type Socket } from 'node:net';

export interface CountingRelay {
  port: number;
  counts(): { upBytes: number; downBytes: number; connections: number };
  close(): Promise<void>;
}

export async function startCountingRelay(targetPort: number): Promise<CountingRelay> {
  let upBytes = 0;
  let downBytes = 0;
  let connections = 0;
  const open = new Set<Socket>();
  const server = createServer((near) => {
    connections += 1;
    const far = connect(targetPort, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => {
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (chunk: Buffer) => {
      upBytes += chunk.length;
    });
    far.on('data', (chunk: Buffer) => {
      downBytes += chunk.length;
    });
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    counts: () => ({ upBytes, downBytes, connections }),
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

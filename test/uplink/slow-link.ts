/**
 * A TCP relay on the loopback that behaves like a thin link: bytes up pass at a fixed rate behind a queue like a modem's, and each
 * way takes a fixed delay. It reads no more than its queue holds, so the sender feels the link. `cut` drops all connections.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface SlowLink {
  port: number;
  upBytes(): number;
  cut(): void;
  close(): Promise<void>;
}

const TICK_MS = 5;
/** What a modem and a socket hold: enough to make a greedy sender wait for seconds. */
const QUEUE_BYTES = 1024 * 1024;

export async function startSlowLink(targetPort: number, options: { bytesPerS: number; delayMs: number }): Promise<SlowLink> {
  const { bytesPerS, delayMs } = options;
  let upBytes = 0;
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    const queue: Buffer[] = [];
    let queued = 0;
    let lastMs = performance.now();
    let allowed = 0;
    near.on('data', (chunk: Buffer) => {
      queue.push(chunk);
      queued += chunk.length;
      if (queued >= QUEUE_BYTES) near.pause();
    });
    far.on('data', (chunk: Buffer) => void setTimeout(() => near.writable && near.write(chunk), delayMs));
    const timer = setInterval(() => {
      const nowMs = performance.now();
      allowed = Math.min(allowed + ((nowMs - lastMs) * bytesPerS) / 1000, bytesPerS / 10);
      lastMs = nowMs;
      while (allowed >= 1 && queue.length > 0) {
        const first = queue[0] as Buffer;
        const part = first.subarray(0, Math.floor(allowed));
        if (part.length === first.length) queue.shift();
        else queue[0] = first.subarray(part.length);
        allowed -= part.length;
        queued -= part.length;
        upBytes += part.length;
        setTimeout(() => far.writable && far.write(part), delayMs);
      }
      if (queue.length === 0) allowed = Math.min(allowed, (TICK_MS * bytesPerS) / 1000);
      if (queued < QUEUE_BYTES) near.resume();
    }, TICK_MS);
    near.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the link has no port');
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: address.port,
    upBytes: () => upBytes,
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

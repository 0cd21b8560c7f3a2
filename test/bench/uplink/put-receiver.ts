/**
 * What the uplink is compared with: a bare HTTPS server that stores what is PUT, with the same care for the bytes (SHA-256, fdatasync,
 * rename) and nothing else: no broker, no database, no signed receipt. Both certificates are checked.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { serve } from './child.js';

export interface ReceiverStart {
  dir: string;
  keyPem: string;
  certificatePem: string;
  rootPem: string;
}

const WRITE_BYTES = 256 * 1024;

/** Writes together what has gathered while the write before it was under way. */
function writerTo(file: fs.promises.FileHandle): Writable {
  return new Writable({
    highWaterMark: WRITE_BYTES,
    write: (bytes: Buffer, _encoding, done) => void file.write(bytes).then(() => done(), done),
    writev: (items, done) => void file.writev(items.map(({ chunk }) => chunk as Buffer)).then(() => done(), done),
  });
}

async function store(request: IncomingMessage, dir: string): Promise<void> {
  const name = path.basename(request.url ?? '');
  const temporary = path.join(dir, `${name}.part`);
  const hash = createHash('sha256');
  const file = await fs.promises.open(temporary, 'wx');
  try {
    request.on('data', (bytes: Buffer) => void hash.update(bytes));
    await pipeline(request, writerTo(file));
    if (hash.digest('hex') !== request.headers['x-sha256']) throw new Error('the bytes are not those that were promised');
    await file.datasync();
  } finally {
    await file.close();
  }
  await fs.promises.rename(temporary, path.join(dir, name));
}

serve({
  async start({ dir, keyPem, certificatePem, rootPem }: ReceiverStart) {
    await fs.promises.mkdir(dir, { recursive: true });
    const tls = { key: keyPem, cert: certificatePem, ca: rootPem, requestCert: true, rejectUnauthorized: true, noDelay: true };
    const server = createServer(tls, (request, response) => {
      store(request, dir).then(
        () => response.writeHead(201).end(),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { port: (server.address() as AddressInfo).port };
  },
});

/** PUTs fragments out of the spool's reels over one kept-alive mutual TLS connection, one after another. Their bytes are not checked. */
import fs from 'node:fs';
import { Agent, request } from 'node:https';
import type { StoredFragment } from '@longroof/edge-agent/spool/spool';
import { serve } from './child.js';

export interface SenderPut {
  port: number;
  keyPem: string;
  certificatePem: string;
  rootPem: string;
  fragments: StoredFragment[];
}

async function put(fragment: StoredFragment, bytes: Buffer, agent: Agent, port: number): Promise<void> {
  const { seq, sha256 } = fragment.meta;
  const headers = { 'content-length': bytes.length, 'x-sha256': sha256 };
  await new Promise<void>((resolve, reject) => {
    const sent = request({ method: 'PUT', host: '127.0.0.1', port, path: `/${seq}`, headers, agent }, (response) => {
      response.resume();
      response.on('end', () => (response.statusCode === 201 ? resolve() : reject(new Error(`status ${response.statusCode}`))));
    });
    sent.on('error', reject);
    sent.end(bytes);
  });
}

serve({
  async put({ port, keyPem, certificatePem, rootPem, fragments }: SenderPut) {
    const agent = new Agent({ key: keyPem, cert: certificatePem, ca: rootPem, keepAlive: true, maxSockets: 1, noDelay: true });
    for (const fragment of fragments) {
      const file = await fs.promises.open(fragment.reelPath, 'r');
      const bytes = Buffer.allocUnsafe(fragment.meta.bytes);
      try {
        await file.read(bytes, 0, bytes.length, fragment.offset);
      } finally {
        await file.close();
      }
      await put(fragment, bytes, agent, port);
    }
    agent.destroy();
  },
});

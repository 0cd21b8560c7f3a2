/** Over a real TLS connection: the bytes and their order stay, long pieces are not gathered, short ones still are. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { openAuthority } from '@longroof/protocol/authority';
import t, { type Test } from 'tap';
import { writeLongAlone } from './long-writes.js';

const seed = testSeed();
t.comment(`seed ${seed}`);
const random = seededRandom(seed);
const LONG_BYTES = 64 * 1024;
// Each is some hundred kB over a socket.
const ROUNDS = Math.min(fuzzCases(20), 200);

interface Ends {
  client: TLSSocket;
  /** Lengths of what Node was given to gather, each time. */
  gathered: number[][];
  received: () => Buffer;
}

async function openEnds(t: Test): Promise<Ends> {
  const authority = await openAuthority(t.testdir(), systemDisk, systemClock.utc);
  const { keyPem, certificatePem } = await authority.issueServer(['127.0.0.1']);
  const parts: Buffer[] = [];
  const secureContext = createSecureContext({ key: keyPem, cert: certificatePem });
  const server = createServer((socket: Socket) => {
    new TLSSocket(socket, { isServer: true, secureContext }).on('data', (bytes: Buffer) => parts.push(bytes)).on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ca: authority.rootPem });
  t.teardown(() => {
    client.destroy();
    server.close();
  });
  const gathered: number[][] = [];
  const together = client._writev?.bind(client);
  client._writev = (pieces, done) => {
    gathered.push(pieces.map(({ chunk }) => (chunk as Buffer).length));
    together?.(pieces, done);
  };
  writeLongAlone(client);
  await once(client, 'secureConnect');
  return { client, gathered, received: () => Buffer.concat(parts) };
}

t.test('what is written arrives as it was written, and no long piece was gathered', async (t) => {
  const { client, gathered, received } = await openEnds(t);
  const sent: Buffer[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    client.cork();
    for (let left = random.int(1, 12); left > 0; left -= 1) {
      const length = random.next() < 0.3 ? random.int(LONG_BYTES, 2 * LONG_BYTES) : random.int(1, 200);
      const bytes = Buffer.alloc(length, random.int(0, 256));
      sent.push(bytes);
      client.write(bytes);
    }
    client.uncork();
    if (random.next() < 0.5) await new Promise((resolve) => client.write('', resolve));
  }
  const wanted = Buffer.concat(sent);
  await new Promise((resolve) => client.write('', resolve));
  while (received().length < wanted.length) await systemClock.sleep(5);
  t.ok(received().equals(wanted), `${wanted.length} bytes`);
  t.same(
    gathered.flat().filter((length) => length >= LONG_BYTES),
    [],
  );
  t.ok(
    gathered.some((lengths) => lengths.length > 2),
    'short ones go together',
  );
});

t.test('a write that fails is told once, and nothing is written after it', async (t) => {
  const { client } = await openEnds(t);
  const failed: Error[] = [];
  client.on('error', (error) => failed.push(error));
  client.cork();
  for (let i = 0; i < 4; i += 1) client.write(Buffer.alloc(LONG_BYTES));
  client.uncork();
  const writes = Array.from({ length: 3 }, () => new Promise<unknown>((resolve) => client.write(Buffer.alloc(10), resolve)));
  client.destroy(new Error('gone'));
  t.ok((await Promise.all(writes)).every((error) => error instanceof Error));
  t.match(failed, [{ message: 'gone' }]);
});

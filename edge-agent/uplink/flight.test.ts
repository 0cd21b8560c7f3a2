import { seededRandom, testSeed } from '@longroof/base/random';
import { CHUNK_HEADER_BYTES, CHUNK_PAYLOAD_BYTES_MAX, readChunk } from '@longroof/protocol/chunk';
import t from 'tap';
import { systemMemory } from '../capture/arena.js';
import type { StoredFragment } from '../spool/spool.js';
import { Flight } from './flight.js';
import type { Entry } from './fragment-queue.js';
import { MessagePool } from './message-pool.js';

const FULL = CHUNK_PAYLOAD_BYTES_MAX;
const seed = testSeed();
t.comment(`seed ${seed}`);
const random = seededRandom(seed);

async function flightOf(messages: MessagePool, chunks: number): Promise<{ flight: Flight; bytes: Buffer }> {
  const bytes = Buffer.from(Array.from({ length: chunks * FULL }, () => random.int(0, 256)));
  const fragment = { meta: { bytes: bytes.length } } as StoredFragment;
  const spool = { memory: systemMemory, read: async () => bytes };
  const flight = new Flight(1, { fragment, probe: false } as Entry, { spool, messages }, 0, 0);
  await flight.load();
  return { flight, bytes };
}

function next(flight: Flight): Buffer {
  return flight.nextChunk(FULL, 1) as Buffer;
}

t.test('a message serves again once its bytes have arrived, and carries the right ones', async (t) => {
  const messages = new MessagePool();
  const { flight, bytes } = await flightOf(messages, 4);
  const first = next(flight);
  const second = next(flight);
  t.not(second, first, 'not before');
  flight.acknowledge(FULL, 2, 'part');
  const third = next(flight);
  t.equal(third, first, 'the very same memory');
  const { offset, payload } = readChunk(third);
  t.equal(offset, 2 * FULL);
  t.ok(Buffer.from(payload).equals(bytes.subarray(2 * FULL, 3 * FULL)));
  t.ok(Buffer.from(readChunk(second).payload).equals(bytes.subarray(FULL, 2 * FULL)), 'one that is under way stays as it is');
});

t.test('what may still wait in the socket is not touched', async (t) => {
  const messages = new MessagePool();
  const { flight } = await flightOf(messages, 3);
  const sent = [next(flight), next(flight)];
  flight.acknowledge(flight.total, 2, 'receipt');
  const again = await flightOf(messages, 3);
  sent.push(next(again.flight));
  t.equal(new Set(sent).size, 3, 'a receipt says nothing of this connection');
  again.flight.rewind(0);
  sent.push(next(again.flight));
  again.flight.acknowledge(FULL, 3, 'part');
  sent.push(next(again.flight));
  t.equal(new Set(sent).size, 5, 'an acknowledgement may be of what went the first time');
});

t.test('at most 16 messages are kept, and none of another length', async (t) => {
  const messages = new MessagePool();
  const full = CHUNK_HEADER_BYTES + FULL;
  const given = new Set<Buffer>(Array.from({ length: 30 }, () => Buffer.alloc(full)));
  for (const message of given) messages.give(message);
  messages.give(Buffer.alloc(100));
  const taken = Array.from({ length: 30 }, () => messages.take(full)).filter((message) => given.has(message));
  t.equal(taken.length, 16);
  t.equal(messages.take(100).length, 100);
});

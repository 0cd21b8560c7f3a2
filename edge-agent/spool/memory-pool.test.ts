import { seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { MemoryPool } from './memory-pool.js';

const MB = 1024 * 1024;
const isShared = (memory: Uint8Array): boolean => memory.buffer instanceof SharedArrayBuffer;

t.test('what the worker has written out is the memory of the next fragment', async (t) => {
  const pool = new MemoryPool();
  const first = pool.allocate(MB);
  t.ok(isShared(first));
  const ids = pool.lend([Buffer.from('head'), first.subarray(0, 10), first.subarray(10, 20)]);
  t.equal(ids.length, 1, 'each piece once, and only what is shared');
  t.not(pool.allocate(MB).buffer, first.buffer, 'not while the worker has it');
  pool.returned(ids);
  pool.returned(ids);
  t.equal(pool.allocate(MB).buffer, first.buffer);
  t.not(pool.allocate(MB).buffer, first.buffer, 'told twice, given once');
});

t.test('beyond its bound, memory is ordinary; nothing in use is ever given twice', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const pool = new MemoryPool();
  const inUse = new Map<ArrayBufferLike, () => void>();
  let sharedBytesMost = 0;
  for (let step = 0; step < 5000; step++) {
    if (random.int(0, 99) < 55) {
      const bytes = random.int(1, 4 * MB);
      const memory = pool.allocate(bytes);
      if (memory.length < bytes || inUse.has(memory.buffer)) t.fail(`step ${step}: ${memory.length} of ${bytes} bytes, or in use already`);
      const goesToWorker = random.int(0, 1) === 0;
      const ids = goesToWorker ? pool.lend([memory]) : [];
      inUse.set(memory.buffer, () => (goesToWorker ? pool.returned(ids) : pool.give(memory)));
    } else {
      const [buffer, end] = [...inUse][random.int(0, Math.max(0, inUse.size - 1))] ?? [];
      end?.();
      if (buffer) inUse.delete(buffer);
    }
    const shared = [...inUse.keys()].filter((buffer) => buffer instanceof SharedArrayBuffer);
    sharedBytesMost = Math.max(
      sharedBytesMost,
      shared.reduce((sum, buffer) => sum + buffer.byteLength, 0),
    );
  }
  t.ok(sharedBytesMost <= 24 * MB, `${sharedBytesMost} shared bytes in use at most`);
});

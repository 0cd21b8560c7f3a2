import { seededRandom } from '@longroof/base/random';
import t from 'tap';
import { crashPoints, promisedAt, Replay } from './crash-points.js';
import type { Recording } from './recording.js';
import { BLOCK_BYTES, VolatileDisk, type Write } from './volatile-disk.js';

function block(at: number, value: number): Write {
  return { offset: at * BLOCK_BYTES, data: Buffer.alloc(BLOCK_BYTES, value) };
}

function blocks(image: Buffer): number[] {
  return Array.from({ length: image.length / BLOCK_BYTES }, (_, at) => image[at * BLOCK_BYTES] as number);
}

const mark = (added: string[], gone: string[]): Recording['marks'][number]['mark'] => ({
  added: added.map((key) => [key, `hash of ${key}`]),
  ...{ gone, records: [], utcMs: 1 },
});

const recording: Recording = {
  image: Buffer.alloc(4 * BLOCK_BYTES),
  entries: [block(0, 1), block(1, 1), 'flush', block(0, 2), block(2, 2), block(3, 2), 'flush'],
  marks: [
    { at: 3, mark: mark(['a', 'b'], []) },
    { at: 7, mark: mark(['c'], ['a']) },
  ],
};

t.test('every place is a crash point once, and what was flushed is never in doubt', async (t) => {
  const points = crashPoints(recording.entries, 20, 7);
  t.same(
    points.filter(({ seed }) => seed === 0).map(({ at }) => at),
    [0, 1, 2, 4, 5, 6, 7],
  );
  const replay = new Replay(recording);
  const seen = new Set<string>();
  for (const point of points) {
    const image = blocks(Buffer.from(replay.imageAt(point)));
    if (point.at >= 3) t.ok((image[0] as number) >= 1 && image[1] === 1, `entry ${point.at}`);
    if (point.at === 6) seen.add(image.join(''));
    if (point.at === 6 && point.seed === 0) t.same(image, [2, 1, 2, 2]);
  }
  t.ok(seen.has('1100') && seen.size > 4, 'all unflushed writes lost, and parts of them');
});

t.test('what a commit may let go of is not asked for while that commit may have been under way', async (t) => {
  t.equal(promisedAt(recording.marks, 2).any, false);
  t.same([...promisedAt(recording.marks, 3).fragments.keys()], ['b']);
  t.same([...promisedAt(recording.marks, 7).fragments.keys()], ['b', 'c']);
});

t.test('a disk keeps what was flushed, loses the rest, and answers nothing once the power is off', async (t) => {
  const disk = new VolatileDisk(Buffer.alloc(4 * BLOCK_BYTES));
  const write = (at: number, value: number, durable = false): void => disk.write(block(at, value).offset, block(at, value).data, durable);
  write(0, 1);
  disk.flush();
  write(1, 1, true);
  const dead = disk.dieAfter(2);
  write(0, 2);
  t.throws(() => write(2, 2), /power is off/);
  await dead;
  t.throws(() => disk.flush(), /power is off/);
  const { image, lostBytes } = disk.cut(seededRandom(3));
  const [first, second] = blocks(image);
  t.ok(first === 1 || first === 2);
  t.equal(second, 1, 'FUA');
  t.ok(lostBytes <= 2 * BLOCK_BYTES);
  t.same(blocks(disk.read(0, disk.sizeBytes)), blocks(image), 'it goes on from there');
  disk.lies = true;
  let lost = 0;
  for (let turn = 1; turn <= 20; turn++) {
    write(3, turn);
    disk.flush();
    if (blocks(disk.cut(seededRandom(turn)).image)[3] !== turn) lost += 1;
  }
  t.ok(lost > 0, 'a disk that lies forgets in spite of a flush');
});

import fs from 'node:fs';
import { seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { makeMedia, SMALL } from './media.js';

t.test('media that many ask for at once are one file: who reads it never finds another in its place', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  // A size of its own, so that nobody has made it yet.
  const recipe = { ...SMALL, seconds: 1, width: 64 + 2 * seededRandom(seed).int(0, 400), height: 64 + 2 * (process.pid % 200) };
  const seen = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const file = await makeMedia(recipe);
      return { file, inode: fs.statSync(file).ino };
    }),
  );
  const { file } = seen[0]!;
  t.teardown(() => fs.rmSync(file));
  t.same(new Set(seen.map(({ inode }) => inode)), new Set([fs.statSync(file).ino]));
});

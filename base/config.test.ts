import t from 'tap';
import * as c from './config.js';
import { Fault } from './errors.js';
import { fuzzCases, seededRandom, testSeed } from './random.js';

const check = c.object({
  unit: c.id(),
  quota: c.size(1e6, 1e15),
  wait: c.optional(c.duration(0, 1e9), 5000),
  cameras: c.list(c.object({ id: c.id(), url: c.url('rtsp'), audio: c.optional(c.flag(), false) }), 1, 3, 'cameras'),
});

function problem(source: string): string {
  try {
    c.parseConfig(source, '/etc/unit.yaml', check);
  } catch (error) {
    if (error instanceof Fault && error.code === 'LR_CONFIG') return error.message;
    throw error;
  }
  return 'accepted';
}

const GOOD = 'unit: w1\nquota: 2GB\ncameras:\n  - { id: a, url: "rtsp://u:secret@h/a" }\n';

t.test('a good file comes out whole, with defaults, frozen', async (t) => {
  const config = c.parseConfig(GOOD, 'unit.yaml', check);
  t.equal(config.quota, 2e9);
  t.equal(config.wait, 5000);
  t.equal(config.cameras[0]?.url.hostname, 'h');
  t.equal(config.cameras[0]?.audio, false);
  t.ok(Object.isFrozen(config.cameras));
});

t.test('every problem names file, key, value and what was expected; the nearest key is named; secrets are not', async (t) => {
  const text = problem('unti: w1\nquota: lots\ncameras:\n  - { id: A B, url: "http://user:hunter2@h/" }\n');
  for (const part of [
    '/etc/unit.yaml',
    'unti',
    'did you mean unit?',
    'quota: is "lots"',
    'such as 20GB',
    'cameras[0].id: is "A B"',
    'rtsp://',
  ])
    t.match(text, part);
  t.match(text, /unit: is nothing; expected this key is required/);
  t.notMatch(text, 'hunter2');
  const slipped = problem(`${GOOD}"rtsp://user:hunter2@h/": 1\n${'k'.repeat(60)}: 1\n`);
  t.match(slipped, /\*\*\*: is 1; expected no such key/);
  t.match(slipped, `${'k'.repeat(37)}...: is 1`);
  t.notMatch(slipped, 'hunter2');
  t.match(problem('- 1'), 'keys and values');
  t.match(problem('unit: [\n'), 'unit.yaml');
  t.match(problem(GOOD.replace('2GB', '1')), 'from 1000000');
  t.match(problem(`${GOOD}quota: 3GB\n`), /unique/i);
});

t.test('rubbish is refused with a coded error, never another', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const cases = fuzzCases(3000);
  let refused = 0;
  for (let i = 0; i < cases; i++) {
    const bytes = Buffer.from(GOOD);
    for (let n = random.int(1, 6); n > 0; n--) bytes[random.int(0, bytes.length)] = random.int(0, 128);
    const source = random.int(0, 3) === 0 ? random.bytes(random.int(0, 80)).toString('latin1') : bytes.toString('latin1');
    if (problem(source) !== 'accepted') refused += 1;
  }
  t.ok(refused > cases / 3, `${refused} of ${cases} refused`);
});

/** Messages that are almost right: one that is, changed in a few places of its tree, or its bytes cut and changed. */
import { gzipSync } from 'node:zlib';
import type { Random } from '@longroof/base/random';

type Tree = unknown;

/** What stands where something else should. */
function odd(random: Random): Tree {
  return random.pick<() => Tree>([
    () => null,
    () => random.pick([-1, 0, 1, 2 ** 31, 2 ** 53, -(2 ** 53), 1.5, 1e300]),
    () => random.pick(['', 'x', '0'.repeat(64), 'f'.repeat(32), '../../etc/passwd', 'a'.repeat(20_000), '\u0000', 'ü'.repeat(40)]),
    () => random.pick([true, false]),
    () => random.pick<Tree>([[], {}, [[]], [null], { length: 3 }]),
    () => deep(random.pick([10, 1000])),
    () => Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`k${n}`, n])),
    () => Array.from({ length: 3000 }, () => 0),
    () => JSON.parse('{"__proto__":{"admin":true},"constructor":1,"toString":2}') as Tree,
  ])();
}

function deep(levels: number): Tree {
  let tree: Tree = 0;
  for (let level = 0; level < levels; level += 1) tree = level % 2 ? [tree] : { a: tree };
  return tree;
}

/** Every place in a tree: its holder and the key there. */
function places(tree: Tree, found: { holder: Record<string, Tree>; key: string }[] = []): typeof found {
  if (typeof tree !== 'object' || tree === null) return found;
  for (const key of Object.keys(tree)) {
    found.push({ holder: tree as Record<string, Tree>, key });
    places((tree as Record<string, Tree>)[key], found);
  }
  return found;
}

/** A copy with one to three places changed, taken out, or doubled under another name. */
export function mutated<T>(value: T, random: Random): T {
  const copy = structuredClone(value);
  for (let times = random.int(1, 4); times > 0; times -= 1) {
    const all = places(copy);
    if (all.length === 0) break;
    const { holder, key } = random.pick(all);
    const how = random.int(0, 8);
    if (how === 0) delete holder[key];
    else if (how === 1) holder[`${key}2`] = holder[key];
    else holder[key] = odd(random);
  }
  return copy;
}

/** Its bytes cut short, one bit changed, or some of them in place of others. */
export function bent(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return copy;
  const at = random.int(0, copy.length);
  const how = random.int(0, 3);
  if (how === 0) return copy.subarray(0, at);
  if (how === 1) copy[at] = (copy[at] as number) ^ (1 << random.int(0, 8));
  else random.bytes(random.int(1, 20)).copy(copy, at);
  return copy;
}

/** JSON text that no serializer writes: nested beyond any stack, members without end, numbers beyond any range. */
export function monsters(): string[] {
  return [
    '['.repeat(60_000),
    `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
    `{${Array.from({ length: 8000 }, (_, n) => `"k${n}":0`).join(',')}}`,
    `{"handle":1e999,"meta":${'9'.repeat(5000)}}`,
    `{"unit":"wagon","unit":"other",${'"unit":1,'.repeat(500)}"epoch":0}`,
    '{"__proto__":null,"constructor":{"prototype":{"x":1}}}',
    `"${'\\ud800'.repeat(3000)}"`,
  ];
}

/** A batch that unpacks to far more than it says, and ones that are none. */
export function packedMonsters(): Buffer[] {
  return [gzipSync(Buffer.alloc(100 * 1024 * 1024, 0x20)), ...monsters().map((text) => gzipSync(text)), gzipSync('null')];
}

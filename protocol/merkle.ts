/** Merkle tree hash, audit path and its check: RFC 6962, 2.1. Leaves here are the fragments' SHA-256 (32 bytes each). */
import { sha256 } from '@longroof/base/canonical';
import { Fault } from '@longroof/base/errors';

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

function split(count: number): number {
  let k = 1;
  while (k * 2 < count) k *= 2;
  return k;
}

export function merkleRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256('');
  if (leaves.length === 1) return sha256(LEAF, leaves[0]!);
  const k = split(leaves.length);
  return sha256(NODE, merkleRoot(leaves.slice(0, k)), merkleRoot(leaves.slice(k)));
}

/**
 * The root of leaves that come one by one, in the memory of its height: roots of whole subtrees, the largest first, which join as in
 * a binary counter.
 */
export class MerkleFold {
  readonly #subtrees: { leaves: number; root: Buffer }[] = [];

  add(leaf: Uint8Array): void {
    let last = { leaves: 1, root: sha256(LEAF, leaf) };
    for (;;) {
      const before = this.#subtrees.at(-1);
      if (before?.leaves !== last.leaves) break;
      this.#subtrees.pop();
      last = { leaves: before.leaves * 2, root: sha256(NODE, before.root, last.root) };
    }
    this.#subtrees.push(last);
  }

  root(): Buffer {
    const roots = this.#subtrees.map((subtree) => subtree.root);
    let right = roots.pop();
    if (!right) return sha256('');
    for (const left of roots.reverse()) right = sha256(NODE, left, right);
    return right;
  }
}

/** The path from leaf `index` to the root, nearest sibling first. */
export function merklePath(leaves: readonly Uint8Array[], index: number): Buffer[] {
  if (index < 0 || index >= leaves.length) throw new Fault('internal', 'LR_ASSERT', `leaf ${index} of ${leaves.length}`);
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...merklePath(leaves.slice(0, k), index), merkleRoot(leaves.slice(k))]
    : [...merklePath(leaves.slice(k), index - k), merkleRoot(leaves.slice(0, k))];
}

/** The paths of all leaves, each hash made once. */
export function merklePaths(leaves: readonly Uint8Array[]): Buffer[][] {
  const paths: Buffer[][] = leaves.map(() => []);
  const walk = (from: number, to: number): Buffer => {
    if (to - from === 1) return sha256(LEAF, leaves[from]!);
    const middle = from + split(to - from);
    const left = walk(from, middle);
    const right = walk(middle, to);
    for (let index = from; index < to; index++) paths[index]!.push(index < middle ? right : left);
    return sha256(NODE, left, right);
  };
  if (leaves.length > 0) walk(0, leaves.length);
  return paths;
}

/** True when `leaf` stands at `index` of the `count` leaves under `root`. */
export function merkleVerify(leaf: Uint8Array, index: number, count: number, path: readonly Uint8Array[], root: Uint8Array): boolean {
  if (index < 0 || index >= count) return false;
  const walk = (at: number, size: number, steps: readonly Uint8Array[]): Buffer | undefined => {
    if (size === 1) return steps.length === 0 ? sha256(LEAF, leaf) : undefined;
    const sibling = steps.at(-1);
    if (!sibling) return undefined;
    const k = split(size);
    const below = at < k ? walk(at, k, steps.slice(0, -1)) : walk(at - k, size - k, steps.slice(0, -1));
    if (!below) return undefined;
    return at < k ? sha256(NODE, below, sibling) : sha256(NODE, sibling, below);
  };
  return walk(index, count, path)?.equals(root) ?? false;
}

/** Merkle tree hashes (RFC 6962, 2.1). Leaves are the SHA-256 of fragments, 32 bytes each. */
import { sha256 } from '@longroof/base/canonical';

const leafHash = (leaf: Uint8Array): Buffer => sha256(Buffer.of(0), leaf);
const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right);

/** The root over leaves in hex, hex. Whole subtrees are joined from below as they fill, and what is left over from the right. */
export function rootOf(leaves: readonly string[]): string {
  const heights: (Buffer | undefined)[] = [];
  for (const leaf of leaves) {
    let carried = leafHash(Buffer.from(leaf, 'hex'));
    let height = 0;
    for (let left = heights[height]; left !== undefined; left = heights[height]) {
      carried = nodeHash(left, carried);
      heights[height++] = undefined;
    }
    heights[height] = carried;
  }
  let root: Buffer | undefined;
  for (const left of heights) if (left) root = root ? nodeHash(left, root) : left;
  return (root ?? sha256('')).toString('hex');
}

/** Whether `leaf` is the `index`-th of `count` leaves under `root`: RFC 9162, 2.1.3.2, which describes the same tree from the leaf up. */
export function leadsTo(leaf: string, index: number, count: number, path: readonly string[], root: string): boolean {
  if (index < 0 || index >= count) return false;
  let fn = index;
  let sn = count - 1;
  let hash = leafHash(Buffer.from(leaf, 'hex'));
  for (const step of path) {
    if (sn === 0) return false;
    const other = Buffer.from(step, 'hex');
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(other, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else hash = nodeHash(hash, other);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && hash.toString('hex') === root;
}

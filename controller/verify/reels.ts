/** Reads `proof/reels.jsonl`: how fragments hang on the Merkle roots that catalogue records name. */
import { isCount, isHash, isName, isText, lines, parseCanonical } from './documents.js';
import { leadsTo, rootOf } from './merkle.js';
import { broken, type Source } from './source.js';

export interface Reel {
  epoch: string;
  camera: string;
  rendition: string;
  run: number;
  seqFirst: number;
  count: number;
  root: string;
  leaves: string[] | undefined;
  paths: Map<number, string[]>;
}

const LEAVES_MAX = 100_000;
const PATH_MAX = 32;
const bad = (why: string) => broken('LR_PROOF_REEL', `proof/reels.jsonl: ${why}`);

export function reelKey(reel: { epoch: string; camera: string; rendition: string; run: number; seqFirst: number }): string {
  return `${reel.epoch}/${reel.camera}.${reel.rendition}/${reel.run}/${reel.seqFirst}`;
}

/** Throws LR_PROOF_REEL, also where all leaves do not make the root. */
export function readReels(source: Source): Map<string, Reel> {
  const reels = new Map<string, Reel>();
  for (const line of lines(source, 'LR_PROOF_REEL')) {
    const m = parseCanonical(line, 'LR_PROOF_REEL', 'proof/reels.jsonl');
    const { leaves, paths } = m as { leaves?: unknown; paths?: unknown };
    const ok =
      isText(m['epoch']) &&
      isName(m['camera']) &&
      isText(m['rendition']) &&
      [m['run'], m['seqFirst'], m['count']].every(isCount) &&
      isHash(m['root']) &&
      (leaves === undefined || (Array.isArray(leaves) && leaves.length <= LEAVES_MAX && leaves.every(isHash))) &&
      (paths === undefined || (typeof paths === 'object' && paths !== null && Object.values(paths).every(isPath)));
    if (!ok) throw bad('a line has not the form of one');
    const reel: Reel = {
      ...(m as unknown as Reel),
      leaves: leaves as string[] | undefined,
      paths: new Map(Object.entries((paths ?? {}) as Record<string, string[]>).map(([seq, path]) => [Number(seq), path])),
    };
    if (reel.leaves && (reel.leaves.length !== reel.count || rootOf(reel.leaves) !== reel.root))
      throw bad(`the hashes of a reel of ${reel.camera} do not make its root`);
    reels.set(reelKey(reel), reel);
  }
  return reels;
}

function isPath(value: unknown): boolean {
  return Array.isArray(value) && value.length <= PATH_MAX && value.every(isHash);
}

/** True where the reel shows that this fragment is its own, undefined where it says nothing of it. Throws LR_PROOF_REEL where it does not fit. */
export function isIn(reel: Reel, seq: number, sha256: string): true | undefined {
  const index = seq - reel.seqFirst;
  const path = reel.paths.get(seq);
  if (!reel.leaves && !path) return undefined;
  const fits = reel.leaves ? reel.leaves[index] === sha256 : leadsTo(sha256, index, reel.count, path as string[], reel.root);
  if (!fits) throw bad(`fragment ${seq} of ${reel.camera} is not the one of its reel`);
  return true;
}

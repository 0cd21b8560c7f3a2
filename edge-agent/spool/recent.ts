/** The newest durable fragments of a stream, for whoever watches it: found by their numbers, never by wall time. */
import { type StreamName, streamText } from '@longroof/protocol/fragment';
import { reelPath } from './retention.js';
import { fragmentMeta } from './rows.js';
import type { StoredFragment } from './spool.js';
import type { CoreState } from './state.js';
import { WallIndex } from './wall-index.js';

/** More are not given at once. */
export const RECENT_MAX = 64;

/** Of this run, from `seqFirst` to `seqLast`; where these are more than RECENT_MAX, the last of them. */
export function recent(state: CoreState, name: StreamName, seqFirst: number, seqLast: number): StoredFragment[] {
  const { index, options, recovered } = state;
  const text = streamText(name);
  const stream = index.knownStreamId(text);
  if (stream === undefined) return [];
  const from = Math.max(seqFirst, seqLast - RECENT_MAX + 1);
  const wall = new WallIndex(index);
  const found: StoredFragment[] = [];
  for (const reel of index.reelsAcross(stream, recovered.identity.run, from, seqLast)) {
    const file = reelPath(options.path, text, reel);
    for (const row of index.fragments(reel)) {
      if (row.seq < from || row.seq > seqLast) continue;
      const meta = fragmentMeta(row, reel, options.unit, text, options.boot);
      found.push({ meta, wall: wall.ofFragment(row, reel), reelPath: file, offset: row.at, released: row.released !== 0 });
    }
  }
  return found;
}

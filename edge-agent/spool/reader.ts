/** Reads footage back, and finds the fragment that a receipt frees (S3). */

import { sha256Hex } from '@longroof/base/canonical';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { type FragmentMeta, streamText } from '@longroof/protocol/fragment';
import { reelPath } from './retention.js';
import type { StoredFragment } from './spool.js';
import type { CoreState } from './state.js';

/**
 * `moof` + `mdat`, at the start of `into` where that is given. Throws `corrupt` (LR_SPOOL_CORRUPT) where the bytes are not those of its hash,
 * `not-found` where the reel is gone.
 */
export function readFragment(disk: Disk, fragment: StoredFragment, into?: Buffer): Buffer {
  const fd = disk.openRead(fragment.reelPath);
  try {
    const bytes = disk.read(fd, fragment.offset, fragment.meta.bytes, into);
    if (bytes.length !== fragment.meta.bytes || sha256Hex(bytes) !== fragment.meta.sha256) {
      const { camera, run, seq } = fragment.meta;
      throw new Fault('corrupt', 'LR_SPOOL_CORRUPT', `fragment ${camera}/${run}/${seq}: its bytes are not what was recorded`, {
        detail: { reel: fragment.reelPath, offset: fragment.offset },
      });
    }
    return bytes;
  } finally {
    disk.close(fd);
  }
}

/** The init segment of that hash, from any reel that begins with it. */
export function readInit(state: CoreState, initSha256: string): Buffer | undefined {
  const reel = state.index.reelWithInit(Buffer.from(initSha256, 'hex'));
  const stream = reel && state.index.streams().find((row) => row.id === reel.stream);
  if (!reel || !stream) return undefined;
  const { disk } = state.options;
  const fd = disk.openRead(reelPath(state.options.path, stream.name, reel));
  try {
    const bytes = disk.read(fd, 0, reel.initBytes);
    return sha256Hex(bytes) === initSha256 ? bytes : undefined;
  } finally {
    disk.close(fd);
  }
}

export function release(
  state: CoreState,
  id: Pick<FragmentMeta, 'camera' | 'rendition' | 'run' | 'seq' | 'sha256'>,
  settled: (outcome: boolean | Fault) => void,
): void {
  const stream = state.index.knownStreamId(streamText(id));
  // A receipt names the epoch of the spool: what an earlier life of it recorded is released by none.
  const reel = stream === undefined ? undefined : state.index.reelOf(stream, state.recovered.identity.epoch, id.run, id.seq);
  const row = reel && state.index.fragment(reel, id.seq);
  if (!reel || row?.sha.toString('hex') !== id.sha256) settled(false);
  else if (row.released === state.storeOrdinal) settled(true);
  else state.releases.push({ fragment: row.id, reel: reel.id, settled });
}

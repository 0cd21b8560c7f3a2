/** A fragment's place in its reel (RFC 6962, 2.1.1), where the manifest gives it and the reel's catalogue record is here. */
import { Fault } from '@longroof/base/errors';
import { merkleVerify } from '@longroof/protocol/merkle';
import type { ManifestMessage } from '@longroof/protocol/messages';
import type { Db } from '../store/open.js';
import type { StreamBook } from './stream-book.js';

/** Throws `corrupt` (LR_FRAGMENT_PATH) when the path does not lead to the root that the journal tells of. */
export async function checkPath(streams: StreamBook, { meta, path, index, count }: ManifestMessage): Promise<void> {
  if (path === undefined || index === undefined || count === undefined) return;
  const reel = await streams.reel(meta, meta.seq - index);
  if (!reel) return;
  const steps = path.map((step) => Buffer.from(step, 'hex'));
  const leads = merkleVerify(Buffer.from(meta.sha256, 'hex'), index, count, steps, Buffer.from(reel.root, 'hex'));
  if (count !== reel.count || !leads)
    throw new Fault('corrupt', 'LR_FRAGMENT_PATH', "the fragment's path does not lead to the root of its reel");
}

/** `INDEX/COUNT/PATH`, or null where the manifest gives none. */
export function placeText({ path, index, count }: ManifestMessage): string | null {
  return path === undefined || index === undefined || count === undefined ? null : `${index}/${count}/${path.join('')}`;
}

/** Of a fragment that came before its reel was closed. Throws `corrupt` (LR_FRAGMENT_PATH). */
export async function learnPlace(db: Db, streams: StreamBook, manifest: ManifestMessage): Promise<void> {
  const { meta } = manifest;
  const place = placeText(manifest);
  if (place === null) return;
  await checkPath(streams, manifest);
  await db
    .updateTable('fragment')
    .set({ place })
    .where('unit', '=', meta.unit)
    .where('epoch', '=', meta.epoch)
    .where('camera', '=', meta.camera)
    .where('rendition', '=', meta.rendition)
    .where('run', '=', meta.run)
    .where('seq', '=', meta.seq)
    .execute();
}

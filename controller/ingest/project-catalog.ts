/** `catalog`: one closed reel on the wagon, dated as well as is known now. */
import { isWallClaim } from '@longroof/protocol/fragment';
import type { JournalRecord } from '@longroof/protocol/journal';
import { insertReels } from '../store/reels.js';
import { checkBody, isText, streamRules } from './body.js';
import type { Projected } from './project.js';
import { isCount, isHex64, isReal } from './read-message.js';
import { carried, NO_WALL } from './walls.js';

export async function projectCatalog(projected: Projected, record: JournalRecord): Promise<void> {
  const { body } = record as JournalRecord<'catalog'>;
  checkBody(record, [
    ...streamRules(body),
    ['run', isCount(body.run)],
    ['seqFirst', isCount(body.seqFirst)],
    ['count', isCount(body.count) && body.count > 0],
    ['startMonoMs', isReal(body.startMonoMs)],
    ['durationMs', isReal(body.durationMs) && body.durationMs >= 0],
    ['bytes', isCount(body.bytes)],
    ['root', isHex64(body.root)],
    ['initSha256', isHex64(body.initSha256)],
    ['codec', isText(body.codec, 128)],
    ['lostPackets', isCount(body.lostPackets)],
    ['startWall', body.startWall === undefined || isWallClaim(body.startWall)],
  ]);
  const { walls, unit, epoch } = projected;
  const boot = await walls.bootOf(body.run);
  const sameBoot = boot !== undefined && boot === (await walls.bootOf(record.run));
  const claim = body.startWall ?? (sameBoot ? carried(record.wall, record.monoMs, body.startMonoMs) : NO_WALL);
  // A copy keeps the claim of its originals, which may be of another boot.
  const keepsClaim = boot === undefined || body.rendition === 'derived';
  const wall = keepsClaim ? claim : await walls.best(boot, body.startMonoMs, claim);
  projected.reels.push({
    unit,
    epoch,
    camera: body.camera,
    rendition: body.rendition,
    run: body.run,
    seq_first: body.seqFirst,
    count: body.count,
    boot: boot ?? '',
    start_mono_ms: body.startMonoMs,
    start_utc_ms: wall.utcMs,
    end_utc_ms: wall.utcMs + body.durationMs,
    wall_source: wall.source,
    wall_error_ms: wall.errorMs,
    by_clock: wall === claim ? 0 : 1,
    bytes: body.bytes,
    root: body.root,
    init_sha256: body.initSha256,
    codec: body.codec,
    lost_packets: body.lostPackets,
    catalog_seq: record.seq,
    gone: null,
  });
}

export async function writeReels({ trx, reels }: Projected): Promise<void> {
  await insertReels(trx, reels);
}

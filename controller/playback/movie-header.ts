/**
 * The `moov` of a plain MP4 (ISO/IEC 14496-12, 8.2) from an init segment and the tables of its tracks. Sound that begins later than the
 * picture, or the other way round, keeps its place by an empty edit (8.6.6).
 */
import type { UtcMs } from '@longroof/base/clock';
import { box, fullBox, u32, u64 } from './box-writer.js';
import type { TrackInit } from './init-segment.js';
import type { SampleTable } from './sample-table.js';

/** Units of a second in `mvhd`, `tkhd` and edits. */
export const MOVIE_TIMESCALE = 90_000;
/** From 1904-01-01 to 1970-01-01. */
const MAC_EPOCH_S = 2_082_844_800;
const UNITY_MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);
const ENABLED_IN_MOVIE = 0x3;
/** Bytes of `tkhd` and `mdhd` in front of what follows the duration, by version. */
const TRACK_TAIL_AT: readonly number[] = [24, 36];
const MEDIA_TAIL_AT: readonly number[] = [20, 32];

export interface TrackPlan {
  init: TrackInit;
  table: SampleTable;
}

export const FILE_TYPE = box('ftyp', Buffer.from('isom', 'latin1'), u32(512), Buffer.from('isomiso2mp41', 'latin1'));

/** `base`: file offset of the payload, `fileBytes`: size of the whole file, `madeUtcMs`: wall time of the first frame. */
export function encodeMovie(plans: readonly TrackPlan[], base: number, fileBytes: number, madeUtcMs: UtcMs): Buffer {
  const made = Math.max(0, Math.floor(madeUtcMs / 1000)) + MAC_EPOCH_S;
  const duration = Math.max(0, ...plans.map((plan) => delayOf(plan) + movieTime(plan, plan.table.duration)));
  const nextTrack = Math.max(0, ...plans.map((plan) => plan.init.trackId)) + 1;
  const mvhd = fullBox(
    'mvhd',
    1,
    0,
    u64(made, made),
    u32(MOVIE_TIMESCALE),
    u64(duration),
    u32(0x10000, 0x01000000, 0, 0),
    UNITY_MATRIX,
    Buffer.alloc(24),
    u32(nextTrack),
  );
  return box('moov', mvhd, ...plans.map((plan) => encodeTrack(plan, made, base, fileBytes)));
}

function movieTime(plan: TrackPlan, time: number): number {
  return Math.round((time * MOVIE_TIMESCALE) / plan.init.timescale);
}

function delayOf(plan: TrackPlan): number {
  return movieTime(plan, plan.table.firstTime);
}

function encodeTrack(plan: TrackPlan, made: number, base: number, fileBytes: number): Buffer {
  const { init, table } = plan;
  const delay = delayOf(plan);
  const length = movieTime(plan, table.duration);
  const trackTail = init.trackHeader.subarray(TRACK_TAIL_AT[init.trackHeader[0] ?? 0]);
  const mediaTail = init.mediaHeader.subarray(MEDIA_TAIL_AT[init.mediaHeader[0] ?? 0]);
  const tkhd = fullBox('tkhd', 1, ENABLED_IN_MOVIE, u64(made, made), u32(init.trackId, 0), u64(delay + length), trackTail);
  const mdhd = fullBox('mdhd', 1, 0, u64(made, made), u32(init.timescale), u64(table.duration), mediaTail);
  const minf = box('minf', ...init.informationBoxes, table.encode(init.descriptionBox, base, fileBytes));
  return box('trak', tkhd, ...(delay > 0 ? [encodeDelay(delay, length)] : []), box('mdia', mdhd, init.handlerBox, minf));
}

function encodeDelay(delay: number, length: number): Buffer {
  const rate = u32(0x10000);
  return box('edts', fullBox('elst', 1, 0, u32(2), u64(delay), Buffer.alloc(8, 0xff), rate, u64(length), u64(0), rate));
}

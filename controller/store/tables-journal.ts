/**
 * Tables of the journals: all records in segments, those that are asked for by themselves once more, without their bytes, and the reels of
 * which they tell.
 */
import type { Rendition, WallSource } from '@longroof/protocol/fragment';
import type { Generated } from 'kysely';

/** Records that follow each other, of one life of a unit's spool; see `segment.ts`. */
export interface SegmentTable {
  unit: string;
  epoch: string;
  seq_first: number;
  seq_last: number;
  /** Hash of the last record. */
  head: string;
  packed: Uint8Array;
}

/** A record of a type that somebody asks for: `genesis`, `run`, `clock`, `done`, `checkpoint`. */
export interface NotedRecordTable {
  unit: string;
  epoch: string;
  type: string;
  seq: number;
  run: number;
  utc_ms: number;
  /** Empty for types whose body nobody asks for. */
  body_json: string;
  received_utc_ms: number;
}

/** A stream of one life of a unit's spool, by a short name. */
export interface StreamTable {
  id: Generated<number>;
  unit: string;
  epoch: string;
  camera: string;
  rendition: Rendition;
}

/** Init segments and codecs of reels, by a short name. */
export interface StreamInitTable {
  id: Generated<number>;
  sha256: string;
  codec: string;
}

/** What `reel` shows, as it is kept: one catalogue record of a unit. */
export interface CatalogTable {
  stream: number;
  run: number;
  seq_first: number;
  count: number;
  start_mono_ms: number;
  start_utc_ms: number;
  duration_ms: number;
  wall_source: WallSource;
  wall_error_ms: number;
  /** 1 where a clock record dates it, 0 where its own claim stands. */
  by_clock: number;
  bytes: number;
  lost_packets: number;
  root: Uint8Array;
  init: number;
  catalog_seq: number | null;
  gone: 'released' | 'expired' | 'lost' | null;
}

/** Tables of the journals: all records in segments, and those that are asked for by themselves once more, without their bytes. */

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

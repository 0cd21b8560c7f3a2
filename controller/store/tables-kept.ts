/** Tables of what is to be kept, of what is watched, and of what came back: events, holds, live looks, restores from a backup, and the footage that is lost. */
import type { Rendition } from '@longroof/protocol/fragment';
import type { MarkKind } from '@longroof/protocol/marks';

export interface HoldTable {
  id: string;
  unit: string;
  cameras_json: string;
  from_utc_ms: number;
  to_utc_ms: number;
  owner: string;
  review_utc_ms: number;
  /** Also copies and strips. */
  made: number;
  reason: string;
  person: string;
  /** queued: the unit has not answered; lifting: to be lifted when it is reached. */
  state: 'queued' | 'placed' | 'refused' | 'lifting' | 'lifted';
  /** On the unit's disk when it was placed. */
  bytes: number | null;
  problem: string | null;
  created_utc_ms: number;
  ended_utc_ms: number | null;
}

/** This store began with a backup of another. */
export interface RestoreTable {
  store_epoch: string;
  before_epoch: string;
  backup_utc_ms: number;
  restored_utc_ms: number;
  /** Of the backup's manifest. */
  manifest_sha256: string;
}

/** What a unit's journal says of a change of store; `epoch` is its spool's. */
export interface RestoreUnitTable {
  store_epoch: string;
  unit: string;
  epoch: string;
  changed_utc_ms: number;
  /** Fragments that were released before and still on its disk. */
  released: number;
  /** Null until all of them have been offered again. */
  offered_utc_ms: number | null;
  fragments: number | null;
  bytes: number | null;
  refused: number | null;
}

/** Fragments for which a receipt was given, that are not here, and that the wagon has disposed of: a run of them. */
export interface LostTable {
  unit: string;
  epoch: string;
  camera: string;
  rendition: Rendition;
  run: number;
  seq_first: number;
  seq_last: number;
  /** Null where only the sum of several pieces is known. */
  bytes: number | null;
  gone: 'released' | 'expired' | 'lost';
  noted_utc_ms: number;
  /** Of this store when it learnt of it. */
  store_epoch: string;
}

/** A camera that somebody watches now; gone when he does no more. Its beginning and end stand in the audit chain. */
export interface LiveTable {
  id: string;
  unit: string;
  camera: string;
  person: string;
  reason: string;
  begun_utc_ms: number;
  /** Whoever shows it moves this on; behind it the look is over. */
  until_utc_ms: number;
}

/** An event that protects footage. */
export interface EventTable {
  unit: string;
  epoch: string;
  /** Of its journal record. */
  seq: number;
  run: number;
  kind: MarkKind;
  at_mono_ms: number;
  at_utc_ms: number;
  wall_error_ms: number;
  /** 1 where a clock record dates it, 0 where its own claim stands. */
  by_clock: number;
  /** Of the ignition: switched on. */
  turned_on: number;
  value: number | null;
  /** The hold that protects it, if any. */
  hold: string | null;
}

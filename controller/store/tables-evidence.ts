/** Tables of what must be known afterwards: alarms, what contradicts a journal, countersigned checkpoints, configurations asked for. */

/** A unit's journal or lives that contradict each other. One row for as long as nobody has seen to it. */
export interface AlarmTable {
  id: string;
  unit: string;
  /** See docs/errors.md. */
  code: string;
  /** The life of the spool that it is about. */
  epoch: string;
  message: string;
  detail_json: string;
  first_utc_ms: number;
  last_utc_ms: number;
  /** Times that it was raised; once for each connection at most. */
  count: number;
  /** Null while it is open. */
  closed_utc_ms: number | null;
  closed_by: string | null;
  closed_reason: string | null;
}

/** A journal record that was refused because another one is stored at its place: the other side of a fork. */
export interface ContradictionTable {
  unit: string;
  epoch: string;
  seq: number;
  hash: string;
  text: string;
  received_utc_ms: number;
  /** 1: a checkpoint that the journal's own key signed stands behind it. */
  signed: number;
}

/** A unit's checkpoint, signed by the centre with the time at which it was durable here. */
export interface CountersignedTable {
  unit: string;
  epoch: string;
  /** Of the checkpoint record. */
  seq: number;
  /** `Signed<CheckpointReceipt>`, canonical JSON. */
  text: string;
  key_id: string;
}

/** Certificates of the centre that signed something which is kept. */
export interface SignerTable {
  key_id: string;
  certificate_pem: string;
}

export interface ConfigurationTable {
  id: string;
  unit: string;
  settings_json: string;
  reason: string;
  person: string;
  /** queued: the unit has not answered; replaced: another one was asked for before it did. */
  state: 'queued' | 'applied' | 'refused' | 'replaced';
  /** With `refused`. */
  code: string | null;
  message: string | null;
  created_utc_ms: number;
  answered_utc_ms: number | null;
}

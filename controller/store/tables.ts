/**
 * 6. The tables, as the query layer sees them: the portable subset of SQLite and PostgreSQL. Times are UTC milliseconds in plain
 * numbers, booleans 0 or 1, hashes lower-case hex, JSON text. A migration creates exactly these.
 */
import type { PullRendition, Rendition, WallSource } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { AlarmTable, ConfigurationTable, ContradictionTable, CountersignedTable, SignerTable } from './tables-evidence.js';
import type { CatalogTable, NotedRecordTable, SegmentTable, StreamInitTable, StreamTable } from './tables-journal.js';
import type { EventTable, HoldTable, LiveTable, LostTable, RestoreTable, RestoreUnitTable } from './tables-kept.js';

export interface UnitTable {
  unit: string;
  part: string;
  first_seen_utc_ms: number;
  last_seen_utc_ms: number;
  online: number;
  epoch: string | null;
  run: number | null;
  version: string | null;
  /** Last StatusMessage. */
  status_json: string | null;
  /** Generation of desired state last sent. */
  generation: number;
  /** Last known place, from the newest `track` record. */
  lat_deg: number | null;
  lon_deg: number | null;
  fix_utc_ms: number | null;
  /** The newest `power` record, and when it was written. */
  power_json: string | null;
  power_utc_ms: number | null;
}

export interface EpochTable {
  unit: string;
  epoch: string;
  journal_key_pem: string;
  next_seq: number;
  head: string;
  started_utc_ms: number;
  /** The certificate by which the unit came when this was first known here; it binds the journal's key. */
  unit_certificate_pem: string | null;
  /** Records below it stand in segments of many. */
  packed_next: number;
}

export interface RunTable {
  unit: string;
  epoch: string;
  run: number;
  boot: string;
}

export interface AnchorTable {
  unit: string;
  epoch: string;
  boot: string;
  at_mono_ms: number;
  offset_ms: number;
  source: WallSource;
  error_ms: number;
}

/** One closed reel on the wagon, from its catalogue record: a view of `catalog` and the names of its stream. */
export interface ReelTable {
  unit: string;
  epoch: string;
  camera: string;
  rendition: Rendition;
  run: number;
  seq_first: number;
  count: number;
  boot: string;
  start_mono_ms: number;
  start_utc_ms: number;
  end_utc_ms: number;
  wall_source: WallSource;
  wall_error_ms: number;
  bytes: number;
  root: string;
  init_sha256: string;
  codec: string;
  lost_packets: number;
  /** Its record in the journal. */
  catalog_seq: number | null;
  /** Null while it is on the wagon. */
  gone: 'released' | 'expired' | 'lost' | null;
}

export interface GapTable {
  unit: string;
  epoch: string;
  seq: number;
  camera: string;
  rendition: Rendition;
  run: number;
  from_utc_ms: number;
  to_utc_ms: number;
  cause: GapCause;
  detail: string | null;
  /** Its times as the unit gave them (`SaidGap`), so that a better clock can date it again. */
  said_json: string | null;
}

/** One fragment that is durable at the centre. */
export interface FragmentTable {
  unit: string;
  epoch: string;
  camera: string;
  rendition: Rendition;
  run: number;
  seq: number;
  sha256: string;
  init_sha256: string;
  bytes: number;
  start_mono_ms: number;
  start90k: number;
  duration90k: number;
  start_utc_ms: number;
  wall_source: WallSource;
  wall_error_ms: number;
  /** 1 where a clock record dates it, 0 where its own claim stands. */
  by_clock: number;
  independent: number;
  damaged: number;
  codec: string;
  meta_json: string;
  stored_utc_ms: number;
  /** Its place in its reel as the manifest gave it: `INDEX/COUNT/` and the hashes of its Merkle path, hex, one after the other. */
  place: string | null;
}

export interface InitTable {
  sha256: string;
  codec: string;
  base64: string;
}

export type PullState = 'queued' | 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
export interface PullTable {
  id: string;
  unit: string;
  cameras_json: string;
  rendition: PullRendition;
  from_utc_ms: number;
  to_utc_ms: number;
  reason: string;
  case_number: string | null;
  person: string;
  /** queued: not yet sent; waiting: sent or to be sent, the wagon is away; running: planned, bytes arrive. */
  state: PullState;
  /** What the unit said at its end; the pull is done once all that it named is here too. */
  final: 'complete' | 'partial' | null;
  /** Goes before those that are not. */
  urgent: number;
  /** With `cancelled`: the first desired state without it that was sent; null until then. */
  withdrawn_generation: number | null;
  /** Set with `failed`: the coded reason. */
  code: string | null;
  created_utc_ms: number;
  planned_utc_ms: number | null;
  ended_utc_ms: number | null;
  bytes_total: number | null;
  /** A copy of that rate was asked for. */
  rate_bps: number | null;
  /** DerivedBy, once the unit has said how it made its copies. */
  derived_json: string | null;
}
export interface PullPartTable {
  pull: string;
  ordinal: number;
  camera: string;
  rendition: Rendition;
  epoch: string;
  run: number;
  seq_first: number;
  seq_last: number;
  bytes: number;
  /** DerivedFrom[] of a part that is a copy. */
  from_json: string | null;
}
export interface PullMissingTable {
  pull: string;
  ordinal: number;
  camera: string;
  rendition: Rendition;
  from_utc_ms: number;
  to_utc_ms: number;
  cause: GapCause;
}

export interface PersonTable {
  name: string;
  password_hash: string;
  role: string;
  created_utc_ms: number;
}

/** A hash chain of its own: who looked at, asked for or changed what, and why. */
export interface AuditTable {
  seq: number;
  utc_ms: number;
  person: string;
  action: string;
  subject: string;
  reason: string | null;
  detail_json: string;
  prev: string;
  hash: string;
}

export interface RefusalTable {
  unit: string;
  code: string;
  count: number;
  last_utc_ms: number;
  last_message: string;
}

export interface SettingTable {
  key: string;
  value: string;
}

/** An ingest worker that is there: its beat rises while it lives. */
export interface IngestWorkerTable {
  worker: string;
  beat: number;
}

export interface PartitionLeaseTable {
  part: string;
  /** Empty where nobody holds it. */
  worker: string;
  /** Rises with each new holder. */
  term: number;
}

export interface RevocationTable {
  unit: string;
  /** Of the certificate, lower-case hex; empty: every certificate of the unit. */
  serial: string;
  revoked_utc_ms: number;
  reason: string;
}

export type { NotedRecordTable, SegmentTable } from './tables-journal.js';

export interface Tables {
  unit: UnitTable;
  epoch: EpochTable;
  segment: SegmentTable;
  noted_record: NotedRecordTable;
  run: RunTable;
  anchor: AnchorTable;
  stream: StreamTable;
  stream_init: StreamInitTable;
  catalog: CatalogTable;
  reel: ReelTable;
  gap: GapTable;
  event: EventTable;
  fragment: FragmentTable;
  init: InitTable;
  pull: PullTable;
  pull_part: PullPartTable;
  pull_missing: PullMissingTable;
  hold: HoldTable;
  live: LiveTable;
  restore: RestoreTable;
  restore_unit: RestoreUnitTable;
  lost: LostTable;
  alarm: AlarmTable;
  contradiction: ContradictionTable;
  countersigned: CountersignedTable;
  signer: SignerTable;
  configuration: ConfigurationTable;
  person: PersonTable;
  audit: AuditTable;
  refusal: RefusalTable;
  setting: SettingTable;
  ingest_worker: IngestWorkerTable;
  partition_lease: PartitionLeaseTable;
  revocation: RevocationTable;
}

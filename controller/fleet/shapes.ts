/** What the HTTP API says, member by member. Times are RFC 3339 UTC with milliseconds, sizes bytes. */

export interface SessionShape {
  user: string;
  role: string;
  expires: string;
}

export type CameraState = 'recording' | 'connecting' | 'refused' | 'stalled' | 'no-video' | 'disk' | 'stopped' | 'unknown';

export interface UnitShape {
  id: string;
  online: boolean;
  /**
   * `recording`: every camera records; `degraded`: some do; `not-recording`; `offline`; `standby`: it spares its battery, as it said, or has
   * just woken, and if its link rests too the time of its next contact is not over; `off`: it switches itself off, or said so before it was gone.
   */
  state: 'recording' | 'degraded' | 'not-recording' | 'offline' | 'standby' | 'off';
  lastSeen: string;
  version: string | null;
  epoch: string | null;
  cameras: { id: string; state: CameraState; code?: string; renditions: ('original' | 'proxy')[] }[];
  position: { latDeg: number; lonDeg: number; at: string } | null;
  /** What its board last said, and when; null where it has none. */
  power: {
    mode: 'driving' | 'parked-watch' | 'standby' | 'shutdown' | 'unknown';
    reason: string;
    /** State and reason in one sentence. */
    sentence: string;
    at: string;
    supplyV: number | null;
    /** On this battery, with one standard deviation. */
    left: { cameraHours: number; errorCameraHours: number } | null;
    /** When it can be reached next, where its link rests; null where it does not, or nobody knows. */
    nextContact: string | null;
    /** What it does not record to spare its battery: the sub-streams, whole cameras; null where it does not say. */
    shed: { proxies: boolean; cameras: string[] } | null;
  } | null;
  /** Bytes of its journal that the centre holds are whole up to here. */
  journal: { next: number; whole: boolean };
  refusals: { code: string; count: number; last: string; message: string }[];
  /** Those that nobody has seen to yet. */
  alarms: AlarmShape[];
  /** The last one asked for. */
  configuration: ConfigurationShape | null;
  /** By what it is connected, where it tells its links apart; as of its last status. */
  link?: LinkShape;
}

export interface LinkShape {
  interface: string | null;
  class: 'metered' | 'free';
  /** What metered links may take in a month, and have taken. */
  budget?: { from: string; until: string; bytes: number; spentBytes: number };
  /** Why footage that was asked for waits. */
  waits?: string;
  /** Urgent requests go all the same. */
  urgentGoes?: boolean;
}

/** Two wagons of one name, a disk set back, a journal that tells two stories. */
export interface AlarmShape {
  id: string;
  code: string;
  message: string;
  /** The life of the disk that it is about. */
  epoch: string;
  /** Connections that raised it. */
  count: number;
  first: string;
  last: string;
  closed?: { at: string; person: string; reason: string };
}

/** GET /api/units/ID/alarms -> { alarms: AlarmFactsShape[] }; POST /api/units/ID/alarms/ALARM/close */
export interface AlarmFactsShape extends AlarmShape {
  detail: Record<string, unknown>;
  /** Of a fork: the stored record in front of the first of `records`, from which that one may not follow. */
  before: string | null;
  /** Of a fork: journal records as they are stored, and what came later under their numbers. `signed`: by the journal's own key. */
  records: { seq: number; stored: string | null; other: string; received: string; signed: boolean }[];
}

/** POST /api/units/ID/configurations -> 201; GET -> { configurations: ConfigurationShape[] } newest first */
export interface ConfigurationShape {
  id: string;
  /** `queued`: the wagon has not answered; `replaced`: another one was asked for before it did. */
  state: 'queued' | 'applied' | 'refused' | 'replaced';
  settings: {
    cameras: Record<string, { record?: boolean; audio?: boolean; engine?: 'auto' | 'own' | 'ffmpeg'; stallMs?: number }>;
  };
  reason: string;
  person: string;
  asked: string;
  answered?: string;
  /** With `refused`. */
  problem?: { code: string; message: string };
}

/** GET /api/units -> { units: UnitShape[] } ; GET /api/units/ID -> UnitShape */

export type Where = 'wagon' | 'centre' | 'wagon-and-centre' | 'disposed' | 'lost';

export interface CoverageShape {
  unit: string;
  from: string;
  to: string;
  cameras: {
    camera: string;
    rendition: 'original' | 'proxy';
    footage: { from: string; to: string; where: Where; bytes: number; clock: { source: string; errorMs: number } }[];
    /** `cause` is one of protocol/gap.ts; `not-yet-reported` where the journal has not reached, `being-recorded` where the reel is open. */
    gaps: { from: string; to: string; cause: string; detail?: string }[];
  }[];
  /** Events that protect footage. `on`: of the ignition, that it was switched on. `value`: m/s2 of a braking, m/s of a speed. */
  events: {
    kind: 'bookmark' | 'panic' | 'tamper' | 'ignition' | 'braking' | 'speed';
    at: string;
    errorMs: number;
    on: boolean;
    value?: number;
    hold?: { id: string; state: HoldShape['state'] };
  }[];
}

/** POST /api/pulls -> 201 PullShape; GET /api/pulls -> { pulls: PullShape[] } newest first; GET /api/pulls/ID -> PullShape */
export interface PullShape {
  id: string;
  unitId: string;
  cameras: string[];
  from: string;
  to: string;
  quality: 'proxy' | 'original' | 'strip';
  /** A copy of this rate was asked for: `300k`. */
  rate?: string;
  /** Once planned: what comes home is not what the camera sent but a copy made on the wagon, and how it was made. */
  derived?: { rateBps: number; tool: string; heightMax: number; keyMs: number; audio: boolean };
  reason: string;
  caseNumber?: string;
  person: string;
  /** Goes before those that are not. */
  urgent: boolean;
  /** `cancelled`: called off by a person; what had arrived stays. */
  state: 'queued' | 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** With `waiting`: since when the wagon is away. */
  waitingSince?: string;
  /** With `waiting`, while the wagon is reached: why it sends nothing of it now, and until when at the latest where that is known. */
  waitingFor?: { code: string; until?: string };
  /** With `failed`. */
  problem?: { code: string; message: string };
  created: string;
  ended?: string;
  bytesDone: number;
  bytesTotal: number | null;
  /** While footage arrives: over the last half minute, and what is left at that rate. */
  bytesPerS?: number;
  secondsLeft?: number;
  /** Per camera, once planned. */
  parts: {
    camera: string;
    from: string;
    to: string;
    bytesDone: number;
    bytesTotal: number;
    codec: string | null;
    mp4Parts: number;
    /** Of a copy: the fragments that it was made from, with the Merkle root of their SHA-256. */
    madeFrom?: { rendition: 'proxy' | 'original'; run: number; seqFirst: number; seqLast: number; root: string }[];
  }[];
  missing: { camera: string; from: string; to: string; cause: string }[];
}

/** GET /api/holds -> { holds: HoldShape[] }; POST /api/holds -> 201 HoldShape; POST /api/holds/ID/lift -> HoldShape */
export interface HoldShape {
  id: string;
  unitId: string;
  cameras: string[];
  from: string;
  to: string;
  /** Who answers for it, and when it is looked at again. */
  owner: string;
  review: string;
  reviewDue: boolean;
  /** Also copies and strips that the wagon made. */
  made: boolean;
  reason: string;
  person: string;
  state: 'queued' | 'placed' | 'refused' | 'lifting' | 'lifted';
  /** On the wagon's disk when it was placed. */
  bytes: number | null;
  /** With `refused`. */
  problem?: string;
  created: string;
  ended?: string;
}

/** POST /api/units/ID/live -> 201 LiveShape; GET /api/live -> { looks: LiveShape[] } */
export interface LiveShape {
  id: string;
  unitId: string;
  camera: string;
  person: string;
  reason: string;
  begun: string;
  /** At the latest. */
  endsBy: string;
}

/** GET /api/pulls/ID/receipt, and `receipt` in the problem of a refused request: verifies offline, see docs/verification.md. */
export interface ReceiptShape {
  statement: Record<string, unknown>;
  keyId: string;
  signature: string;
  /** Of the key, PEM. */
  certificate: string;
}

/** RFC 9457 */
export interface ProblemShape {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  errors?: { path: string; message: string }[];
  /** For a request for footage that was refused. */
  receipt?: ReceiptShape;
}

/** GET /api/restores -> { restores: RestoreShape[] } newest first; known as far as the units' journals have come in. */
export interface RestoreShape {
  storeEpoch: string;
  /** Of the store that was backed up. */
  before: string;
  /** When the backup was made, and when it was restored. */
  backup: string;
  restored: string;
  units: {
    unitId: string;
    /** `awaited`: not heard since; `offering`: what it still has comes again; `offered`: all of it has been answered. */
    state: 'awaited' | 'offering' | 'offered';
    lastSeen: string;
    /** Fragments on its disk that had a receipt of the store before. */
    receipted?: number;
    offered?: string;
    stored?: number;
    storedBytes?: number;
    refused?: number;
  }[];
  lostPieces: number;
  lostFragments: number;
  /** Footage with a receipt of the store before that is neither here nor on the wagon; at most 1000 pieces are listed. */
  lost: {
    unitId: string;
    camera: string;
    /** `derived`: a copy, of which the original may still be on the wagon. */
    quality: 'original' | 'proxy' | 'derived' | 'strip';
    /** Null where the journal does not say when it was. */
    from: string | null;
    to: string | null;
    fragments: number;
    bytes: number | null;
    /** How the wagon let it go. */
    gone: 'released' | 'expired' | 'lost';
    epoch: string;
    run: number;
    seqFirst: number;
    seqLast: number;
  }[];
}

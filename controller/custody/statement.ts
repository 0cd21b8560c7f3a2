/** The documents of an export, `manifest.json` and `signature.json`, as docs/verification.md specifies them. */
import type { UtcMs } from '@longroof/base/clock';
import type { Rendition } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { ZipWritten } from './zip-writer.js';

export interface ExportManifest {
  what: 'longroof-manifest-1';
  unit: string;
  pull: {
    id: string;
    cameras: string[];
    rendition: Rendition;
    fromUtcMs: UtcMs;
    toUtcMs: UtcMs;
    person: string;
    reason: string;
    caseNumber: string | null;
    createdUtcMs: UtcMs;
    endedUtcMs: UtcMs | null;
    final: 'complete' | 'partial' | null;
    code: string | null;
  };
  export: { person: string; reason: string; utcMs: UtcMs; storeEpoch: string; version: string };
  /** Names in the zip of the root's certificate and of the one that signs the manifest. */
  root: string;
  signer: string;
  epochs: ExportEpoch[];
  footage: ExportFootage[];
  missing: { camera: string; rendition: Rendition; fromUtcMs: UtcMs; toUtcMs: UtcMs; cause: GapCause }[];
  /** Every other file of the zip but `signature.json`. */
  files: ZipWritten[];
}

export interface ExportEpoch {
  epoch: string;
  /** SPKI, PEM. */
  journalKey: string;
  /** Null where the centre does not have it. */
  certificate: string | null;
  /** When the centre first heard of it. */
  startedUtcMs: UtcMs;
  journal: { file: string; first: number; last: number; receivedUtcMs: UtcMs }[];
}

/** One MP4: the footage of one camera that shares an init segment. */
export interface ExportFootage {
  camera: string;
  rendition: Rendition;
  file: string;
  fragments: string;
  init: string;
  count: number;
  /** From the first to the last of it, by the records in the export. */
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
}

/** One line of `proof/reels.jsonl`: how fragments hang on the root in a catalogue record. Either all leaves or single paths. */
export interface ExportReel {
  epoch: string;
  camera: string;
  rendition: Rendition;
  run: number;
  seqFirst: number;
  count: number;
  root: string;
  leaves?: string[];
  /** By seq. */
  paths?: Record<string, string[]>;
}

/** What the signature in `signature.json` stands under. */
export interface ExportStatement {
  what: 'longroof-export-1';
  unit: string;
  pullId: string;
  person: string;
  utcMs: UtcMs;
  storeEpoch: string;
  manifestSha256: string;
}

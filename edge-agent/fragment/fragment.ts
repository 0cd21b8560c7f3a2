/** 2. What leaves the fragment builder for the spool. */
import type { FragmentMeta } from '@longroof/protocol/fragment';

/** A fragment whose hash is not yet known: the spool's worker computes it on its way to the disk. */
export type OpenFragmentMeta = Omit<FragmentMeta, 'unit' | 'epoch' | 'run' | 'seq' | 'boot' | 'sha256' | 'wall'>;

export interface InitSegment {
  /** `ftyp` + `moov`. */
  bytes: Uint8Array;
  sha256: string;
  codec: string;
}

export interface BuiltFragment {
  meta: OpenFragmentMeta;
  init: InitSegment;
  /** `moof` and the `mdat` header, then the payload views, in order. Their memory belongs to the receiver from now on. */
  parts: Uint8Array[];
}

export interface FragmentSink {
  /** False when it could not be queued: it is dropped, and the sink has noted why. */
  fragment(fragment: BuiltFragment): boolean;
}

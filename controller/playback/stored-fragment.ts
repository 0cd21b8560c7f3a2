/** One fragment of a pull at the centre, as playback needs it: where its bytes lie and when they were. */
import type { UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { readBoxHeader } from '@longroof/base/iso-box';
import type { Rendition } from '@longroof/protocol/fragment';
import { streamText } from '@longroof/protocol/fragment';
import { type BlobStore, fragmentKey } from '../store/blobs.js';

export interface StoredFragment {
  unit: string;
  epoch: string;
  camera: string;
  rendition: Rendition;
  run: number;
  seq: number;
  sha256: string;
  initSha256: string;
  /** `moof` + `mdat`. */
  bytes: number;
  start90k: number;
  duration90k: number;
  startUtcMs: UtcMs;
  /** Decoding can start with it. */
  independent: boolean;
  codec: string;
}

/** The front of a fragment's bytes. */
export interface FragmentHead {
  /** The whole `moof` box. */
  moof: Uint8Array;
  /** Where the payload of `mdat` begins; it reaches to the end. */
  payloadAt: number;
}

const HEAD_BYTES = 4096;
const MOOF_BYTES_MAX = 1024 * 1024;
const MDAT_HEADER_BYTES_MAX = 16;

export function blobKey(fragment: StoredFragment): string {
  const { unit, epoch, run, seq, sha256 } = fragment;
  return fragmentKey({ unit, epoch, stream: streamText(fragment), run, seq, sha256 });
}

/** Bytes of a fragment; throws `corrupt` (LR_BLOB_MISSING) where the store lost or shortened them. */
export async function readFragment(blobs: BlobStore, fragment: StoredFragment, from: number, toExclusive: number): Promise<Buffer> {
  const bytes = await blobs.read(blobKey(fragment), from, toExclusive);
  if (bytes?.length !== toExclusive - from)
    throw new Fault('corrupt', 'LR_BLOB_MISSING', `bytes of a stored fragment are not there: ${blobKey(fragment)}`);
  return bytes;
}

export async function readHead(blobs: BlobStore, fragment: StoredFragment): Promise<FragmentHead> {
  let front = await readFragment(blobs, fragment, 0, Math.min(HEAD_BYTES, fragment.bytes));
  const moof = readBoxHeader(front, 0);
  if (moof?.type !== 'moof' || moof.bytes > MOOF_BYTES_MAX || moof.bytes >= fragment.bytes)
    throw notAFragment(fragment, 'no moof in front');
  const headEnd = Math.min(fragment.bytes, moof.bytes + MDAT_HEADER_BYTES_MAX);
  if (headEnd > front.length) front = await readFragment(blobs, fragment, 0, headEnd);
  const mdat = readBoxHeader(front, moof.bytes);
  const reachesEnd = mdat?.type === 'mdat' && (mdat.bytes === 0 || moof.bytes + mdat.bytes === fragment.bytes);
  if (!mdat || !reachesEnd) throw notAFragment(fragment, 'no mdat that reaches to the end');
  return { moof: front.subarray(0, moof.bytes), payloadAt: moof.bytes + mdat.headerBytes };
}

export function notAFragment(fragment: StoredFragment, why: string): Fault {
  return new Fault('corrupt', 'LR_STORED_FRAGMENT', `${blobKey(fragment)}: ${why}`);
}

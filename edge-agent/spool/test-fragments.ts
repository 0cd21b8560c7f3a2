/** Fragments of random payload for tests: real boxes around bytes that no decoder would take. */
import { createHash } from 'node:crypto';
import type { Random } from '@longroof/base/random';
import type { StreamName } from '@longroof/protocol/fragment';
import type { BuiltFragment, InitSegment } from '../fragment/fragment.js';

function box(type: string, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + payload.length);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(payload, 8);
  return bytes;
}

export function testInit(variant = 0): InitSegment {
  const bytes = Buffer.concat([box('ftyp', Buffer.from('iso6\0\0\0\0iso6')), box('moov', Buffer.alloc(100, variant))]);
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex'), codec: 'avc1.64001f' };
}

export interface TestFragmentOptions {
  startMonoMs: number;
  durationMs?: number;
  payloadBytes?: number;
  init?: InitSegment;
  /** Payload of zeros: quick to make. */
  zeros?: boolean;
  /** The start by the camera's clock; that of `startMonoMs` where left out. */
  start90k?: number;
  independent?: boolean;
  lostPackets?: number;
}

/** A fragment of `durationMs` (1000) with random payload in two parts. */
export function testFragment(random: Random, stream: StreamName, options: TestFragmentOptions): BuiltFragment {
  const {
    startMonoMs,
    durationMs = 1000,
    payloadBytes = 400,
    init = testInit(),
    zeros = false,
    independent = true,
    lostPackets = 0,
  } = options;
  const start90k = options.start90k ?? Math.max(0, Math.round(startMonoMs * 90));
  const payload = Buffer.allocUnsafeSlow(payloadBytes);
  if (zeros) payload.fill(0);
  else for (let at = 0; at + 4 <= payloadBytes; at += 4) payload.writeUInt32BE(random.int(0, 2 ** 32), at);
  const mdatHeader = Buffer.alloc(8);
  mdatHeader.writeUInt32BE(8 + payloadBytes, 0);
  mdatHeader.write('mdat', 4, 'latin1');
  const moof = Buffer.concat([box('moof', random.bytes(64)), mdatHeader]);
  const head = Buffer.allocUnsafeSlow(moof.length);
  moof.copy(head);
  return {
    meta: {
      ...{ v: 1, camera: stream.camera, rendition: stream.rendition, startMonoMs, arrivalMonoMs: startMonoMs + 20 },
      ...{ start90k, duration90k: Math.round(durationMs * 90), cameraUtcMs: null },
      ...{ bytes: head.length + payloadBytes, initSha256: init.sha256, codec: init.codec, frames: 25, keyFrames: independent ? 1 : 0 },
      ...{ lostPackets, independent, damaged: false },
    },
    init,
    parts: [head, payload],
  };
}

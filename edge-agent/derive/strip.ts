/**
 * A strip: twelve key frames of a minute beside each other in one JPEG, which says in its own description of what it was made. It lies
 * in the spool as one fragment of rendition `strip` that lasts as long as the footage it shows.
 */
import { canonicalJson } from '@longroof/base/canonical';
import type { Clock } from '@longroof/base/clock';
import type { WallClaim } from '@longroof/protocol/fragment';
import { MerkleFold } from '@longroof/protocol/merkle';
import type { TrackInfo } from '../capture/engine.js';
import type { BuiltFragment } from '../fragment/fragment.js';
import { makeInit, VIDEO_TRACK } from '../fragment/init.js';
import { writeFragmentHead } from '../fragment/moof.js';
import type { SpoolIdentity, StoredFragment } from '../spool/spool.js';
import type { Picture } from './pictures.js';

export const TILES = 12;
const TILE = { width: 160, height: 90 };
const QUALITY = 70;

type Sharp = typeof import('sharp')['default'];

/** Key frames as evenly spread as there are. */
export function chooseKeys(fragments: readonly StoredFragment[]): StoredFragment[] {
  const init = fragments[0]?.meta.initSha256;
  const keys = fragments.filter(({ meta }) => meta.independent && meta.initSha256 === init);
  if (keys.length <= TILES) return keys;
  return Array.from({ length: TILES }, (_, index) => keys[Math.floor((index * keys.length) / TILES)] as StoredFragment);
}

/** Loaded only where strips are made: it is large. One thread, no cache: this is the recorder's process. */
export async function loadSharp(): Promise<Sharp> {
  const { default: sharp } = await import('sharp');
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}

export async function drawStrip(sharp: Sharp, pictures: readonly Picture[], description: string): Promise<Buffer> {
  const tiles: Buffer[] = [];
  for (const { width, height, pixels } of pictures) {
    const whole = sharp(pixels, { raw: { width, height, channels: 3 } });
    tiles.push(await whole.resize(TILE.width, TILE.height, { fit: 'contain', kernel: 'cubic' }).removeAlpha().raw().toBuffer());
  }
  const raw = { ...TILE, channels: 3 as const };
  const canvas = sharp({ create: { width: TILE.width * tiles.length, height: TILE.height, channels: 3, background: '#000' } });
  return canvas
    .composite(tiles.map((input, index) => ({ input, raw, left: index * TILE.width, top: 0 })))
    .jpeg({ quality: QUALITY })
    .withExif({ IFD0: { ImageDescription: description } })
    .toBuffer();
}

/** What a strip says of itself: the fragments it shows and the Merkle root of the hashes of those whose key frames it holds. */
export function describe(shown: readonly StoredFragment[], keys: readonly StoredFragment[]): string {
  const fold = new MerkleFold();
  for (const { meta } of keys) fold.add(Buffer.from(meta.sha256, 'hex'));
  const first = shown[0]?.meta;
  return canonicalJson({
    what: 'longroof-strip-1',
    ...{ unit: first?.unit ?? '', epoch: first?.epoch ?? '', camera: first?.camera ?? '', rendition: first?.rendition ?? '' },
    keys: keys.map(({ meta }) => [meta.run, meta.seq]),
    root: fold.root().toString('hex'),
  });
}

/** The JPEG as a fragment that begins and ends with the footage it shows. */
export function stripFragment(
  jpeg: Buffer,
  shown: readonly StoredFragment[],
  pictures: number,
  { clock, identity }: { clock: Clock; identity: SpoolIdentity },
): { fragment: BuiltFragment; wall: WallClaim } {
  const first = shown[0] as StoredFragment;
  const last = shown.at(-1) as StoredFragment;
  const { camera, start90k, boot } = first.meta;
  const endMs = last.wall.utcMs + last.meta.duration90k / 90;
  const duration90k = Math.max(1, Math.round((endMs - first.wall.utcMs) * 90));
  const size = { width: TILE.width * pictures, height: TILE.height };
  const track: TrackInfo = { kind: 'video', codec: 'jpeg', clockRate: 90_000, parameterSets: [], ...size };
  const init = makeInit([track]);
  const sample = { dts90k: start90k, pts90k: start90k, bytes: jpeg.length, key: true };
  const head = writeFragmentHead(1, [{ trackId: VIDEO_TRACK, samples: [sample], lastDuration90k: duration90k, bytes: jpeg.length }]);
  // The spool's thread takes the memory over; that of the encoder may be shared.
  const payload = Buffer.allocUnsafeSlow(jpeg.length);
  jpeg.copy(payload);
  const monoMs = boot === identity.boot ? first.meta.startMonoMs : first.wall.utcMs - (clock.utc() - clock.mono());
  return {
    fragment: {
      meta: {
        ...{ v: 1 as const, camera, rendition: 'strip' as const, startMonoMs: monoMs, arrivalMonoMs: monoMs, start90k, duration90k },
        ...{ cameraUtcMs: null, bytes: head.length + jpeg.length, initSha256: init.sha256, codec: init.codec },
        ...{ frames: 1, keyFrames: 1, lostPackets: 0, independent: true, damaged: false },
      },
      init,
      parts: [head, payload],
    },
    wall: first.wall,
  };
}

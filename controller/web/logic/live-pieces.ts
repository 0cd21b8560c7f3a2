/** The answer of `/api/live/ID/pieces`: pieces one behind the other, each a head, an init segment and the media, with their lengths. */
export interface LiveHead {
  number: number;
  /** RFC 6381. */
  codec: string;
  start90k: number;
  duration90k: number;
  independent: boolean;
  rendition: string;
  initSha256: string;
  wall: { utcMs: number; source: string; errorMs: number };
}

export interface LivePiece {
  head: LiveHead;
  init: Uint8Array<ArrayBuffer>;
  media: Uint8Array<ArrayBuffer>;
}

/** Throws a RangeError where it is cut off, a SyntaxError where a head is none. */
export function readPieces(bytes: ArrayBuffer): LivePiece[] {
  const view = new DataView(bytes);
  const pieces: LivePiece[] = [];
  let at = 0;
  const part = (): Uint8Array<ArrayBuffer> => {
    const length = view.getUint32(at);
    const found = new Uint8Array(bytes, at + 4, length);
    at += 4 + length;
    return found;
  };
  while (at < bytes.byteLength) {
    const head = JSON.parse(new TextDecoder().decode(part())) as LiveHead;
    pieces.push({ head, init: part(), media: part() });
  }
  return pieces;
}

/** How a player keeps to the newest picture: `rate` to play at, or a place to jump to. */
export function follow(positionS: number, endS: number, lastDurationS: number): { rate: number; jumpToS?: number } {
  const behindS = endS - positionS - lastDurationS;
  if (behindS > JUMP_S) return { rate: 1, jumpToS: endS - lastDurationS };
  return { rate: behindS > HURRY_S ? 1.1 : 1 };
}

/** Beyond the piece that has just come. */
const HURRY_S = 0.4;
const JUMP_S = 2;

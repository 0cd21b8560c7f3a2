/**
 * One camera as it comes in: chunks become pieces, the newest pieces are kept for whoever watches, each from one that decodes by itself
 * on. Bounded in number and bytes; nothing is written anywhere.
 */
import { readChunk } from '@longroof/protocol/chunk';
import { LIVE_PIECE_BYTES_MAX, type LivePiece, type LiveRefusal, readLiveMessage } from '@longroof/protocol/live';

/** Pieces of a second each that a slow browser may be behind. */
const PIECES_MAX = 32;
const BYTES_MAX = 8 * 1024 * 1024;

/** A piece as a browser gets it: with its number and its init segment. */
export interface ShownPiece {
  /** Rises by one with each piece of the camera. */
  number: number;
  piece: LivePiece;
  init: Uint8Array;
}

interface Assembly {
  handle: number;
  bytes: Buffer;
  filled: number;
}

export class LiveStream {
  readonly #unit: string;
  readonly #camera: string;
  #assembly: Assembly | undefined;
  #pieces: ShownPiece[] = [];
  #init: { sha256: string; bytes: Uint8Array } | undefined;
  #number = 0;
  #waiting = new Set<() => void>();
  /** Why the unit shows nothing; gone with the next piece. */
  refused: LiveRefusal | undefined;

  constructor(unit: string, camera: string) {
    this.#unit = unit;
    this.#camera = camera;
  }

  /** What is to be acknowledged. Throws a Fault (LR_CHUNK, LR_LIVE_PIECE, LR_FRAGMENT_META) for what is no piece of this camera. */
  take(payload: Uint8Array): { handle: number; offset: number } {
    const chunk = readChunk(payload);
    const { handle, offset, total } = chunk;
    if (offset === 0 && total <= LIVE_PIECE_BYTES_MAX) this.#assembly = { handle, bytes: Buffer.allocUnsafe(total), filled: 0 };
    const assembly = this.#assembly;
    const end = offset + chunk.payload.length;
    // What follows on a hole cannot be whole; the next piece is.
    if (assembly?.handle !== handle || assembly.filled !== offset || end > assembly.bytes.length) return { handle, offset: end };
    assembly.bytes.set(chunk.payload, offset);
    assembly.filled = end;
    if (end === assembly.bytes.length) {
      this.#assembly = undefined;
      this.#add(assembly.bytes);
    }
    return { handle, offset: end };
  }

  /** Pieces behind number `after`, or where that is too long ago (or 0) the newest that decode by themselves. */
  since(after: number): ShownPiece[] {
    const next = this.#pieces.findIndex(({ number }) => number === after + 1);
    if (after > 0 && next >= 0) return this.#pieces.slice(next);
    if (after === this.#number) return [];
    const start = this.#pieces.findLastIndex(({ piece }) => piece.meta.independent);
    return start < 0 ? [] : this.#pieces.slice(start);
  }

  /** Resolves with the next piece or refusal, or when the signal aborts. */
  news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      if (signal.aborted) return resolve();
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #add(bytes: Buffer): void {
    const message = readLiveMessage(bytes);
    if ('refused' in message) {
      this.refused = message.refused;
      this.#pieces = [];
    } else if (message.meta.unit === this.#unit && message.meta.camera === this.#camera) this.#keep(message);
    for (const done of [...this.#waiting]) done();
  }

  #keep(piece: LivePiece): void {
    const { initSha256, independent } = piece.meta;
    if (piece.init) this.#init = { sha256: initSha256, bytes: piece.init };
    // A look that began in the middle: the unit gives the init segment with the first piece of each.
    if (this.#init?.sha256 !== initSha256) return;
    this.refused = undefined;
    // Behind one that was left out nothing decodes before the next that stands by itself.
    const last = this.#pieces.at(-1)?.piece.meta;
    const follows = last?.run === piece.meta.run && last.rendition === piece.meta.rendition && last.seq + 1 === piece.meta.seq;
    if (!follows && !independent) return;
    if (!follows) this.#pieces = [];
    this.#number += 1;
    this.#pieces.push({ number: this.#number, piece, init: this.#init.bytes });
    let bytes = this.#pieces.reduce((sum, one) => sum + one.piece.media.length, 0);
    while (this.#pieces.length > 1 && (this.#pieces.length > PIECES_MAX || bytes > BYTES_MAX))
      bytes -= this.#pieces.shift()?.piece.media.length ?? 0;
  }
}

/**
 * The parameter sets in force, by kind and id, from the description and from the stream. Says whether a set changed anything, so
 * that a new init segment begins only where bytes really differ.
 */
import { Fault } from '@longroof/base/errors';
import type { SequenceFacts, SetKind, VideoCodec } from './video.js';

const SETS_MAX = 64;
const SET_BYTES_MAX = 4096;

export class ParameterSets {
  readonly #codec: VideoCodec;
  readonly #sets = new Map<string, Buffer>();
  #facts: SequenceFacts | undefined;

  constructor(codec: VideoCodec) {
    this.#codec = codec;
  }

  /** True when enough is known to decode. */
  get complete(): boolean {
    return this.#codec.setKinds.every((kind) => this.#of(kind).length > 0);
  }

  /** Of the newest sequence parameter set that could be read. */
  get facts(): SequenceFacts | undefined {
    return this.#facts;
  }

  /** VPS, SPS, PPS; within a kind in order of first appearance. */
  list(): Buffer[] {
    return this.#codec.setKinds.flatMap((kind) => this.#of(kind));
  }

  /** Takes a set without start code; true when it is new or differs. One that cannot be read changes nothing. */
  take(nal: Uint8Array): boolean {
    const kind = this.#codec.setKind(this.#codec.typeOf(nal[0] ?? 0));
    if (!kind || nal.length > SET_BYTES_MAX) return false;
    // The same bytes come with each key frame: compare before parsing.
    for (const [key, known] of this.#sets) {
      if (key.startsWith(kind) && known.length === nal.length && known.equals(nal)) return false;
    }
    let key: string;
    try {
      key = `${kind}-${this.#codec.setId(kind, nal)}`;
      if (kind === 'sps') this.#facts = this.#codec.readSequence(nal);
    } catch (error) {
      if (error instanceof Fault && error.kind === 'corrupt') return false;
      throw error;
    }
    if (!this.#sets.has(key) && this.#sets.size >= SETS_MAX) return false;
    this.#sets.set(key, Buffer.from(nal));
    return true;
  }

  #of(kind: SetKind): Buffer[] {
    const found: Buffer[] = [];
    for (const [key, set] of this.#sets) if (key.startsWith(kind)) found.push(set);
    return found;
  }
}

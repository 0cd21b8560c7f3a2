/**
 * The media axis of one run of a stream: 1/90000 s since the run began. A session is anchored where its first unit arrived; decode
 * times of a track never run back and never repeat, over reconnects too.
 */
import type { Media90k, MonoMs } from '@longroof/base/clock';

export type TrackKind = 'video' | 'audio';

export class MediaAxis {
  readonly #runStartMonoMs: MonoMs;
  readonly #last: Record<TrackKind, Media90k> = { video: -1, audio: -1 };

  constructor(runStartMonoMs: MonoMs) {
    this.#runStartMonoMs = runStartMonoMs;
  }

  /** Where a unit stands that happened at this monotonic time. */
  at(monoMs: MonoMs): Media90k {
    return Math.max(0, Math.round((monoMs - this.#runStartMonoMs) * 90));
  }

  /** The first place behind all that a track has. */
  free(kind: TrackKind): Media90k {
    return this.#last[kind] + 1;
  }

  /** The decode time to use for a wanted one; taken from then on. */
  take(kind: TrackKind, dts90k: Media90k): Media90k {
    const taken = Math.max(dts90k, this.#last[kind] + 1);
    this.#last[kind] = taken;
    return taken;
  }
}

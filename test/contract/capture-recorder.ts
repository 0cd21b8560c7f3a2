/**
 * A sink that keeps what a capture engine hands over, hashed, and closes "fragments" as the recorder does, so that engines are also
 * tested with memory being taken away under them. Checks on the way what every engine promises for each access unit.
 */
import { createHash } from 'node:crypto';
import { ByteArena } from '@longroof/edge-agent/capture/arena';
import type { AccessUnit, CaptureSink, CaptureState, TrackInfo } from '@longroof/edge-agent/capture/engine';

export interface KeptUnit extends Omit<AccessUnit, 'track' | 'offset'> {
  kind: 'video' | 'audio';
  codec: TrackInfo['codec'];
  sha256: string;
  /** Only with `keepBytes`. */
  bytes?: Buffer;
  /** Counts sessions from 0. */
  session: number;
}

export class Recorder implements CaptureSink {
  readonly units: KeptUnit[] = [];
  readonly states: CaptureState[] = [];
  readonly told: (readonly TrackInfo[])[] = [];
  /** Broken promises, in words. */
  readonly complaints: string[] = [];
  sessions = 0;
  readonly #arenas = { video: new ByteArena(), audio: new ByteArena() };
  readonly #used = { video: 0, audio: 0 };
  readonly #lastDts = { video: -1, audio: -1 };
  readonly #keepBytes: boolean;
  #current: readonly TrackInfo[] = [];
  #fresh = true;

  constructor(options: { keepBytes?: boolean } = {}) {
    this.#keepBytes = options.keepBytes === true;
  }

  arena(kind: 'video' | 'audio'): ByteArena {
    return this.#arenas[kind];
  }

  tracks(tracks: readonly TrackInfo[]): void {
    this.told.push(tracks);
    this.#current = tracks;
    this.#close();
  }

  accessUnit(unit: AccessUnit): void {
    const { kind, codec } = unit.track;
    const memory = this.#arenas[kind];
    const expect = (holds: boolean, what: string): void => {
      if (!holds && this.complaints.length < 20) this.complaints.push(`${kind} unit ${this.units.length}: ${what}`);
    };
    expect(this.#current.includes(unit.track), 'its track was not told');
    expect(unit.offset === this.#used[kind], `begins at ${unit.offset}, the one before ended at ${this.#used[kind]}`);
    expect(unit.offset + unit.length === memory.length, 'is not the end of its arena');
    expect(unit.dts90k > this.#lastDts[kind], `decode time ${unit.dts90k} behind ${this.#lastDts[kind]}`);
    expect(!this.#fresh || kind === 'audio' || unit.key, 'the first of a session is no key frame');
    if (kind === 'video') this.#fresh = false;
    this.#lastDts[kind] = unit.dts90k;
    const bytes = memory.buffer.subarray(unit.offset, unit.offset + unit.length);
    const { track: _track, offset: _offset, ...facts } = unit;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.units.push({ ...facts, kind, codec, sha256, session: this.sessions, ...(this.#keepBytes ? { bytes: Buffer.from(bytes) } : {}) });
    // A fragment ends in front of a key frame, or behind every tenth unit.
    if (kind === 'video' && unit.key) this.#take(kind, unit.offset);
    else if (this.units.length % 10 === 0) this.#take(kind, unit.offset + unit.length);
    this.#used[kind] = memory.length;
  }

  sessionEnded(): void {
    this.sessions += 1;
    this.#fresh = true;
    this.#close();
  }

  state(state: CaptureState): void {
    if (JSON.stringify(this.states.at(-1)) !== JSON.stringify(state)) this.states.push(state);
  }

  video(): KeptUnit[] {
    return this.units.filter((unit) => unit.kind === 'video');
  }

  audio(): KeptUnit[] {
    return this.units.filter((unit) => unit.kind === 'audio');
  }

  failure(): Extract<CaptureState, { state: 'failed' }> | undefined {
    return this.states.findLast((state) => state.state === 'failed');
  }

  #close(): void {
    for (const kind of ['video', 'audio'] as const) this.#take(kind, this.#used[kind]);
  }

  #take(kind: 'video' | 'audio', bytes: number): void {
    this.#arenas[kind].take(bytes);
    this.#used[kind] -= bytes;
  }
}

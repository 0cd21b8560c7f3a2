/**
 * One path of the server: a camera whose clock never stops. Units go out when their time has come; while nobody plays, nothing is
 * sent, and the next player begins at a key frame with timestamps as if the camera had run on.
 */
import { randomBytes } from 'node:crypto';
import { type Clip, type ClipUnit, loadClip } from './clip.js';
import { type PacketizedUnit, packetize, patchPacket } from './packetize.js';
import { encodeSenderReport } from './rtcp.js';
import { payloadType } from './sdp.js';
import type { MountSpec, SentUnit } from './spec.js';

/** Someone who plays; a connection behind it. */
export interface Player {
  /** RTP channel of a track, undefined where it was not set up; RTCP is one above. */
  channel(track: number): number | undefined;
  /** True when part of the bytes could not go out at once: their memory is lent until it has. */
  write(bytes: Buffer): boolean;
}

interface Loaded {
  clip: Clip;
  /** Beside `clip.units`. */
  packed: PacketizedUnit[];
}

interface TrackState {
  ssrc: number;
  sequence: number;
  timestampBase: number;
  packets: number;
  octets: number;
  reportedMonoMs: number;
}

export class Mount {
  readonly name: string;
  readonly spec: MountSpec;
  readonly log: SentUnit[] = [];
  readonly #logMax: number;
  readonly #files: Loaded[];
  readonly #tracks: TrackState[];
  readonly #players = new Set<Player>();
  #timer: NodeJS.Timeout | undefined;
  #anchorMonoMs: number | undefined;
  #file = 0;
  #rounds = 0;
  #cursor = 0;
  #roundStart90k = 0;
  #index = 0;
  #packetCount = 0;
  #dropNext = 0;
  #stalled = false;

  static async load(name: string, spec: MountSpec, logMax: number): Promise<Mount> {
    const files: Loaded[] = [];
    for (const file of spec.files) {
      const clip = await loadClip(file, { inBand: spec.parameterSets !== 'sdp', audio: spec.audio === true });
      const packed = clip.units.map((unit) => {
        const track = clip.tracks[unit.track];
        if (!track) throw new Error(`${file}: unit of an unknown track`);
        return packetize(unit, track, { channel: unit.track * 2, payloadType: payloadType(unit.track), options: spec });
      });
      files.push({ clip, packed });
    }
    return new Mount(name, spec, files, logMax);
  }

  private constructor(name: string, spec: MountSpec, files: Loaded[], logMax: number) {
    this.name = name;
    this.spec = spec;
    this.#files = files;
    this.#logMax = logMax;
    this.#tracks = this.clip.tracks.map(() => ({
      ssrc: randomBytes(4).readUInt32BE(),
      sequence: spec.startSequence ?? randomBytes(2).readUInt16BE(),
      timestampBase: spec.startTimestamp ?? randomBytes(4).readUInt32BE(),
      packets: 0,
      octets: 0,
      reportedMonoMs: Number.NEGATIVE_INFINITY,
    }));
  }

  /** The clip that the SDP describes. */
  get clip(): Clip {
    const first = this.#files[0];
    if (!first) throw new Error(`${this.name}: no files`);
    return first.clip;
  }

  get players(): number {
    return this.#players.size;
  }

  play(player: Player): void {
    this.#players.add(player);
    for (const track of this.#tracks) track.reportedMonoMs = Number.NEGATIVE_INFINITY;
    if (this.#players.size === 1) this.#begin();
  }

  leave(player: Player): void {
    this.#players.delete(player);
    if (this.#players.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** While stalled the camera's clock runs on, but nothing is sent. */
  stall(on: boolean): void {
    this.#stalled = on;
  }

  /** Leaves out the next packets; their sequence numbers are spent. */
  dropNext(packets: number): void {
    this.#dropNext += packets;
  }

  /** A new SSRC with new sequence numbers and timestamps, as after a restart of the camera's encoder. */
  changeSsrc(): void {
    for (const track of this.#tracks) {
      track.ssrc = randomBytes(4).readUInt32BE();
      track.sequence = randomBytes(2).readUInt16BE();
      track.timestampBase = randomBytes(4).readUInt32BE();
      track.reportedMonoMs = Number.NEGATIVE_INFINITY;
    }
  }

  /** Bytes that are no packet, between two units. */
  garbage(bytes: Buffer): void {
    for (const player of this.#players) player.write(bytes);
  }

  /** For the RTP-Info header (RFC 2326, 12.33). */
  position(track: number): { sequence: number; rtpTimestamp: number } {
    const state = this.#track(track);
    return { sequence: state.sequence, rtpTimestamp: this.#rtpTimestamp(track, this.#now90k()) };
  }

  #begin(): void {
    const now90k = this.#now90k();
    const { clip } = this.#loaded();
    const keyFrame = (unit: ClipUnit): boolean => unit.key && clip.tracks[unit.track]?.kind === 'video';
    const ahead = clip.units.findIndex((unit, index) => index >= this.#cursor && keyFrame(unit));
    const start = ahead >= 0 ? ahead : clip.units.findIndex(keyFrame);
    this.#cursor = Math.max(0, start) + (this.spec.join === 'middle' ? 1 : 0);
    this.#roundStart90k = now90k - (clip.units[this.#cursor]?.dts90k ?? 0);
    this.#sendDue();
  }

  #now90k(): number {
    const now = monoMs();
    this.#anchorMonoMs ??= now;
    return Math.round((now - this.#anchorMonoMs) * 90);
  }

  #loaded(): Loaded {
    const loaded = this.#files[this.#file];
    if (!loaded) throw new Error(`${this.name}: no file ${this.#file}`);
    return loaded;
  }

  #track(index: number): TrackState {
    const state = this.#tracks[index];
    if (!state) throw new Error(`${this.name}: no track ${index}`);
    return state;
  }

  #sendDue(): void {
    const now90k = this.#now90k();
    for (;;) {
      const { clip, packed } = this.#loaded();
      const unit = clip.units[this.#cursor];
      const packets = packed[this.#cursor];
      if (!unit || !packets) {
        this.#nextRound(clip);
        continue;
      }
      const due90k = this.#roundStart90k + unit.dts90k;
      if (due90k > now90k) {
        this.#timer = setTimeout(() => this.#sendDue(), Math.max(1, Math.ceil((due90k - now90k) / 90)));
        return;
      }
      if (!this.#stalled) this.#send(unit, packets);
      this.#cursor += 1;
      this.#index += 1;
    }
  }

  #nextRound(clip: Clip): void {
    this.#roundStart90k += clip.duration90k;
    this.#cursor = 0;
    this.#rounds += 1;
    if (this.#rounds < (this.spec.roundsPerFile ?? 1)) return;
    this.#rounds = 0;
    this.#file = (this.#file + 1) % this.#files.length;
  }

  #rtpTimestamp(track: number, media90k: number): number {
    const rate = this.clip.tracks[track]?.clockRate ?? 90_000;
    return (this.#track(track).timestampBase + Math.round((media90k * rate) / 90_000)) >>> 0;
  }

  #send(unit: ClipUnit, packets: PacketizedUnit): void {
    const state = this.#track(unit.track);
    this.#report(unit.track, state);
    const rtpTimestamp = this.#rtpTimestamp(unit.track, this.#roundStart90k + unit.pts90k);
    const firstSequence = state.sequence;
    const count = packets.starts.length - 1;
    const dropped = new Set<number>();
    for (let i = 0; i < count; i++) {
      patchPacket(packets.buffer, packets.starts[i] ?? 0, state.sequence, rtpTimestamp, state.ssrc);
      state.sequence = (state.sequence + 1) & 0xffff;
      if (this.#drops()) dropped.add(i);
    }
    let players = 0;
    for (const player of this.#players) {
      const channel = player.channel(unit.track);
      if (channel === undefined) continue;
      players += 1;
      this.#sendTo(player, channel, packets, dropped);
    }
    state.packets += count - dropped.size;
    state.octets += packets.buffer.length - 16 * count;
    this.#note(unit, { firstSequence, packets: count, dropped: dropped.size, rtpTimestamp, ssrc: state.ssrc, players });
  }

  #sendTo(player: Player, channel: number, packets: PacketizedUnit, dropped: ReadonlySet<number>): void {
    const { starts } = packets;
    const count = starts.length - 1;
    for (let i = 0; i < count; i++) packets.buffer[(starts[i] ?? 0) + 1] = channel;
    let lent = false;
    if (this.spec.mode !== 'packet' && dropped.size === 0) lent = player.write(packets.buffer);
    else {
      for (let i = 0; i < count; i++) {
        if (!dropped.has(i)) lent = player.write(packets.buffer.subarray(starts[i], starts[i + 1])) || lent;
      }
    }
    if (lent) packets.buffer = Buffer.from(packets.buffer);
  }

  #drops(): boolean {
    this.#packetCount += 1;
    if (this.#dropNext > 0) {
      this.#dropNext -= 1;
      return true;
    }
    return (this.spec.dropEvery ?? 0) > 0 && this.#packetCount % (this.spec.dropEvery ?? 1) === 0;
  }

  #report(track: number, state: TrackState): void {
    const everyMs = this.spec.senderReportMs ?? 5000;
    const now = monoMs();
    if (everyMs === 0 || now - state.reportedMonoMs < everyMs) return;
    state.reportedMonoMs = now;
    const utcMs = Date.now() + (this.spec.cameraClockOffsetMs ?? 0);
    const report = {
      ssrc: state.ssrc,
      utcMs,
      rtpTimestamp: this.#rtpTimestamp(track, this.#now90k()),
      packets: state.packets,
      octets: state.octets,
    };
    for (const player of this.#players) {
      const channel = player.channel(track);
      if (channel !== undefined) player.write(encodeSenderReport({ ...report, channel: channel + 1 }));
    }
  }

  #note(unit: ClipUnit, sent: Pick<SentUnit, 'firstSequence' | 'packets' | 'dropped' | 'rtpTimestamp' | 'ssrc' | 'players'>): void {
    if (this.log.length >= this.#logMax) this.log.splice(0, Math.ceil(this.#logMax / 10));
    const kind = this.clip.tracks[unit.track]?.kind ?? 'video';
    const { key, sha256, pictureSha256 } = unit;
    const times = { sentUtcMs: Date.now(), sentMonoMs: monoMs() };
    this.log.push({ mount: this.name, kind, index: this.#index, key, sha256, pictureSha256, ...sent, ...times });
  }
}

const monoMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A clip as the fragments that a recorder would have made of it, at once instead of in its own time; and a spool filled with them. */
import { spawn } from 'node:child_process';
import { systemClock } from '@longroof/base/clock';
import type { TrackInfo } from '@longroof/edge-agent/capture/engine';
import { Mp4Reader } from '@longroof/edge-agent/capture/ffmpeg/mp4-reader';
import { FragmentBuilder } from '@longroof/edge-agent/fragment/builder';
import type { BuiltFragment } from '@longroof/edge-agent/fragment/fragment';
import type { Spool } from '@longroof/edge-agent/spool/spool';
import type { StreamName } from '@longroof/protocol/fragment';
import { until } from './program.js';

export interface FootageOptions {
  /** From `makeMedia`; played again and again. H.264. */
  file: string;
  seconds: number;
  stream: StreamName;
  startMonoMs: number;
}

export async function footageOf({ file, seconds, stream, startMonoMs }: FootageOptions): Promise<BuiltFragment[]> {
  const built: BuiltFragment[] = [];
  const builder = new FragmentBuilder({ stream, sink: { fragment: (fragment) => built.push(fragment) > 0 } });
  let track: TrackInfo | undefined;
  const reader = new Mp4Reader({
    tracks: (tracks) => {
      track = { kind: 'video', codec: 'h264', clockRate: 90_000, parameterSets: tracks[0]?.parameterSets ?? [] };
      builder.tracks([track]);
    },
    sample: ({ track: { timescale }, pts, bytes, start, end }) => {
      if (!track) return;
      const at90k = Math.round((pts * 90_000) / timescale);
      const arena = builder.arena('video');
      const offset = arena.length;
      arena.appendRange(bytes, start, end);
      const monoMs = startMonoMs + at90k / 90;
      builder.accessUnit({
        ...{ track, offset, length: end - start, pts90k: at90k, dts90k: at90k, key: hasIdr(bytes, start, end) },
        ...{ monoMs, arrivalMonoMs: monoMs, cameraUtcMs: null, damaged: false, lostPackets: 0 },
      });
    },
  });
  const movflags = '+frag_keyframe+empty_moov+default_base_moof';
  const args = ['-v', 'error', '-stream_loop', '-1', '-i', file, '-t', String(seconds), '-an', '-c', 'copy', '-movflags', movflags];
  const child = spawn('ffmpeg', [...args, '-f', 'mp4', 'pipe:1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const bytes of child.stdout) reader.push(bytes as Buffer);
  builder.sessionEnded();
  return built;
}

function hasIdr(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at + 5 <= end; at += 4 + bytes.readUInt32BE(at)) if (((bytes[at + 4] ?? 0) & 31) === 5) return true;
  return false;
}

/** Writes the fragments and resolves when they are durable. Their wall time is that of the system's clock. */
export async function fillSpool(spool: Spool, fragments: readonly BuiltFragment[]): Promise<void> {
  const offsetMs = systemClock.utc() - systemClock.mono();
  let durable = 0;
  spool.onDurable((streams) => {
    for (const { seq } of streams) durable = seq + 1;
  });
  for (const fragment of fragments) {
    const wall = { utcMs: fragment.meta.startMonoMs + offsetMs, source: 'ntp' as const, errorMs: 10 };
    await until('room in the queue', () => spool.write(fragment, wall));
  }
  await until('all of it is durable', () => durable >= fragments.length);
}

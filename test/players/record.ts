/** Records a stream of the scripted server into a reel, as the agent does but in memory: engine, builder, metadata box, one file. */
import { randomBytes } from 'node:crypto';
import { sha256Hex } from '@longroof/base/canonical';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { createEngine } from '@longroof/edge-agent/capture/create';
import type { CaptureSink } from '@longroof/edge-agent/capture/engine';
import { FragmentBuilder } from '@longroof/edge-agent/fragment/builder';
import type { BuiltFragment } from '@longroof/edge-agent/fragment/fragment';
import { encodeFragmentBox } from '@longroof/protocol/fragment';
import { until } from '../peers/program.js';

export interface Recorded {
  init: Buffer;
  codec: string;
  /** Each: `uuid`, `moof`, `mdat`. */
  fragments: Buffer[];
  frames: number;
  duration90k: number;
}

/** Records until the reel is so long, then ends the session in order. */
export async function recordReel(url: string, camera: string, seconds: number, audio: boolean): Promise<Recorded> {
  const built: BuiltFragment[] = [];
  const sink = { fragment: (fragment: BuiltFragment) => built.push(fragment) > 0 };
  const builder = new FragmentBuilder({ stream: { camera, rendition: 'original' }, sink });
  const states: string[] = [];
  const whole: CaptureSink = {
    arena: (kind) => builder.arena(kind),
    tracks: (tracks) => builder.tracks(tracks),
    accessUnit: (unit) => builder.accessUnit(unit),
    sessionEnded: () => builder.sessionEnded(),
    state: (state) => states.push(state.state === 'failed' ? state.message : state.state),
  };
  const options = { url, engine: 'own' as const, audio, allowBasic: false, stallMs: 5000 };
  const engine = createEngine(options, whole, { clock: systemClock, log: silentLog, runStartMonoMs: systemClock.mono() });
  const length90k = (): number => built.reduce((sum, { meta }) => sum + meta.duration90k, 0);
  engine.start();
  try {
    await until(`a reel of ${seconds} s of ${camera}`, () => length90k() >= seconds * 90_000, (seconds + 30) * 1000);
  } catch (error) {
    throw new Error(`${String(error)}; capture said: ${states.slice(-5).join(', ')}`);
  } finally {
    await engine.stop();
  }
  builder.sessionEnded();
  const first = built[0] as BuiltFragment;
  const epoch = randomBytes(16).toString('hex');
  return {
    init: Buffer.from(first.init.bytes),
    codec: first.init.codec,
    fragments: built.map((fragment, seq) => withMeta(fragment, seq, epoch)),
    frames: built.reduce((sum, { meta }) => sum + meta.frames, 0),
    duration90k: length90k(),
  };
}

function withMeta({ meta, parts }: BuiltFragment, seq: number, epoch: string): Buffer {
  const wall = { utcMs: 0, source: 'none' as const, errorMs: 0 };
  const whole = { ...meta, unit: 'wagon-1', epoch, run: 1, seq, boot: 'boot', sha256: sha256Hex(...parts), wall };
  return Buffer.concat([encodeFragmentBox(whole), ...parts]);
}

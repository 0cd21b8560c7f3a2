/** Scripted cameras and recordings of them, for the tests of capture. */
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { createEngine } from '@longroof/edge-agent/capture/create';
import type { CaptureEngine, CaptureOptions } from '@longroof/edge-agent/capture/engine';
import { type MediaRecipe, makeMedia } from '../peers/media.js';
import { type RtspServer, startRtspServer } from '../peers/rtsp/server.js';
import type { MountSpec, RtspServerSpec, SentUnit } from '../peers/rtsp/spec.js';
import { Recorder } from './capture-recorder.js';

export type EngineName = 'own' | 'ffmpeg';
export const ENGINES: EngineName[] = ['own', 'ffmpeg'];
/** Characters that have a meaning in URLs and in Digest fields. */
export const AUTH = { user: 'us er', password: 'p:a@s/s"w' };

export interface Running {
  recorder: Recorder;
  engine: CaptureEngine;
}

export function record(url: string, engine: CaptureOptions['engine'], options: Partial<CaptureOptions> = {}): Running {
  const recorder = new Recorder();
  const running = createEngine({ url, engine, audio: false, allowBasic: false, stallMs: 5000, ...options }, recorder, {
    clock: systemClock,
    log: silentLog,
    runStartMonoMs: systemClock.mono(),
    random: () => 0,
  });
  running.start();
  return { recorder, engine: running };
}

/** What was sent from the first key frame that a player got. */
export function sentFrom(server: RtspServer): SentUnit[] {
  const sent = server.log('cam').filter((unit) => unit.kind === 'video' && unit.players > 0);
  const first = sent.findIndex((unit) => unit.key);
  return first < 0 ? [] : sent.slice(first);
}

/** Runs `act` beside a recording, and stops both whatever happens. */
export async function withCamera(
  spec: Omit<RtspServerSpec, 'mounts'> & { mount?: Partial<MountSpec>; recipe?: MediaRecipe },
  engine: CaptureOptions['engine'],
  options: Omit<Partial<CaptureOptions>, 'url'> & { url?: (url: string) => string },
  act: (server: RtspServer, recorder: Recorder, engine: CaptureEngine) => Promise<void>,
): Promise<void> {
  const { mount = {}, recipe = {}, ...about } = spec;
  const server = await startRtspServer({ mounts: { cam: { files: [await makeMedia(recipe)], ...mount } }, ...about });
  const { url = (same: string) => same, ...rest } = options;
  const { recorder, engine: running } = record(url(server.url('cam')), engine, rest);
  try {
    await act(server, recorder, running);
  } finally {
    await running.stop();
    await server.close();
  }
}

/** Some at a time: two cores, and timing that is the point. */
export async function inTurns<T>(items: readonly T[], atOnce: number, run: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const next = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}

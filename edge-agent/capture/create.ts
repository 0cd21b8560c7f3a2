/** Makes the capture engine of one stream of one camera. */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { CaptureEngine, CaptureOptions, CaptureSink } from './engine.js';
import { FfmpegRunner } from './ffmpeg/runner.js';
import { MediaAxis } from './media-axis.js';
import { OwnRunner } from './own/runner.js';
import type { Runner } from './runner.js';
import { Supervisor } from './supervisor.js';

export interface EngineDeps {
  clock: Clock;
  log: Log;
  /** Zero of the media axis: when this run of the agent began. */
  runStartMonoMs: MonoMs;
  /** 0 to 1, for the jitter of retries. */
  random?: () => number;
}

/** Nothing happens before `start`. Whatever goes wrong reaches the sink as a state, never as an exception. */
export function createEngine(options: CaptureOptions, sink: CaptureSink, deps: EngineDeps): CaptureEngine {
  const axis = new MediaAxis(deps.runStartMonoMs);
  const own = (): Runner => new OwnRunner(options, sink, axis, deps);
  const ffmpeg = (): Runner => new FfmpegRunner({ options, sink, axis, clock: deps.clock });
  const runners = { own: () => [own()], ffmpeg: () => [ffmpeg()], auto: () => [own(), ffmpeg()] }[options.engine]();
  return new Supervisor(runners, sink, deps);
}

/** Our own client as a runner: one session, followed through redirections. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { CaptureOptions, CaptureSink } from '../engine.js';
import { captureFault } from '../faults.js';
import type { MediaAxis } from '../media-axis.js';
import { parseCameraUrl } from '../rtsp/url.js';
import type { Runner, SessionHooks } from '../runner.js';
import { readHub } from './read-hub.js';
import { OwnSession, type SessionDeps } from './session.js';

const REDIRECTS_MAX = 5;

export class OwnRunner implements Runner {
  readonly engine = 'own';
  readonly #deps: SessionDeps;
  readonly #log: Log;

  constructor(options: CaptureOptions, sink: CaptureSink, axis: MediaAxis, deps: { clock: Clock; log: Log }) {
    this.#deps = { options, sink, axis, hub: readHub(deps.clock), clientNonce: () => randomBytes(8).toString('hex') };
    this.#log = deps.log;
  }

  async run(signal: AbortSignal, hooks: SessionHooks): Promise<Fault> {
    try {
      let url = parseCameraUrl(this.#deps.options.url);
      for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
        const session = new OwnSession(url, this.#deps, hooks);
        const stop = (): void => session.end(new Fault('cancelled', 'LR_CANCELLED', 'stopped'));
        const running = session.run();
        signal.addEventListener('abort', stop, { once: true });
        if (signal.aborted) stop();
        const end = await running;
        signal.removeEventListener('abort', stop);
        if (session.garbageBytes > 0)
          this.#log.warn({ bytes: session.garbageBytes }, 'the camera sent bytes between packets that are none');
        if (!end.redirect) return end.fault;
        url = end.redirect;
      }
      return captureFault('LR_RTSP_REDIRECT', `more than ${REDIRECTS_MAX} redirections`);
    } catch (error) {
      return toFault(error, 'recording');
    }
  }
}

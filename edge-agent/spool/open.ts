/** Opens the spool: starts its worker and waits until the disk's state is known and the last run's end is accounted for. */
import type { Worker } from 'node:worker_threads';
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { Rendition } from '@longroof/protocol/fragment';
import { SpoolClient } from './client.js';
import type { FromWorker, WorkerSettings } from './messages.js';
import type { Waited } from './recover-coverage.js';
import type { Retention, Spool } from './spool.js';
import { startSpoolThread } from './thread.js';

const DAY_MS = 86_400_000;
export const QUOTA_BYTES_MIN = 16 * 1024 * 1024;

export interface SpoolOptions {
  path: string;
  quotaBytes: number;
  unit: string;
  /** P-256, PKCS#8 PEM: signs checkpoints. Not the TLS key. */
  journalKeyPem: string;
  version: string;
  configSha256: string;
  cameras: { camera: string; renditions: Rendition[] }[];
  /** Promised per rung; seven and thirty days where left out. */
  retention?: Retention;
  /** What the disk's maker rates it for (terabytes written), in bytes. */
  enduranceBytes?: number | undefined;
  clock: Clock;
  log: Log;
  /** The spool was to be open since the first of these, and its disk refused: that time is a gap of these causes. */
  waited?: readonly Waited[];
  /** Starts the spool's thread, or gives one that loads already. */
  thread?: (() => Worker) | undefined;
  /** Gives up opening. */
  signal?: AbortSignal;
  /** For tests: a module whose export `disk` replaces the real one in the worker, and a boot id of one's own. */
  faults?: { diskModule?: string; boot?: string };
}

/** Throws the disk's fault when the folder cannot be made ready, and `invalid` (LR_SPOOL_QUOTA). */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  if (options.quotaBytes < QUOTA_BYTES_MIN)
    throw new Fault('invalid', 'LR_SPOOL_QUOTA', `a quota of ${options.quotaBytes} bytes; at least ${QUOTA_BYTES_MIN} are needed`);
  const { path, quotaBytes, unit, journalKeyPem, version, configSha256, cameras, clock, log } = options;
  const queued = new SharedArrayBuffer(4);
  const settings: WorkerSettings = {
    ...{ path, quotaBytes, unit, journalKeyPem, version, configSha256, cameras, queued },
    retention: options.retention ?? { originalMs: 7 * DAY_MS, proxyMs: 30 * DAY_MS },
    ...(options.enduranceBytes === undefined ? {} : { enduranceBytes: options.enduranceBytes }),
    ...(options.waited ? { waited: [...options.waited] } : {}),
    ...options.faults,
  };
  const worker = (options.thread ?? startSpoolThread)();
  worker.postMessage(settings);
  const giveUp = (): void => void worker.terminate();
  options.signal?.addEventListener('abort', giveUp, { once: true });
  const ready = await firstMessage(worker).finally(() => options.signal?.removeEventListener('abort', giveUp));
  const { identity } = ready;
  log.info({ epoch: identity.epoch, run: identity.run, usedBytes: ready.stats.usedBytes }, 'spool open');
  return new SpoolClient(worker, ready, { clock, log, queued });
}

function firstMessage(worker: Worker): Promise<Extract<FromWorker, { kind: 'ready' }>> {
  return new Promise((resolve, reject) => {
    const settle = (run: () => void): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      run();
    };
    const onMessage = (message: FromWorker): void => {
      if (message.kind === 'ready') settle(() => resolve(message));
    };
    const onError = (error: unknown): void => settle(() => reject(asFault(error)));
    const onExit = (code: number): void =>
      settle(() => reject(new Fault('unavailable', 'LR_SPOOL_WORKER', `the spool's worker ended with ${code}`)));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  });
}

/** Errors that cross threads lose their class, not their members. */
function asFault(error: unknown): Fault {
  const given = error as Partial<Fault> | null;
  if (given && typeof given.kind === 'string' && typeof given.code === 'string' && typeof given.message === 'string')
    return new Fault(given.kind, given.code, given.message, { cause: error });
  return toFault(error, 'spool');
}

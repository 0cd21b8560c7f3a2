/** The spool's thread. It may be started before anything is known of the spool: it loads, and waits for its settings as the first message. */
import { Worker } from 'node:worker_threads';

export function startSpoolThread(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), {
    name: 'spool',
    resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 },
  });
}

/** Hands out one that loads already, then new ones: a disk that refuses ends the first. */
export function beginWith(loading: Worker): () => Worker {
  let next: Worker | undefined = loading;
  return () => {
    const thread = next ?? startSpoolThread();
    next = undefined;
    return thread;
  };
}

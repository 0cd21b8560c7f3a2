/** What a thread holds on to, whatever its garbage collector has not come to yet. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Live bytes of this thread, what is outside the engine's heap included. */
export async function liveBytes(): Promise<number> {
  for (let n = 0; n < 3; n += 1) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

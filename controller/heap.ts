/**
 * How far V8 lets the heap grow before it collects all of it. By default that is after a few MiB where little is alive; footage that flows
 * through counts, so that collections take a third of the centre's CPU (docs/performance.md). A centre has the memory.
 */
import { setFlagsFromString } from 'node:v8';

/** Above what is alive after a collection. V8 reads it at each. */
const GROWING_PERCENT = 300;

export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

/**
 * A machine that is busy with something else, for some processes only: they are stopped and let go on in turns. Times come out as on a
 * core that is shared; nobody else's work is touched.
 */
const PERIOD_MS = 250;

/** Lets them run for `share` (0 to 1) of the time, until the returned function is called. */
export function starve(pids: readonly number[], share: number): () => void {
  const all = (signal: NodeJS.Signals): void => {
    for (const pid of pids)
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended; whoever waits for it says so.
      }
  };
  let timer: NodeJS.Timeout;
  const turn = (running: boolean): void => {
    all(running ? 'SIGCONT' : 'SIGSTOP');
    timer = setTimeout(() => turn(!running), PERIOD_MS * (running ? share : 1 - share));
  };
  turn(true);
  return () => {
    clearTimeout(timer);
    all('SIGCONT');
  };
}

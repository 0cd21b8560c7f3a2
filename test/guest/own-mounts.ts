/**
 * Runs this program again in a mount namespace of its own, once: whatever it mounts goes with it, however it ends. Import it before anything
 * that mounts. Needs root.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const MARK = 'LONGROOF_OWN_MOUNTS';

if (process.env[MARK] === undefined) {
  const args = ['--mount', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('unshare', args, { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exit(code ?? 1);
}

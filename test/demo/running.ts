/**
 * Which processes belong to the demo of a data folder, on disk: so that a second start on the same folder is refused while the
 * first runs, and ends what a killed one has left behind. A process is known by its id and the time it started.
 */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

interface Known {
  pid: number;
  /** Field 22 of proc(5) stat: clock ticks since boot. */
  started: number;
}
interface Record {
  owner: Known;
  children: Known[];
}

function startedAt(pid: number): number | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : Number(fields[19]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

const know = (pid: number): Known => ({ pid, started: startedAt(pid) ?? 0 });
const lives = (known: Known): boolean => known.started !== 0 && startedAt(known.pid) === known.started;

/** Notes the demo's processes; call it at each change. */
export function noteRunning(file: string, childPids: readonly number[]): void {
  const record: Record = { owner: know(process.pid), children: childPids.map(know) };
  fs.writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
}

export function forgetRunning(file: string): void {
  fs.rmSync(file, { force: true });
}

/** Ends what an earlier demo left on this folder; how many processes there were. Throws while that demo still runs. */
export async function clearLeftovers(file: string): Promise<number> {
  if (!fs.existsSync(file)) return 0;
  let record: Record;
  try {
    record = JSON.parse(fs.readFileSync(file, 'utf8')) as Record;
  } catch {
    return 0; // Half written by a power cut: then no process of it has survived either.
  }
  if (lives(record.owner))
    throw new Error(`a demo already runs on this folder (process ${record.owner.pid}); stop it, or give another --data`);
  const left = record.children.filter(lives);
  for (const { pid } of left) process.kill(pid, 'SIGTERM');
  for (let tenths = 0; tenths < 30 && left.some(lives); tenths++) await delay(100);
  for (const known of left) if (lives(known)) process.kill(known.pid, 'SIGKILL');
  forgetRunning(file);
  return left.length;
}

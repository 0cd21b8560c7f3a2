/** The user under whom work on footage runs: one that can read neither identity nor spool. Only root can become another user. */
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import type { RunAs } from './low-child.js';

const PASSWD = '/etc/passwd';

/** Undefined where the agent is not root: the work then runs as the agent's own user. Throws LR_COPY_USER. */
export function runAsUser(disk: Disk, user: string | undefined, ownUid: number | undefined): RunAs | undefined {
  if (user === undefined || ownUid !== 0) return undefined;
  // passwd(5): name:password:uid:gid:...
  for (const line of disk.readFile(PASSWD).toString('utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === user && /^\d+$/.test(uid ?? '') && /^\d+$/.test(gid ?? '')) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Fault('not-found', 'LR_COPY_USER', `media.user: there is no user ${user} on this unit`);
}

/** Reads what a connection needs of the unit's identity folder. Each failure names the file. */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import type { LinkIdentity } from './link.js';

export function readLinkIdentity(disk: Disk, directory: string): LinkIdentity {
  const read = (name: string): string => disk.readFile(path.join(directory, name)).toString('utf8');
  return { keyPem: read('unit.key'), certificatePem: read('unit.crt'), rootPem: read('ca.crt') };
}

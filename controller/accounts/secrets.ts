/** The centre's own secrets, made at the first start and kept in its data folder, readable by its user alone. */
import { hkdfSync, randomBytes } from 'node:crypto';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';

export interface Secrets {
  /** Seals the session cookie. */
  sessionKey: Buffer;
  /** Authenticates view tokens. */
  viewKey: Buffer;
}

const SECRET_BYTES = 32;

/** Throws `corrupt` (LR_SECRET_FILE) where the file is not one of ours. */
export function openSecrets(disk: Disk, file: string): Secrets {
  if (!disk.stat(file)) writeDurably(disk, file, randomBytes(SECRET_BYTES));
  const secret = disk.readFile(file);
  if (secret.length !== SECRET_BYTES)
    throw new Fault('corrupt', 'LR_SECRET_FILE', `${file} is damaged`, { hint: 'Remove it: everybody then signs in again.' });
  const derive = (use: string): Buffer => Buffer.from(hkdfSync('sha256', secret, '', `longroof ${use}`, SECRET_BYTES));
  return { sessionKey: derive('session'), viewKey: derive('view') };
}

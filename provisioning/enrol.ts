/** Gives a unit its identity: signs a request made on the unit, or makes the keys too where there is no unit yet to make them. */
import path from 'node:path';
import type { UtcMs } from '@longroof/base/clock';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { openAuthority } from '@longroof/protocol/authority';

export interface EnrolRequest {
  /** Folder of the fleet's authority; made where there is none. */
  authority: string;
  unit: string;
  /** File with a certificate request (PEM). */
  csr?: string;
  /** Folder for unit.key, unit.crt, journal.key and ca.crt; must not hold an identity yet. */
  out?: string;
}

/** The unit's certificate for a request, as PEM; or the files that were written. Throws LR_ENROL_EXISTS, LR_CSR, LR_UNIT_NAME. */
export async function enrol(request: EnrolRequest, disk: Disk, now: () => UtcMs): Promise<{ certificatePem?: string; files: string[] }> {
  if ((request.csr === undefined) === (request.out === undefined))
    throw new Fault('invalid', 'LR_USAGE', 'give either --csr FILE or --out DIR', { hint: 'See longroof-provision enrol --help.' });
  if (request.csr !== undefined) {
    const csrPem = disk.readFile(request.csr).toString('utf8');
    const authority = await openAuthority(request.authority, disk, now);
    return { certificatePem: await authority.signUnit(request.unit, csrPem), files: [] };
  }
  const out = request.out as string;
  const file = (name: string): string => path.join(out, name);
  if (disk.stat(file('unit.key')))
    throw new Fault('conflict', 'LR_ENROL_EXISTS', `${out} holds an identity already`, {
      hint: 'Choose an empty folder; an identity is never overwritten.',
    });
  const authority = await openAuthority(request.authority, disk, now);
  const identity = await authority.issueUnit(request.unit);
  disk.makeDirectory(out);
  const contents: [string, string][] = [
    ['ca.crt', identity.rootPem],
    ['journal.key', identity.journalKeyPem],
    ['unit.crt', identity.unitCertificatePem],
    ['unit.key', identity.unitKeyPem],
  ];
  for (const [name, pem] of contents) writeDurably(disk, file(name), pem);
  return { files: contents.map(([name]) => file(name)) };
}

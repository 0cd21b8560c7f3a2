/** The centre's signatures under the checkpoints that an export shows, and the certificates of whoever made them. */
import type { Db } from '../store/open.js';
import type { ExportEpoch } from './statement.js';

const PAGE = 500;

export function countersignerFile(keyId: string): string {
  return `certificates/countersigner-${keyId}.crt`;
}

/** One line for each, in order of epoch and seq. `met` is called with the key of each. */
export async function* countersignedLines(
  db: Db,
  unit: string,
  epochs: readonly ExportEpoch[],
  met: (keyId: string) => void,
): AsyncGenerator<Buffer, void, undefined> {
  for (const { epoch, journal } of epochs)
    for (const { first, last } of journal)
      for (let from = first; ; ) {
        const rows = await db
          .selectFrom('countersigned')
          .select(['seq', 'text', 'key_id'])
          .where('unit', '=', unit)
          .where('epoch', '=', epoch)
          .where('seq', '>=', from)
          .where('seq', '<=', last)
          .orderBy('seq')
          .limit(PAGE)
          .execute();
        for (const row of rows) met(row.key_id);
        if (rows.length > 0) yield Buffer.from(rows.map(({ text }) => `${text}\n`).join(''));
        const end = rows.at(-1);
        if (!end || rows.length < PAGE) break;
        from = end.seq + 1;
      }
}

/** In order of the keys; those that are not known here are left out, and then what they signed proves nothing. */
export async function countersigners(db: Db, keyIds: ReadonlySet<string>): Promise<{ file: string; pem: string }[]> {
  if (keyIds.size === 0) return [];
  const rows = await db
    .selectFrom('signer')
    .selectAll()
    .where('key_id', 'in', [...keyIds])
    .orderBy('key_id')
    .execute();
  return rows.map((row) => ({ file: countersignerFile(row.key_id), pem: row.certificate_pem }));
}

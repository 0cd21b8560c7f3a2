/** What the manifest of an export says of its pull. */
import type { UtcMs } from '@longroof/base/clock';
import type { Db } from '../store/open.js';
import type { PullTable } from '../store/tables.js';
import type { ExportManifest } from './statement.js';

export function shapePull(pull: PullTable): ExportManifest['pull'] {
  return {
    id: pull.id,
    cameras: JSON.parse(pull.cameras_json) as string[],
    rendition: pull.rendition,
    fromUtcMs: pull.from_utc_ms as UtcMs,
    toUtcMs: pull.to_utc_ms as UtcMs,
    person: pull.person,
    reason: pull.reason,
    caseNumber: pull.case_number,
    createdUtcMs: pull.created_utc_ms,
    endedUtcMs: pull.ended_utc_ms,
    final: pull.final,
    code: pull.code,
  };
}

export async function missingOf(db: Db, pull: PullTable): Promise<ExportManifest['missing']> {
  const rows = await db.selectFrom('pull_missing').selectAll().where('pull', '=', pull.id).orderBy('ordinal').execute();
  return rows.map(({ camera, rendition, from_utc_ms, to_utc_ms, cause }) => ({
    camera,
    rendition,
    fromUtcMs: from_utc_ms,
    toUtcMs: to_utc_ms,
    cause,
  }));
}

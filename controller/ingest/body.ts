/** Checks of the members of record bodies. */
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { isRendition } from '@longroof/protocol/fragment';
import type { JournalRecord } from '@longroof/protocol/journal';

/** Throws `invalid` (LR_JOURNAL_BODY) that names the record and the first wrong member. */
export function checkBody(record: JournalRecord, rules: readonly (readonly [string, boolean])[]): void {
  for (const [name, ok] of rules)
    if (!ok) throw new Fault('invalid', 'LR_JOURNAL_BODY', `journal record ${record.seq}, ${record.type}: ${name} is wrong`);
}

export function streamRules(body: { camera?: unknown; rendition?: unknown }): (readonly [string, boolean])[] {
  return [
    ['camera', isId(body.camera)],
    ['rendition', isRendition(body.rendition)],
  ];
}

export function isText(value: unknown, charsMax: number): value is string {
  return typeof value === 'string' && value.length <= charsMax;
}

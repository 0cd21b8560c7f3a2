/**
 * The signed receipt for a request for footage, whatever came of it: granted, granted in part, none and why, refused, called off. It
 * verifies offline with the fleet's root alone, by docs/verification.md.
 */

import type { KeyObject } from 'node:crypto';
import { type Clock, rfc3339, type UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Rendition } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import { signStatement } from '@longroof/protocol/signed';
import { formatRate } from '../fleet/rate.js';
import type { ReceiptShape } from '../fleet/shapes.js';
import type { Db } from '../store/open.js';
import { type Stored, storedOf } from '../store/stored.js';
import type { PullTable } from '../store/tables.js';

export interface AnswerStatement {
  what: 'longroof-answer-1';
  /** Null where the request was refused before it became a pull. */
  pullId: string | null;
  unit: string;
  cameras: string[];
  rendition: Rendition;
  /** What was asked for, and came, is a copy of this rate that the unit made: `300k`; null for what the camera sent. */
  rate: string | null;
  from: string;
  to: string;
  person: string;
  reason: string;
  caseNumber: string | null;
  requestedUtcMs: UtcMs;
  endedUtcMs: UtcMs;
  /** `none`: nothing was refused, there is no footage, because of what `missing` says. */
  answer: 'granted' | 'partial' | 'none' | 'refused' | 'cancelled';
  /** With `refused`: see docs/errors.md. */
  code: string | null;
  /** Of this request that are at the centre. */
  fragments: number;
  bytes: number;
  missing: { camera: string; fromUtcMs: UtcMs; toUtcMs: UtcMs; cause: GapCause }[];
  storeEpoch: string;
  utcMs: UtcMs;
}

/** A request that never became a pull. */
export type Refusal = Pick<
  AnswerStatement,
  'unit' | 'cameras' | 'rendition' | 'rate' | 'from' | 'to' | 'person' | 'reason' | 'caseNumber'
> & {
  code: string;
};

export interface AnswersOptions {
  db: Db;
  clock: Pick<Clock, 'utc'>;
  signer: { key: KeyObject; certPem: string };
  storeEpoch: string;
}

export class Answers {
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Throws LR_PULL_UNKNOWN, LR_PULL_UNFINISHED. */
  async ofPull(id: string): Promise<ReceiptShape> {
    const { db } = this.#options;
    const pull = await db.selectFrom('pull').selectAll().where('id', '=', id).executeTakeFirst();
    if (!pull) throw new Fault('not-found', 'LR_PULL_UNKNOWN', `there is no pull ${id}`);
    if (pull.ended_utc_ms === null)
      throw new Fault('conflict', 'LR_PULL_UNFINISHED', 'this pull has not ended yet', { hint: 'Its receipt is given when it has.' });
    const missing = await db.selectFrom('pull_missing').selectAll().where('pull', '=', id).orderBy('ordinal').execute();
    const stored = await this.#stored(pull);
    return this.#sign({
      what: 'longroof-answer-1',
      ...{ pullId: pull.id, unit: pull.unit, cameras: JSON.parse(pull.cameras_json) as string[], rendition: pull.rendition },
      rate: pull.rate_bps === null ? null : formatRate(pull.rate_bps),
      ...{ from: rfc3339(pull.from_utc_ms), to: rfc3339(pull.to_utc_ms), person: pull.person, reason: pull.reason },
      ...{ caseNumber: pull.case_number, requestedUtcMs: pull.created_utc_ms, endedUtcMs: pull.ended_utc_ms },
      ...{ answer: answerOf(pull, stored.fragments, missing.length), code: pull.code, ...stored },
      missing: missing.map((row) => ({ camera: row.camera, fromUtcMs: row.from_utc_ms, toUtcMs: row.to_utc_ms, cause: row.cause })),
    });
  }

  ofRefusal(refusal: Refusal): ReceiptShape {
    const nowMs = Math.round(this.#options.clock.utc());
    const nothing = { answer: 'refused' as const, fragments: 0, bytes: 0, missing: [] };
    return this.#sign({ what: 'longroof-answer-1', pullId: null, ...refusal, requestedUtcMs: nowMs, endedUtcMs: nowMs, ...nothing });
  }

  #sign(statement: Omit<AnswerStatement, 'storeEpoch' | 'utcMs'>): ReceiptShape {
    const { clock, signer, storeEpoch } = this.#options;
    const whole: AnswerStatement = { ...statement, storeEpoch, utcMs: Math.round(clock.utc()) };
    const signed = signStatement(signer.key, whole);
    return { ...signed, statement: { ...whole }, certificate: signer.certPem };
  }

  async #stored(pull: PullTable): Promise<Stored> {
    const { db } = this.#options;
    const parts = await db.selectFrom('pull_part').selectAll().where('pull', '=', pull.id).execute();
    const sum = { fragments: 0, bytes: 0 };
    for (const part of parts) {
      const stored = await storedOf(db, pull.unit, part);
      sum.fragments += stored.fragments;
      sum.bytes += stored.bytes;
    }
    return sum;
  }
}

function answerOf(pull: PullTable, fragments: number, missing: number): AnswerStatement['answer'] {
  if (pull.state === 'cancelled') return 'cancelled';
  if (pull.state === 'failed') return 'refused';
  if (fragments === 0) return 'none';
  return missing > 0 || pull.final === 'partial' ? 'partial' : 'granted';
}

/**
 * The journal lane at the centre: each record once, in order, its chain and its checkpoints checked, stored together with what
 * follows from it. What does not follow from what is here is refused and entered in the audit chain; nothing is ever repaired.
 */
import { createPublicKey } from 'node:crypto';
import type { Clock, UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import {
  checkpointBytes,
  GENESIS_PREV,
  type JournalBatch,
  type JournalRecord,
  RECORD_BYTES_MAX,
  readBatch,
  verifyBytes,
} from '@longroof/protocol/journal';
import { keyId } from '@longroof/protocol/signed';
import type { Transaction } from 'kysely';
import { keepRecords, notedRows, noteRecords, recordsOf } from '../store/journal.js';
import type { EpochTable, Tables } from '../store/tables.js';
import { enterAlarm } from './alarms.js';
import type { Context, Link } from './context.js';
import { keepContradiction } from './contradiction.js';
import { countersign } from './countersign.js';
import { Projection } from './project.js';

const KEY_CHARS_MAX = 4096;
/** What makes a journal untrue, as against merely unreadable. */
const ALARMS: ReadonlySet<string> = new Set(['LR_JOURNAL_FORK', 'LR_JOURNAL_CHECKPOINT', 'LR_JOURNAL_GENESIS']);

/** After a batch its unit rests so many times as long as the batch kept us busy: none takes more than a fifth of the centre from the others. */
const REST_TIMES = 4;
const REST_MS_MAX = 1000;

export interface JournalResult {
  epoch: string;
  next: number;
  /** Pulls that may have come to their end. */
  endedPulls: boolean;
  /** Records that are kept as they came, not yet packed together. */
  loose: number;
  /** The newest checkpoint among what is new, with the centre's signature, as it goes to the unit. */
  countersigned?: string | undefined;
}

export class JournalLane {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Throws `corrupt` (LR_JOURNAL_BATCH, LR_JOURNAL_RECORD, LR_JOURNAL_FORK, LR_JOURNAL_CHECKPOINT) or `denied` (LR_JOURNAL_GENESIS). */
  async take(link: Link, payload: Uint8Array): Promise<JournalResult> {
    const { clock, commits, counters } = this.#context;
    await rest(clock, link);
    const fromMs = clock.mono();
    const { batch, texts } = decode(payload);
    let busyMs = clock.mono() - fromMs;
    counters.journalBatches += 1;
    try {
      const result = await commits.run(async (trx) => {
        const begunMs = clock.mono();
        const stored = await this.#store(trx, link, batch, texts);
        busyMs += clock.mono() - begunMs;
        return stored;
      });
      link.epochs.add(batch.epoch);
      return result;
    } catch (error) {
      if (error instanceof Fault && ALARMS.has(error.code)) await this.#alarm(link, batch, error);
      throw error;
    } finally {
      link.restsUntilMonoMs = clock.mono() + Math.min(REST_MS_MAX, busyMs * REST_TIMES);
    }
  }

  async #store(trx: Transaction<Tables>, link: Link, batch: JournalBatch, texts: readonly string[]): Promise<JournalResult> {
    const { clock, counters, fence, refusals } = this.#context;
    await fence.hold(trx, link.unit);
    const nowMs = Math.round(clock.utc());
    const known = await trx
      .selectFrom('epoch')
      .selectAll()
      .where('unit', '=', link.unit)
      .where('epoch', '=', batch.epoch)
      .executeTakeFirst();
    const epoch = known ?? newEpoch(link, batch, nowMs);
    const first = batch.records[0] as JournalRecord;
    if (first.seq > epoch.next_seq) {
      counters.journalHoles += 1;
      return { epoch: batch.epoch, next: epoch.next_seq, endedPulls: false, loose: 0 };
    }
    const fresh = batch.records.filter((record) => record.seq >= epoch.next_seq);
    await this.#compare(trx, link.unit, batch, epoch.next_seq);
    const next = fresh[0];
    if (!next) return { epoch: batch.epoch, next: epoch.next_seq, endedPulls: false, loose: 0 };
    if (next.prev !== epoch.head) throw fork(next.seq);
    checkCheckpoints(link.unit, epoch, fresh);
    if (!known) await trx.insertInto('epoch').values(epoch).execute();
    const projection = new Projection({ trx, unit: link.unit, epoch: batch.epoch, nowMs, storeEpoch: this.#context.store.storeEpoch });
    await insertRecords(trx, link.unit, { batch, fresh, texts, nowMs });
    const countersigned = await countersign(trx, this.#context, {
      ...{ unit: link.unit, epoch: batch.epoch, receivedUtcMs: nowMs },
      records: fresh.map((record) => ({ record, hash: hashOf(batch, record.seq - first.seq) })),
    });
    for (const record of fresh) await projection.take(record);
    const endedPulls = await projection.finish();
    for (const fault of projection.faults) refusals.count(link.unit, fault);
    const last = fresh.at(-1) as JournalRecord;
    await trx
      .updateTable('epoch')
      .set({ next_seq: last.seq + 1, head: batch.head })
      .where('unit', '=', link.unit)
      .where('epoch', '=', batch.epoch)
      .execute();
    counters.journalRecords += fresh.length;
    return { epoch: batch.epoch, next: last.seq + 1, endedPulls, loose: last.seq + 1 - epoch.packed_next, countersigned };
  }

  /** What came before and comes again must be the same. */
  async #compare(trx: Transaction<Tables>, unit: string, batch: JournalBatch, next: number): Promise<void> {
    const first = batch.records[0] as JournalRecord;
    const end = Math.min(next, first.seq + batch.records.length);
    if (first.seq >= end) return;
    for await (const records of recordsOf(trx, { unit, epoch: batch.epoch }, first.seq, end - 1))
      for (const { seq, hash } of records) if (hash !== hashOf(batch, seq - first.seq)) throw fork(seq);
  }

  #alarm(link: Link, batch: JournalBatch, fault: Fault): Promise<void> {
    const isFork = fault.code === 'LR_JOURNAL_FORK';
    if (isFork) this.#context.counters.journalForks += 1;
    const detail = { epoch: batch.epoch, seqFirst: batch.records[0]?.seq ?? 0, head: batch.head };
    return enterAlarm(this.#context, link, fault, detail, async (trx) => {
      if (isFork) await keepContradiction(trx, link.unit, batch, Math.round(this.#context.clock.utc()));
    });
  }
}

async function rest(clock: Clock, link: Link): Promise<void> {
  const leftMs = link.restsUntilMonoMs - clock.mono();
  if (leftMs > 0) await clock.sleep(leftMs);
}

function decode(payload: Uint8Array): ReturnType<typeof readBatch> {
  try {
    return readBatch(payload);
  } catch (error) {
    if (error instanceof RangeError)
      throw new Fault('corrupt', 'LR_JOURNAL_BATCH', 'journal batch: members nested too deep', { cause: error });
    throw error;
  }
}

/** Hash of the record at `index`: the `prev` of the one after it, or the batch's head. */
function hashOf(batch: JournalBatch, index: number): string {
  return batch.records[index + 1]?.prev ?? batch.head;
}

function fork(seq: number): Fault {
  return new Fault('corrupt', 'LR_JOURNAL_FORK', `journal record ${seq} does not follow from what is stored`);
}

/** The first record of an epoch names the journal's key, and the unit's certificate vouches for it. */
function newEpoch(link: Link, batch: JournalBatch, nowMs: UtcMs): EpochTable {
  const bad = (why: string): never => {
    throw new Fault('denied', 'LR_JOURNAL_GENESIS', `journal of an unknown epoch: ${why}`);
  };
  const first = batch.records[0] as JournalRecord<'genesis'>;
  if (first.seq !== 0 || first.type !== 'genesis' || first.prev !== GENESIS_PREV) return bad('its first record is no genesis');
  const { unit, epoch, journalKey } = first.body;
  if (unit !== link.unit || epoch !== batch.epoch) return bad('the genesis names another unit or epoch');
  if (typeof journalKey !== 'string' || journalKey.length > KEY_CHARS_MAX) return bad('the genesis has no key');
  let id = '';
  try {
    id = keyId(createPublicKey(journalKey));
  } catch {
    bad('the key in the genesis cannot be read');
  }
  if (id !== link.journalKeySha256) return bad('its key is not the one that the certificate binds');
  return {
    unit: link.unit,
    epoch,
    journal_key_pem: journalKey,
    next_seq: 0,
    head: GENESIS_PREV,
    started_utc_ms: nowMs,
    unit_certificate_pem: link.certificatePem ?? null,
    packed_next: 0,
  };
}

function checkCheckpoints(unit: string, epoch: EpochTable, records: readonly JournalRecord[]): void {
  let key: ReturnType<typeof createPublicKey> | undefined;
  for (const record of records) {
    if (record.type !== 'checkpoint') continue;
    const { head, signature } = (record as JournalRecord<'checkpoint'>).body;
    key ??= createPublicKey(epoch.journal_key_pem);
    const ok =
      head === record.prev &&
      typeof signature === 'string' &&
      verifyBytes(key, checkpointBytes(unit, epoch.epoch, record.seq - 1, head), signature);
    if (!ok) throw new Fault('corrupt', 'LR_JOURNAL_CHECKPOINT', `the signature of checkpoint ${record.seq} does not fit`);
  }
}

async function insertRecords(
  trx: Transaction<Tables>,
  unit: string,
  { batch, fresh, texts, nowMs }: { batch: JournalBatch; fresh: readonly JournalRecord[]; texts: readonly string[]; nowMs: UtcMs },
): Promise<void> {
  const offset = batch.records.length - fresh.length;
  const life = { unit, epoch: batch.epoch };
  const kept = fresh.map((record, index) => {
    const text = texts[offset + index] as string;
    if (text.length > RECORD_BYTES_MAX)
      throw new Fault('too-large', 'LR_JOURNAL_RECORD', `journal record ${record.seq} is too large`, {
        detail: { limit: RECORD_BYTES_MAX },
      });
    return { seq: record.seq, text, hash: hashOf(batch, offset + index), receivedUtcMs: nowMs };
  });
  await keepRecords(trx, life, kept);
  await noteRecords(trx, notedRows(life, fresh, nowMs));
}

/**
 * Gives records their number and their link, and signs checkpoints. A batch is encoded on a copy of the position and becomes the
 * chain's state only when `adopt` is called, after its bytes are durable: a failed write leaves no trace in memory.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { MonoMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { WallClaim } from '@longroof/protocol/fragment';
import {
  checkpointBytes,
  type JournalBodies,
  type JournalRecord,
  type JournalType,
  RECORD_BYTES_MAX,
  recordHash,
  recordText,
  signBytes,
} from '@longroof/protocol/journal';

/** A record that has no number yet. */
export interface DraftRecord<T extends JournalType = JournalType> {
  monoMs: MonoMs;
  wall: WallClaim;
  type: T;
  body: JournalBodies[T];
}

export interface EncodedBatch {
  records: JournalRecord[];
  /** The lines, each with its LF. */
  bytes: Buffer;
  next: number;
  head: string;
}

/** After so many records, or so long, a checkpoint is due. */
export const CHECKPOINT_RECORDS = 100;
export const CHECKPOINT_MS = 5 * 60_000;

export interface ChainOptions {
  unit: string;
  epoch: string;
  run: number;
  journalKeyPem: string;
  next: number;
  head: string;
  atMonoMs: MonoMs;
}

/** Throws `invalid` (LR_JOURNAL_BODY) for a body that JSON cannot carry or that is larger than a record may be. */
export function checkDraft(draft: DraftRecord): void {
  const text = recordText({ seq: 0, run: 0, prev: '', ...draft });
  if (Buffer.byteLength(text) + 128 > RECORD_BYTES_MAX)
    throw new Fault('too-large', 'LR_JOURNAL_BODY', `journal: a ${draft.type} record of ${text.length} characters`);
}

export class Chain {
  readonly #key: KeyObject;
  readonly #unit: string;
  readonly #epoch: string;
  readonly #run: number;
  #next: number;
  #head: string;
  #sinceCheckpoint = 0;
  #checkpointMonoMs: MonoMs;

  constructor(options: ChainOptions) {
    this.#key = createPrivateKey(options.journalKeyPem);
    this.#unit = options.unit;
    this.#epoch = options.epoch;
    this.#run = options.run;
    this.#next = options.next;
    this.#head = options.head;
    this.#checkpointMonoMs = options.atMonoMs;
  }

  get next(): number {
    return this.#next;
  }

  get head(): string {
    return this.#head;
  }

  /** True when records stand open that a checkpoint should have closed by now. */
  checkpointDue(nowMonoMs: MonoMs): boolean {
    return (
      this.#sinceCheckpoint >= CHECKPOINT_RECORDS || (this.#sinceCheckpoint > 0 && nowMonoMs - this.#checkpointMonoMs >= CHECKPOINT_MS)
    );
  }

  get open(): boolean {
    return this.#sinceCheckpoint > 0;
  }

  /** Numbers and links drafts; with `checkpoint` a signed record closes the batch. */
  encode(drafts: readonly DraftRecord[], checkpoint: { monoMs: MonoMs; wall: WallClaim } | undefined): EncodedBatch {
    let next = this.#next;
    let head = this.#head;
    const records: JournalRecord[] = [];
    const lines: string[] = [];
    const push = (draft: DraftRecord): void => {
      const record: JournalRecord = { seq: next, run: this.#run, ...draft, prev: head };
      const line = recordText(record);
      records.push(record);
      lines.push(line, '\n');
      head = recordHash(line);
      next += 1;
    };
    for (const draft of drafts) push(draft);
    if (checkpoint) {
      const signature = signBytes(this.#key, checkpointBytes(this.#unit, this.#epoch, next - 1, head));
      push({ ...checkpoint, type: 'checkpoint', body: { head, signature } });
    }
    return { records, bytes: Buffer.from(lines.join('')), next, head };
  }

  /** The batch is durable. */
  adopt(batch: EncodedBatch): void {
    this.#next = batch.next;
    this.#head = batch.head;
    const last = batch.records.at(-1);
    if (last?.type === 'checkpoint') {
      this.#sinceCheckpoint = 0;
      this.#checkpointMonoMs = last.monoMs;
    } else this.#sinceCheckpoint += batch.records.length;
  }
}

/**
 * The centre's signatures under this unit's checkpoints, kept in `countersigned.jsonl` beside the journal: with them the unit can show,
 * without the centre, what the centre had and when. One that is torn or lost comes again with the next hello; newer ones cover it.
 */
import path from 'node:path';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { recordHash } from '@longroof/protocol/journal';
import type { CheckpointReceipt, Signed } from '@longroof/protocol/messages';
import { COUNTERSIGNED_FILE } from '../spool/layout.js';
import type { Spool } from '../spool/spool.js';

/** Beyond it every second of the older ones goes, so that some of each age stay. */
const FILE_BYTES_MAX = 2 * 1024 * 1024;
const NEWEST_KEPT = 1024;
const NEWLINE = 0x0a;

export interface CountersignedOptions {
  spool: Pick<Spool, 'identity' | 'journal' | 'journalPosition'>;
  disk: Disk;
  dir: string;
  log: Log;
}

export class Countersigned {
  readonly #options: CountersignedOptions;
  readonly #file: string;
  #opened = false;
  #bytes = 0;
  #lastSeq = -1;

  constructor(options: CountersignedOptions) {
    this.#options = options;
    this.#file = path.join(options.dir, COUNTERSIGNED_FILE);
  }

  /**
   * Of a statement whose signature fits. True when it is new and kept. Throws `denied` (LR_COUNTERSIGNED_UNIT,
   * LR_COUNTERSIGNED_RECORD): the centre signed what is not in our journal.
   */
  async take(signed: Signed<CheckpointReceipt>): Promise<boolean> {
    const { spool } = this.#options;
    const { unit, epoch, seq, hash } = signed.statement;
    if (unit !== spool.identity.unit || epoch !== spool.identity.epoch)
      throw new Fault('denied', 'LR_COUNTERSIGNED_UNIT', 'a countersigned checkpoint of another unit or another life of the spool');
    const { oldest, next } = spool.journalPosition();
    // What is gone by age cannot be held against anything.
    if (seq < oldest) return false;
    const [record] = seq < next ? await spool.journal(seq, 1) : [];
    if (record?.seq !== seq || record.type !== 'checkpoint' || recordHash(record) !== hash)
      throw new Fault(
        'denied',
        'LR_COUNTERSIGNED_RECORD',
        `the centre countersigned a checkpoint ${seq} that is not the one in our journal`,
      );
    return this.#keep(seq, `${canonicalJson(signed as unknown as Json)}\n`);
  }

  #keep(seq: number, line: string): boolean {
    this.#open();
    if (seq <= this.#lastSeq) return false;
    const { disk } = this.#options;
    const fd = disk.openAppend(this.#file);
    try {
      disk.append(fd, [Buffer.from(line)]);
    } finally {
      disk.close(fd);
    }
    this.#bytes += line.length;
    this.#lastSeq = seq;
    if (this.#bytes > FILE_BYTES_MAX) this.#thin();
    return true;
  }

  #open(): void {
    if (this.#opened) return;
    const { disk, log, spool } = this.#options;
    const bytes = disk.stat(this.#file)?.isFile ? disk.readFile(this.#file) : Buffer.alloc(0);
    const whole = bytes.lastIndexOf(NEWLINE) + 1;
    if (whole < bytes.length) disk.truncate(this.#file, whole);
    for (const line of bytes.toString('utf8', 0, whole).split('\n').reverse()) {
      if (line === '') continue;
      try {
        const { statement } = JSON.parse(line) as Signed<CheckpointReceipt>;
        if (statement.epoch !== spool.identity.epoch) continue;
        this.#lastSeq = statement.seq;
        break;
      } catch (error) {
        log.warn({ file: this.#file, error: toFault(error, 'read a line') }, 'a line that cannot be read is left as it is');
      }
    }
    this.#bytes = whole;
    this.#opened = true;
  }

  #thin(): void {
    const { disk } = this.#options;
    const lines = disk.readFile(this.#file).toString('utf8').split('\n').slice(0, -1);
    const older = lines.slice(0, -NEWEST_KEPT).filter((_, index) => index % 2 === 1);
    const kept = [...older, ...lines.slice(-NEWEST_KEPT)].map((line) => `${line}\n`).join('');
    writeDurably(disk, this.#file, kept);
    this.#bytes = kept.length;
  }
}

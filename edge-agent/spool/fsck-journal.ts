/** The journal's part of fsck: chain, checkpoints, and what its records say that rows and files must agree with. */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import { streamText } from '@longroof/protocol/fragment';
import { type CatalogBody, type DisposalBody, type JournalRecord, recordHash } from '@longroof/protocol/journal';
import type { CheckpointReceipt, Signed } from '@longroof/protocol/messages';
import { listSegments } from '../journal/log.js';
import { verifyJournal } from '../journal/verify.js';
import type { Findings } from './fsck.js';
import type { IndexDb } from './index-db.js';
import { COUNTERSIGNED_FILE, JOURNAL_FOLDER, type Label } from './layout.js';

export interface Catalogued {
  count: number;
  root: string;
}

export interface JournalFacts {
  records: number;
  checkpoints: number;
  /** Of these, how many the centre countersigned, as far as they are kept. */
  countersigned: number;
  epoch: string;
  /** Reels by `STREAM/RUN/SEQFIRST`, less those disposed of. */
  catalogued: Map<string, Catalogued>;
  gone: Set<string>;
  /** The last thing it says is an orderly end. */
  clean: boolean;
}

export function reelKey(stream: string, run: number, seqFirst: number): string {
  return `${stream}/${run}/${seqFirst}`;
}

export function checkJournal(
  disk: Disk,
  root: string,
  label: Label | undefined,
  index: IndexDb | undefined,
  findings: Findings,
): JournalFacts {
  const facts: JournalFacts = {
    records: 0,
    checkpoints: 0,
    countersigned: 0,
    epoch: label?.epoch ?? '',
    catalogued: new Map(),
    gone: new Set(),
    clean: false,
  };
  const folder = path.join(root, JOURNAL_FOLDER);
  const { epochs, stray } = listSegments(disk, folder);
  for (const name of stray) findings.note('stray', path.join(JOURNAL_FOLDER, name), 'not ours; left alone');
  if (label && !epochs.has(label.epoch)) findings.bad('journal-missing', JOURNAL_FOLDER, `no journal of epoch ${label.epoch}`);
  const applied = Number(index?.get('applied') ?? 0);
  const countersigned = readCountersigned(disk, root, facts.epoch, findings);
  for (const [epoch, segments] of epochs) {
    const isCurrent = epoch === label?.epoch;
    const options = { unit: label?.unit ?? '', epoch, journalKey: isCurrent ? label?.journalKey : undefined };
    const verdict = verifyJournal(disk, segments, options, (record) => {
      if (!isCurrent) return;
      gather(facts, record);
      const signed = countersigned.get(record.seq);
      if (signed === recordHash(record)) facts.countersigned += 1;
      else if (signed !== undefined)
        findings.bad(
          'countersigned',
          COUNTERSIGNED_FILE,
          `the centre countersigned another record ${record.seq} than the one that is here`,
        );
      if (record.seq === applied - 1 && recordHash(record) !== index?.get('head'))
        findings.bad('journal-head', JOURNAL_FOLDER, `record ${record.seq} is not the one that the index was built from`);
    });
    facts.records += verdict.records;
    facts.checkpoints += verdict.checkpoints;
    for (const problem of verdict.problems) {
      const torn = problem.what === 'torn-tail';
      if (torn) findings.note('journal-torn', problem.file, `record ${problem.seq}: ${problem.why}; the next start cuts it off`);
      else findings.bad(`journal-${problem.what}`, problem.file, problem.why);
    }
    if (verdict.unchecked > 0)
      findings.note('journal-key', JOURNAL_FOLDER, `${verdict.unchecked} checkpoints not checked: no key in ${epoch}`);
    if (isCurrent && verdict.next < applied)
      findings.bad('journal-short', JOURNAL_FOLDER, `ends before record ${verdict.next}; the index knows ${applied}`);
    // What the index has not taken in yet, an orderly end among it, has no rows yet either.
    if (isCurrent && index && verdict.next > applied) facts.clean = false;
    if (isCurrent && verdict.next > applied)
      findings.note('journal-ahead', JOURNAL_FOLDER, `${verdict.next - applied} records that the index takes in at the next start`);
  }
  return facts;
}

/** Hashes by seq. Whose signature stands under them is for `longroof-verify` to say; here they are held against the journal. */
function readCountersigned(disk: Disk, root: string, epoch: string, findings: Findings): Map<number, string> {
  const hashes = new Map<number, string>();
  const file = path.join(root, COUNTERSIGNED_FILE);
  if (!disk.stat(file)?.isFile) return hashes;
  for (const line of disk.readFile(file).toString('utf8').split('\n')) {
    if (line === '') continue;
    try {
      const { statement } = JSON.parse(line) as Signed<CheckpointReceipt>;
      if (statement.epoch === epoch) hashes.set(statement.seq, statement.hash);
    } catch (error) {
      findings.note('countersigned', COUNTERSIGNED_FILE, `a line that cannot be read: ${toFault(error).message}`);
    }
  }
  return hashes;
}

function gather(facts: JournalFacts, record: JournalRecord): void {
  if (record.type === 'checkpoint') return;
  facts.clean = record.type === 'event' && (record.body as { event?: unknown }).event === 'spool-closed';
  if (record.type === 'catalog') {
    const body = record.body as CatalogBody;
    facts.catalogued.set(reelKey(streamText(body), body.run, body.seqFirst), { count: body.count, root: body.root });
  } else if (record.type === 'dispose' || record.type === 'loss') {
    const body = record.body as DisposalBody;
    const key = reelKey(streamText(body), body.run, body.seqFirst);
    // A loss of a reel's tail names its own first fragment, which is no reel's.
    if (facts.catalogued.delete(key)) facts.gone.add(key);
  }
}

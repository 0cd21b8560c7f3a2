/**
 * Looks at what a campaign of faults has left and says what is wrong. It stands apart from whatever made it: it reads the wagon's spool,
 * the centre's database and blobs, and the record of fragments that were durable at any time, all of them at rest.
 *
 *   node test/dist/fault/checker/main.js --unit wagon-1 --spool DIR --centre DATA --durable FILE --pulls FILE
 *
 * Prints one JSON object; its exit code is 1 when anything is wrong.
 */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { Command } from 'commander';
import { checkBlobs, checkDurable, checkRoots } from './fragments.js';
import { checkAudit, checkJournals, readSpoolJournal } from './journal.js';
import { type AskedPull, type Durable, Findings } from './known.js';
import { checkPulls } from './pulls.js';

const options = new Command('checker')
  .requiredOption('--unit <id>')
  .requiredOption('--spool <folder>')
  .requiredOption('--centre <folder>', "the centre's data")
  .requiredOption('--durable <file>', 'fragments that were durable, one JSON object a line')
  .requiredOption('--pulls <file>', 'pulls that the centre took, one JSON object a line')
  .parse()
  .opts<{ unit: string; spool: string; centre: string; durable: string; pulls: string }>();

function linesOf<T>(file: string): T[] {
  const text = fs.readFileSync(file, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

const findings = new Findings();
const db = new Database(path.join(options.centre, 'longroof.db'), { readonly: true, fileMustExist: true });
const durable = linesOf<Durable>(options.durable);
const wagon = readSpoolJournal(options.spool);
if (durable.length === 0) findings.add('nothing was ever durable: there is nothing to check');
checkJournals(db, options.unit, wagon, findings);
checkAudit(db, findings);
const stored = checkBlobs(db, options.centre, options.unit, findings);
const places = checkDurable(durable, options.spool, stored, wagon, findings);
checkRoots(durable, wagon, findings);
checkPulls(db, linesOf<AskedPull>(options.pulls), durable, places, findings);
db.close();
process.stdout.write(`${JSON.stringify({ wrong: findings.count, counts: findings.counts, findings: findings.list }, null, 1)}\n`);
process.exitCode = findings.count > 0 ? 1 : 0;

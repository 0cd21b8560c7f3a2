/**
 * A well-behaved unit beside one that is not: it speaks and uploads all the time, and how long each of its records took to be
 * acknowledged is kept. What must hold for it holds while everything else goes wrong.
 */
import type { Test } from 'tap';
import type { Centre } from '../ingest/centre.js';
import { ScriptedUnit } from '../ingest/scripted-unit.js';
import { storedJournal } from '../ingest/stored-journal.js';
import { until } from '../peers/program.js';

/** An honest unit's record is acknowledged within this; both ends and the attackers share two busy cores. */
const LATE_MS = 8000;
/** Both ends and all attackers live in this process. */
const GROWN_BYTES_MAX = 300 * 1024 * 1024;

export async function beside(t: Test, centre: Centre, run: (witness: ScriptedUnit) => Promise<void>): Promise<void> {
  const witness = await ScriptedUnit.create(centre, 'witness');
  await witness.join();
  const tookMs: number[] = [];
  let over = false;
  const speaking = (async () => {
    for (let seq = 0; !over; seq += 1) {
      const sentMs = performance.now();
      const from = witness.records.length;
      witness.record('health', { beat: seq });
      if ((await witness.sendJournal(from)) !== from + 1) throw new Error(`record ${from} of the witness was not taken`);
      tookMs.push(performance.now() - sentMs);
      if (seq % 10 === 9) await witness.upload(witness.fragment(seq, Buffer.alloc(30_000, seq)));
      await until('the next beat', () => over || performance.now() - sentMs > 100);
    }
  })();
  // It is judged below; here it must not end the process.
  speaking.catch(() => undefined);
  const before = process.memoryUsage().rss;
  await run(witness);
  const grown = process.memoryUsage().rss - before;
  over = true;
  await speaking;
  tookMs.sort((a, b) => a - b);
  const worst = tookMs.at(-1) ?? 0;
  const p95 = tookMs[Math.floor(tookMs.length * 0.95)] ?? 0;
  t.comment(
    `beside it: ${tookMs.length} records, p95 ${p95.toFixed(0)} ms, worst ${worst.toFixed(0)} ms; ${(grown / 2 ** 20).toFixed(0)} MB grown`,
  );
  t.ok(tookMs.length > 0 && worst < LATE_MS, `the witness is heard in time (${worst.toFixed(0)} ms)`);
  t.notOk(witness.closed, 'and never cut');
  t.notOk(
    witness.acks.some(({ what }) => what === 'refused'),
    'nor refused',
  );
  t.ok(grown < GROWN_BYTES_MAX, `memory is flat (${(grown / 2 ** 20).toFixed(0)} MB)`);
  const rows = await storedJournal(centre.store, 'witness');
  t.equal(rows.length, witness.records.length, 'its journal is here, all of it');
  await witness.end();
}

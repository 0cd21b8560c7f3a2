/** What the centre says of a fragment that is durable here: the statement that it signs for the unit, and again in an export. */
import type { StoredReceipt } from '@longroof/protocol/messages';
import type { FragmentTable } from './tables.js';

/** The centre keeps one copy; a store with replicas will say how many. */
const COPIES = 1;

export function storedStatement(row: FragmentTable, storeEpoch: string): StoredReceipt {
  return {
    what: 'longroof-stored-1',
    unit: row.unit,
    epoch: row.epoch,
    camera: row.camera,
    rendition: row.rendition,
    run: row.run,
    seq: row.seq,
    sha256: row.sha256,
    bytes: row.bytes,
    storeEpoch,
    copies: COPIES,
    storedUtcMs: row.stored_utc_ms,
  };
}

/**
 * Whether a receipt may free footage (S3): signed by a key of the fleet that may sign receipts, for this unit and epoch, of the store
 * that is there now, over the bytes that are on the disk. Throws a Fault with an LR_RECEIPT_ code that says what is wrong.
 */
import type { KeyObject } from 'node:crypto';
import { Fault } from '@longroof/base/errors';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { CheckpointReceipt, Signed, StoredReceipt } from '@longroof/protocol/messages';
import { keyId, verifyStatement } from '@longroof/protocol/signed';
import type { SpoolIdentity } from '../spool/spool.js';

export type Signature = 'fits' | 'other-key' | 'wrong';

export function checkSignature<T>(signed: Signed<T>, keys: readonly KeyObject[]): Signature {
  const key = keys.find((candidate) => keyId(candidate) === signed.keyId);
  if (!key) return 'other-key';
  return verifyStatement(key, signed) ? 'fits' : 'wrong';
}

export function isStored(signed: Signed<StoredReceipt> | Signed<CheckpointReceipt>): signed is Signed<StoredReceipt> {
  return signed.statement.what === 'longroof-stored-1';
}

/** Throws `denied` (LR_RECEIPT_KEY, LR_RECEIPT_SIGNATURE). */
export function checkSigned<T>(signed: Signed<T>, keys: readonly KeyObject[]): T {
  const signature = checkSignature(signed, keys);
  if (signature === 'other-key') throw new Fault('denied', 'LR_RECEIPT_KEY', 'signed by a key that may not sign receipts');
  if (signature === 'wrong') throw new Fault('denied', 'LR_RECEIPT_SIGNATURE', 'the signature of the receipt does not fit');
  return signed.statement;
}

/** `storeEpoch`: of the store that welcomed the unit; receipts of another are void. */
export function checkReceipt(
  signed: Signed<StoredReceipt>,
  keys: readonly KeyObject[],
  identity: SpoolIdentity,
  storeEpoch: string | undefined,
): StoredReceipt {
  const receipt = checkSigned(signed, keys);
  if (receipt.unit !== identity.unit || receipt.epoch !== identity.epoch)
    throw new Fault('denied', 'LR_RECEIPT_UNIT', 'a receipt for another unit or another life of the spool');
  if (receipt.storeEpoch !== storeEpoch)
    throw new Fault('denied', 'LR_RECEIPT_STORE', 'a receipt of another life of the store than the one that welcomed this unit');
  if (receipt.copies < 1) throw new Fault('denied', 'LR_RECEIPT_COPIES', 'a receipt over no copy at all');
  return receipt;
}

export function checkReceiptBytes(receipt: StoredReceipt, ours: FragmentMeta): void {
  if (receipt.sha256 !== ours.sha256 || receipt.bytes !== ours.bytes)
    throw new Fault('denied', 'LR_RECEIPT_HASH', 'a receipt over other bytes than ours');
}

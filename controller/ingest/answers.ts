/** What goes down to a unit: acknowledgements, refusals, signed receipts. */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import type { Fault } from '@longroof/base/errors';
import type { AckMessage } from '@longroof/protocol/messages';
import { signStatement } from '@longroof/protocol/signed';
import { storedStatement } from '../store/receipt.js';
import type { FragmentTable } from '../store/tables.js';
import type { Context, Link } from './context.js';

const MESSAGE_CHARS_MAX = 400;

function encode(message: unknown): Buffer {
  return Buffer.from(canonicalJson(message as Json));
}

/** Progress goes with QoS 0: within a connection nothing is lost, and after it nothing of it matters. */
export function sendAck(context: Context, link: Link, ack: AckMessage): Promise<void> {
  const qos = ack.what === 'part' || ack.what === 'rewind' ? 0 : 1;
  return context.broker.publish(link.session, 'ack', encode(ack), qos);
}

/** A handle is named only when the unit should give the fragment up; without it the unit tries again. */
export function sendRefusal(context: Context, link: Link, topic: string, fault: Fault, handle?: number): Promise<void> {
  context.counters.refusals += 1;
  context.refusals.count(link.unit, fault);
  const limit = fault.detail?.['limit'];
  return sendAck(context, link, {
    what: 'refused',
    topic,
    code: fault.code,
    message: fault.message.slice(0, MESSAGE_CHARS_MAX),
    ...(handle === undefined ? {} : { handle }),
    ...(typeof limit === 'number' ? { limit } : {}),
  });
}

export function sendReceipt(context: Context, link: Link, row: FragmentTable): Promise<void> {
  context.counters.receipts += 1;
  const receipt = storedStatement(row, context.store.storeEpoch);
  return context.broker.publish(link.session, 'receipt', encode(signStatement(context.receiptSigner.key, receipt)), 1);
}

/**
 * Reads what comes down from the controller, member by member: nothing of it is used before it has the shape it must have. Throws
 * `invalid` (LR_DOWN_SHAPE) that names the member.
 */
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { CERTIFICATE_CHARS_MAX } from '@longroof/protocol/certificates';
import { isRendition } from '@longroof/protocol/fragment';
import { type AckMessage, type CheckpointReceipt, MESSAGE_BYTES_MAX, type Signed, type StoredReceipt } from '@longroof/protocol/messages';

const CERTIFICATES_MAX = 16;
const TEXT_CHARS_MAX = 512;
const HEX32 = /^[0-9a-f]{32}$/;
const HEX64 = /^[0-9a-f]{64}$/;

type Members = Record<string, unknown>;

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const isHex32 = (value: unknown): value is string => typeof value === 'string' && HEX32.test(value);
export const isHex64 = (value: unknown): value is string => typeof value === 'string' && HEX64.test(value);
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= TEXT_CHARS_MAX;

function shape(what: string, rules: readonly (readonly [string, boolean])[]): void {
  for (const [name, ok] of rules) if (!ok) throw new Fault('invalid', 'LR_DOWN_SHAPE', `${what} from the controller: ${name} is wrong`);
}

function readObject(what: string, payload: Uint8Array): Members {
  let value: unknown;
  if (payload.length <= MESSAGE_BYTES_MAX) {
    try {
      value = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
    } catch (error) {
      throw new Fault('invalid', 'LR_DOWN_SHAPE', `${what} from the controller: not JSON`, { cause: error });
    }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Fault('invalid', 'LR_DOWN_SHAPE', `${what} from the controller: not an object, or too large`);
  return value as Members;
}

const ACK_RULES: Readonly<Record<AckMessage['what'], (m: Members) => (readonly [string, boolean])[]>> = {
  welcome: (m) => [
    ['storeEpoch', isText(m['storeEpoch'])],
    ['journalNext', isCount(m['journalNext'])],
    ['journalHead', isHex64(m['journalHead'])],
    [
      'receiptCertificates',
      Array.isArray(m['receiptCertificates']) &&
        m['receiptCertificates'].length <= CERTIFICATES_MAX &&
        m['receiptCertificates'].every((pem) => typeof pem === 'string' && pem.length <= CERTIFICATE_CHARS_MAX),
    ],
    ['creditBytes', isCount(m['creditBytes'])],
    ['utcMs', typeof m['utcMs'] === 'number' && Number.isFinite(m['utcMs'])],
  ],
  journal: (m) => [
    ['epoch', isHex32(m['epoch'])],
    ['next', isCount(m['next'])],
  ],
  part: (m) => [
    ['handle', isCount(m['handle'])],
    ['offset', isCount(m['offset'])],
  ],
  rewind: (m) => [
    ['handle', isCount(m['handle'])],
    ['offset', isCount(m['offset'])],
  ],
  live: (m) => [
    ['handle', isCount(m['handle'])],
    ['offset', isCount(m['offset'])],
  ],
  'want-init': (m) => [
    ['handle', isCount(m['handle'])],
    ['initSha256', isHex64(m['initSha256'])],
  ],
  refused: (m) => [
    ['topic', isText(m['topic'])],
    ['code', typeof m['code'] === 'string' && /^LR_[A-Z0-9_]{1,60}$/.test(m['code'])],
    ['message', isText(m['message'])],
    ['handle', m['handle'] === undefined || isCount(m['handle'])],
    ['limit', m['limit'] === undefined || isCount(m['limit'])],
  ],
};

export function readAck(payload: Uint8Array): AckMessage {
  const message = readObject('ack', payload);
  const rules = Object.hasOwn(ACK_RULES, String(message['what'])) ? ACK_RULES[message['what'] as AckMessage['what']] : undefined;
  if (!rules) throw new Fault('invalid', 'LR_DOWN_SHAPE', 'ack from the controller: of no kind that we know');
  shape(`ack ${String(message['what'])}`, rules(message));
  return message as unknown as AckMessage;
}

function readSigned(what: string, payload: Uint8Array): { signed: Signed<unknown>; statement: Members } {
  const signed = readObject(what, payload);
  const statement = signed['statement'];
  shape(what, [
    ['statement', typeof statement === 'object' && statement !== null && !Array.isArray(statement)],
    ['keyId', isHex64(signed['keyId'])],
    ['signature', typeof signed['signature'] === 'string' && /^[A-Za-z0-9_-]{86}$/.test(signed['signature'])],
  ]);
  return { signed: signed as unknown as Signed<unknown>, statement: statement as Members };
}

export function readReceipt(payload: Uint8Array): Signed<StoredReceipt> | Signed<CheckpointReceipt> {
  const { signed, statement: s } = readSigned('receipt', payload);
  if (s['what'] === 'longroof-countersigned-1') {
    shape('countersigned checkpoint', [
      ['unit', isId(s['unit'])],
      ['epoch', isHex32(s['epoch'])],
      ['seq', isCount(s['seq'])],
      ['hash', isHex64(s['hash'])],
      ['storeEpoch', isText(s['storeEpoch'])],
      ['receivedUtcMs', typeof s['receivedUtcMs'] === 'number' && Number.isFinite(s['receivedUtcMs'])],
    ]);
    return signed as Signed<CheckpointReceipt>;
  }
  shape('receipt', [
    ['what', s['what'] === 'longroof-stored-1'],
    ['unit', isId(s['unit'])],
    ['epoch', isHex32(s['epoch'])],
    ['camera', isId(s['camera'])],
    ['rendition', isRendition(s['rendition'])],
    ['run', isCount(s['run'])],
    ['seq', isCount(s['seq'])],
    ['sha256', isHex64(s['sha256'])],
    ['bytes', isCount(s['bytes'])],
    ['storeEpoch', isText(s['storeEpoch'])],
    ['copies', isCount(s['copies'])],
    ['storedUtcMs', typeof s['storedUtcMs'] === 'number' && Number.isFinite(s['storedUtcMs'])],
  ]);
  return signed as Signed<StoredReceipt>;
}

/** The frame of a signed desired state. What it asks for is checked by its receiver, once the signature holds. */
export function readDesired(payload: Uint8Array): Signed<Record<string, unknown>> {
  const { signed, statement: s } = readSigned('desired state', payload);
  shape('desired state', [
    ['what', s['what'] === 'longroof-desired-1'],
    ['unit', isId(s['unit'])],
    ['epoch', isHex32(s['epoch'])],
    ['generation', isCount(s['generation'])],
    ['pulls', Array.isArray(s['pulls'])],
  ]);
  return signed as Signed<Record<string, unknown>>;
}

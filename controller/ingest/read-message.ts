/** Reads the JSON messages of a unit member by member: nothing is used before it has the shape it must have. */
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { checkFragmentMeta } from '@longroof/protocol/fragment';
import {
  HELLO_CERTIFICATE_CHARS_MAX,
  type HelloMessage,
  LINK_WAITS,
  type LinkStatus,
  type ManifestMessage,
  MESSAGE_BYTES_MAX,
  type StatusMessage,
} from '@longroof/protocol/messages';

type Members = Record<string, unknown>;

const HELLO_BYTES_MAX = 4 * 1024;
const STATUS_BYTES_MAX = 16 * 1024;
/** Base64 of 64 KiB. */
const INIT_CHARS_MAX = 88 * 1024;
const STREAMS_MAX = 64;
const PATH_MAX = 32;
const HEX32 = /^[0-9a-f]{32}$/;
const HEX64 = /^[0-9a-f]{64}$/;
const STREAM = /^[a-z0-9-]{1,32}(\.proxy)?$/;
/** As the kernel has them. */
const INTERFACE = /^[A-Za-z0-9._:@-]{1,15}$/;
const STATES: ReadonlySet<unknown> = new Set(['recording', 'connecting', 'refused', 'stalled', 'no-video', 'disk', 'stopped']);

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const isReal = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
export const isHex64 = (value: unknown): value is string => typeof value === 'string' && HEX64.test(value);
const isCertificateText = (value: unknown): boolean =>
  value === undefined || (typeof value === 'string' && value.length <= HELLO_CERTIFICATE_CHARS_MAX);
const isVersion = (value: unknown): boolean => typeof value === 'string' && value.length <= 64;

/** Throws `invalid` (LR_MESSAGE), or `too-large` (LR_MESSAGE_BYTES) with the limit. */
function readObject(what: string, payload: Uint8Array, limit: number): Members {
  if (payload.length > limit)
    throw new Fault('too-large', 'LR_MESSAGE_BYTES', `${what}: ${payload.length} bytes; at most ${limit} are taken`, { detail: { limit } });
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
  } catch (error) {
    throw new Fault('invalid', 'LR_MESSAGE', `${what}: not JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Fault('invalid', 'LR_MESSAGE', `${what}: not an object`);
  return value as Members;
}

function check(what: string, rules: readonly (readonly [string, boolean])[]): void {
  for (const [name, ok] of rules) if (!ok) throw new Fault('invalid', 'LR_MESSAGE', `${what}: ${name} is wrong`);
}

export function readHello(payload: Uint8Array): HelloMessage {
  const m = readObject('hello', payload, HELLO_BYTES_MAX);
  check('hello', [
    ['unit', isId(m['unit'])],
    ['epoch', typeof m['epoch'] === 'string' && HEX32.test(m['epoch'])],
    ['run', isCount(m['run'])],
    ['version', isVersion(m['version'])],
    ['generation', isCount(m['generation'])],
    ['journalNext', isCount(m['journalNext'])],
    ['journalOldest', isCount(m['journalOldest'])],
    ['certificate', isCertificateText(m['certificate'])],
  ]);
  return m as unknown as HelloMessage;
}

function isStream(entry: [string, unknown]): boolean {
  const value = entry[1] as Members | null;
  return (
    STREAM.test(entry[0]) &&
    typeof value === 'object' &&
    value !== null &&
    STATES.has(value['state']) &&
    (value['code'] === undefined || (typeof value['code'] === 'string' && value['code'].length <= 64))
  );
}

function isBudget(value: unknown): boolean {
  const budget = (typeof value === 'object' ? value : null) as Members | null;
  return budget !== null && ['fromUtcMs', 'untilUtcMs', 'bytes', 'spentBytes'].every((key) => isCount(budget[key]));
}

function isLink(value: unknown): boolean {
  const link = (typeof value === 'object' && !Array.isArray(value) ? value : null) as Members | null;
  return (
    link !== null &&
    (link['interface'] === undefined || (typeof link['interface'] === 'string' && INTERFACE.test(link['interface']))) &&
    (link['class'] === 'metered' || link['class'] === 'free') &&
    (link['budget'] === undefined || isBudget(link['budget'])) &&
    (link['waits'] === undefined || (LINK_WAITS as readonly unknown[]).includes(link['waits'])) &&
    (link['urgentGoes'] === undefined || link['urgentGoes'] === true)
  );
}

function keptLink(link: LinkStatus): LinkStatus {
  const { budget } = link;
  return {
    ...(link.interface === undefined ? {} : { interface: link.interface }),
    class: link.class,
    ...(budget && {
      budget: { fromUtcMs: budget.fromUtcMs, untilUtcMs: budget.untilUtcMs, bytes: budget.bytes, spentBytes: budget.spentBytes },
    }),
    ...(link.waits && { waits: link.waits }),
    ...(link.urgentGoes && { urgentGoes: link.urgentGoes }),
  };
}

/** Only what a status has is kept, so that what is stored of it is bounded by its rules. */
export function readStatus(payload: Uint8Array): StatusMessage {
  const m = readObject('status', payload, STATUS_BYTES_MAX);
  const streams = m['streams'];
  const entries = typeof streams === 'object' && streams !== null && !Array.isArray(streams) ? Object.entries(streams) : undefined;
  check('status', [
    ['online', typeof m['online'] === 'boolean'],
    ['epoch', typeof m['epoch'] === 'string' && HEX32.test(m['epoch'])],
    ['run', isCount(m['run'])],
    ['utcMs', isReal(m['utcMs'])],
    ['version', isVersion(m['version'])],
    ['streams', entries !== undefined && entries.length <= STREAMS_MAX && entries.every(isStream)],
    ['link', m['link'] === undefined || isLink(m['link'])],
  ]);
  const { online, epoch, run, utcMs, version, link } = m as unknown as StatusMessage;
  const kept: StatusMessage['streams'] = {};
  for (const [name, value] of entries as [string, StatusMessage['streams'][string]][])
    kept[name] = value.code === undefined ? { state: value.state } : { state: value.state, code: value.code };
  return { online, epoch, run, utcMs, version, streams: kept, ...(link ? { link: keptLink(link) } : {}) };
}

/** A manifest's handle where it has one, so that a refusal can name it. */
export interface ReadManifest {
  handle: number | undefined;
  manifest?: ManifestMessage;
  fault?: Fault;
}

export function readManifest(payload: Uint8Array): ReadManifest {
  let handle: number | undefined;
  try {
    const m = readObject('manifest', payload, MESSAGE_BYTES_MAX);
    if (isCount(m['handle'])) handle = m['handle'];
    const path = m['path'];
    check('manifest', [
      ['handle', handle !== undefined],
      ['init', m['init'] === undefined || (typeof m['init'] === 'string' && m['init'].length <= INIT_CHARS_MAX)],
      ['path', path === undefined || (Array.isArray(path) && path.length <= PATH_MAX && path.every(isHex64))],
      ['index', m['index'] === undefined || isCount(m['index'])],
      ['count', m['count'] === undefined || isCount(m['count'])],
    ]);
    checkFragmentMeta(m['meta']);
    return { handle, manifest: m as unknown as ManifestMessage };
  } catch (error) {
    if (error instanceof Fault) return { handle, fault: error };
    throw error;
  }
}

/**
 * Antenna and jamming as a receiver tells them: members `ant` and `jam` of gpsd's TPV (gpsd_json(5), 3.23), NMEA TXT sentences, and the packet
 * UBX-MON-HW (u-blox M8 protocol specification, 32.16.5) as gpsd shows it with `raw`. What is not told is `unknown`, never `ok`.
 */
export const ANTENNA_STATES = ['unknown', 'ok', 'open', 'short'] as const;
export type AntennaState = (typeof ANTENNA_STATES)[number];
export const JAMMING_STATES = ['unknown', 'ok', 'warning', 'critical'] as const;
export type JammingState = (typeof JAMMING_STATES)[number];

export interface ReceiverState {
  antenna: AntennaState;
  jamming: JammingState;
  /** 0 to 255, of continuous waves. */
  jamIndicator?: number;
}

export const UNKNOWN_RECEIVER: ReceiverState = { antenna: 'unknown', jamming: 'unknown' };

const TXT_MAX = 256;
const MON_HW = { header: 'b5620a09', bytes: 60 };
/** UBX-MON-HW `aStatus`: init, don't know, ok, short, open. */
const A_STATUS: readonly AntennaState[] = ['unknown', 'unknown', 'ok', 'short', 'open'];
const WORDS: readonly [RegExp, AntennaState][] = [
  [/ANTSTATUS=OK|ANTENNA OK/i, 'ok'],
  [/ANTSTATUS=OPEN|ANTENNA OPEN/i, 'open'],
  [/ANTSTATUS=SHORT|ANTENNA SHORT/i, 'short'],
  [/ANTSTATUS=(INIT|DONTKNOW)/i, 'unknown'],
];

/** From members of a TPV; gives what it tells. */
export function readTpvState(report: Readonly<Record<string, unknown>>): Partial<ReceiverState> {
  const told: Partial<ReceiverState> = {};
  const antenna = typeof report['ant'] === 'number' ? ANTENNA_STATES[report['ant']] : undefined;
  if (antenna) told.antenna = antenna;
  const { jam } = report;
  if (typeof jam === 'number' && jam >= 0 && jam <= 255) Object.assign(told, byIndicator(Math.round(jam)));
  return told;
}

/** From a line that is no JSON; undefined where it tells nothing of it, or its sum is wrong. */
export function readRawLine(line: string): Partial<ReceiverState> | undefined {
  const text = line.trim();
  if (/^\$..TXT,/.test(text)) return readText(text);
  return text.toLowerCase().startsWith(MON_HW.header) ? readMonHw(text) : undefined;
}

function readText(text: string): Partial<ReceiverState> | undefined {
  const match = /^\$([^*]+)\*([0-9A-F]{2})$/i.exec(text);
  if (!match || text.length > TXT_MAX) return undefined;
  const [, body = '', sum = ''] = match;
  if ([...body].reduce((all, letter) => all ^ letter.charCodeAt(0), 0) !== Number.parseInt(sum, 16)) return undefined;
  const antenna = WORDS.find(([pattern]) => pattern.test(body))?.[1];
  return antenna ? { antenna } : undefined;
}

function readMonHw(text: string): Partial<ReceiverState> | undefined {
  const packet = /^[0-9a-f]+$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.alloc(0);
  // Sync 2, class and id 2, length 2, payload, sum 2 (the 8-bit Fletcher sum of RFC 1145 from the class on).
  if (packet.length < 8 + MON_HW.bytes || packet.readUInt16LE(4) !== MON_HW.bytes) return undefined;
  let [a, b] = [0, 0];
  for (const byte of packet.subarray(2, 6 + MON_HW.bytes)) {
    a = (a + byte) & 0xff;
    b = (b + a) & 0xff;
  }
  if (packet[6 + MON_HW.bytes] !== a || packet[7 + MON_HW.bytes] !== b) return undefined;
  const payload = packet.subarray(6);
  const jamming = JAMMING_STATES[((payload[22] ?? 0) >> 2) & 3] ?? 'unknown';
  return { antenna: A_STATUS[payload[20] ?? 0] ?? 'unknown', jamming, jamIndicator: payload[45] ?? 0 };
}

/** gpsd gives the indicator alone: u-blox calls it strong near its end. */
function byIndicator(jamIndicator: number): Pick<ReceiverState, 'jamming' | 'jamIndicator'> {
  return { jamIndicator, jamming: jamIndicator >= 200 ? 'critical' : jamIndicator >= 100 ? 'warning' : 'ok' };
}

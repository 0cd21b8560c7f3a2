/**
 * Times, sizes, lengths and numbers as people read them, by language. Local time in the language's own calendar and digits; UTC
 * always as ISO 8601 in Latin digits, so that it can be read out, copied and compared. Pure: same input, same text, but for the
 * time zone of the reader.
 */

export type FormatLanguage = 'en' | 'fa';

const LOCALE: Record<FormatLanguage, string> = { en: 'en-GB', fa: 'fa-IR' };
const cache = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>();

/** Building a formatter costs far more than using it; the set of options is small and fixed. */
function cached<T extends Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>(key: string, make: () => T): T {
  let found = cache.get(key) as T | undefined;
  if (!found) {
    found = make();
    cache.set(key, found);
  }
  return found;
}

const dates = (language: FormatLanguage, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
  cached(`${language} date ${name}`, () => new Intl.DateTimeFormat(LOCALE[language], options));

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;

/** 24 Nov 2026, 14:05:12 */
export function localDateTime(utcMs: number, language: FormatLanguage): string {
  return dates(language, 'full', { year: 'numeric', month: 'short', day: 'numeric', ...CLOCK }).format(utcMs);
}

/** 24 Nov 2026 */
export function localDate(utcMs: number, language: FormatLanguage): string {
  return dates(language, 'date', { year: 'numeric', month: 'short', day: 'numeric' }).format(utcMs);
}

/** 14:05:12 */
export function localTime(utcMs: number, language: FormatLanguage): string {
  return dates(language, 'time', CLOCK).format(utcMs);
}

/** 14:05, or the day where a day begins; for the ticks of an axis. */
export function tickText(utcMs: number, language: FormatLanguage, stepMs: number): string {
  const date = new Date(utcMs);
  if (date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0) {
    return dates(language, 'day', { month: 'short', day: 'numeric' }).format(utcMs);
  }
  if (stepMs < 60_000) return localTime(utcMs, language);
  return dates(language, 'tick', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(utcMs);
}

/** 2026-11-24 14:05:12 UTC */
export function utcText(utcMs: number): string {
  return `${new Date(utcMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** 14:05:12 UTC */
export function utcTime(utcMs: number): string {
  return `${new Date(utcMs).toISOString().slice(11, 19)} UTC`;
}

export function numberText(value: number, language: FormatLanguage, digits = 0): string {
  return cached(`${language} number ${digits}`, () => new Intl.NumberFormat(LOCALE[language], { maximumFractionDigits: digits })).format(
    value,
  );
}

/** `share` 0..1; rounded down, so that only a whole is 100 %. */
export function percentText(share: number, language: FormatLanguage): string {
  const floored = Math.floor(share * 1000) / 1000;
  return cached(
    `${language} percent`,
    () => new Intl.NumberFormat(LOCALE[language], { style: 'percent', maximumFractionDigits: 1 }),
  ).format(floored);
}

function unitText(value: number, unit: string, language: FormatLanguage, digits = 0): string {
  // The short form of a byte has no plural; the short ones of its multiples are Latin, and change sides in a line of Persian.
  const unitDisplay = unit === 'byte' || (language === 'fa' && unit.endsWith('byte')) ? 'long' : 'short';
  return cached(
    `${language} ${unit} ${digits}`,
    () => new Intl.NumberFormat(LOCALE[language], { style: 'unit', unit, unitDisplay, maximumFractionDigits: digits }),
  ).format(value);
}

const SIZES: [number, string][] = [
  [1e12, 'terabyte'],
  [1e9, 'gigabyte'],
  [1e6, 'megabyte'],
  [1e3, 'kilobyte'],
];

/** Decimal units, as disks and networks are sold. */
export function bytesText(bytes: number, language: FormatLanguage): string {
  for (const [size, unit] of SIZES) {
    if (bytes >= size) return unitText(bytes / size, unit, language, bytes / size < 100 ? 1 : 0);
  }
  return unitText(bytes, 'byte', language);
}

/** Of a rate as the API has it: `300k`, `1M`. */
export function rateBps(rate: string): number {
  return Number.parseFloat(rate) * (rate.endsWith('M') ? 1e6 : rate.endsWith('k') ? 1e3 : 1);
}

/** `300 kbit/s` */
export function rateText(bps: number, language: FormatLanguage): string {
  const [size, en, fa] = bps >= 1e6 ? [1e6, 'Mbit/s', 'مگابیت در ثانیه'] : [1e3, 'kbit/s', 'کیلوبیت در ثانیه'];
  return `${numberText(bps / size, language, 1)} ${language === 'fa' ? fa : en}`;
}

/** The two largest units that matter: `2 hr 5 min`, `12 sec`. Under 10 s with a tenth. */
export function lengthText(lengthMs: number, language: FormatLanguage): string {
  if (lengthMs < 1000) return unitText(Math.round(lengthMs), 'millisecond', language);
  if (lengthMs < 9_950) return unitText(lengthMs / 1000, 'second', language, 1);
  const steps: [number, string][] = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1000, 'second'],
  ];
  let restMs = Math.round(lengthMs / 1000) * 1000;
  const parts: string[] = [];
  for (const [stepMs, unit] of steps) {
    const count = Math.floor(restMs / stepMs);
    if (count > 0) parts.push(unitText(count, unit, language));
    else if (parts.length > 0) break;
    restMs -= count * stepMs;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** "2 minutes ago". */
export function agoText(agoMs: number, language: FormatLanguage): string {
  return fromNow(-1, Math.max(0, agoMs), language);
}

/** "in 2 minutes". */
export function untilText(untilMs: number, language: FormatLanguage): string {
  return fromNow(1, Math.max(0, untilMs), language);
}

function fromNow(sign: 1 | -1, lengthMs: number, language: FormatLanguage): string {
  const format = cached(`${language} from now`, () => new Intl.RelativeTimeFormat(LOCALE[language], { numeric: 'auto' }));
  const seconds = Math.round(lengthMs / 1000);
  if (seconds < 90) return format.format(sign * seconds, 'second');
  if (seconds < 90 * 60) return format.format(sign * Math.round(seconds / 60), 'minute');
  if (seconds < 36 * 3600) return format.format(sign * Math.round(seconds / 3600), 'hour');
  return format.format(sign * Math.round(seconds / 86_400), 'day');
}

/** For an `<input type="datetime-local">`: local time with seconds, `2026-11-24T14:05:12`. */
export function inputText(utcMs: number): string {
  const date = new Date(utcMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Back from the input; undefined where it holds no time. */
export function inputMs(text: string): number | undefined {
  const ms = new Date(text).getTime();
  return Number.isFinite(ms) ? ms : undefined;
}

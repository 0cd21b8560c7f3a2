/**
 * Reads a YAML file against a schema made of small checks. Every problem of a file is told at once, each with file, key, value and
 * what was expected; unknown keys are errors that name the nearest known one. What comes out is frozen.
 */
import path from 'node:path';
import { parseDocument } from 'yaml';
import type { Disk } from './disk.js';
import { Fault } from './errors.js';
import { isId } from './ids.js';

export interface ConfigProblem {
  /** `cameras[0].url` */
  key: string;
  /** As written, shortened; `***` where it may hold a secret. */
  value: string;
  expected: string;
}

export class ConfigContext {
  readonly problems: ConfigProblem[] = [];
  /** Folder of the file: relative paths start here. */
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  wrong(key: string, value: unknown, expected: string): undefined {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ key: key || '(the whole file)', value: show(value), expected });
    return undefined;
  }
}

/** A check: gives the value in its final form, or notes what is wrong and gives undefined. */
export interface Check<T> {
  read(value: unknown, key: string, context: ConfigContext): T | undefined;
  /** Set where the key may be left out. */
  fallback?: () => T;
}
type Read<C> = C extends Check<infer T> ? T : never;

const PROBLEMS_MAX = 100;
/** Of a key that nobody knows, so much is said. */
const KEY_CHARS_MAX = 40;
const CONFIG_BYTES_MAX = 1024 * 1024;

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'string' ? `"${value}"` : (JSON.stringify(value) ?? typeof value);
  const safe = text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/?#\s"]*@/gi, '$1***@');
  return safe.length > 80 ? `${safe.slice(0, 77)}...` : safe;
}

function simple<T>(expected: string, accept: (value: unknown) => T | undefined): Check<T> {
  return { read: (value, key, context) => accept(value) ?? context.wrong(key, value, expected) };
}

export const text = (expected = 'a text', charsMax = 1000): Check<string> =>
  simple(expected, (value) => (typeof value === 'string' && value.length > 0 && value.length <= charsMax ? value : undefined));

/** A unit's or camera's name. */
export const id = (): Check<string> =>
  simple('1 to 32 lower-case letters, digits or hyphens', (value) => (isId(value) ? value : undefined));

export const flag = (): Check<boolean> => simple('true or false', (value) => (typeof value === 'boolean' ? value : undefined));

export const number = (min: number, max: number, unit = ''): Check<number> =>
  simple(`a number from ${min} to ${max}${unit ? ` ${unit}` : ''}`, (value) =>
    typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max ? value : undefined,
  );

export const integer = (min: number, max: number): Check<number> =>
  simple(`a whole number from ${min} to ${max}`, (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max ? (value as number) : undefined,
  );

export const choice = <T extends string>(...choices: readonly T[]): Check<T> =>
  simple(`one of ${choices.join(', ')}`, (value) => ((choices as readonly unknown[]).includes(value) ? (value as T) : undefined));

/** A path; relative ones are taken from the folder of the file. */
export const filePath = (): Check<string> => ({
  read: (value, key, context) =>
    typeof value === 'string' && value.length > 0 && value.length <= 4096 && !value.includes('\0')
      ? path.resolve(context.folder, value)
      : context.wrong(key, value, 'a path'),
});

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `20GB` -> 20,000,000,000; `512MiB`. */
export const size = (minBytes: number, maxBytes: number): Check<number> =>
  simple(`a size such as 20GB or 512MiB, from ${minBytes} to ${maxBytes} bytes`, (value) => {
    const match =
      typeof value === 'number'
        ? [`${value}`, `${value}`, 'B']
        : typeof value === 'string'
          ? /^(\d+(?:\.\d+)?) ?([KMGT]i?B|B)$/.exec(value)
          : null;
    const bytes = match ? Math.round(Number(match[1]) * (SIZE_UNITS[match[2] ?? ''] ?? Number.NaN)) : Number.NaN;
    return bytes >= minBytes && bytes <= maxBytes ? bytes : undefined;
  });

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7 };

/** `90s` -> 90,000 (milliseconds); also ms, m, h, d. */
export const duration = (minMs: number, maxMs: number): Check<number> =>
  simple('a duration such as 90s, 12h or 30d', (value) => {
    const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/.exec(value) : null;
    const ms = match ? Math.round(Number(match[1]) * (DURATION_UNITS[match[2] ?? ''] ?? Number.NaN)) : Number.NaN;
    return ms >= minMs && ms <= maxMs ? ms : undefined;
  });

/** A URL of one of the schemes, with a host. */
export const url = (...schemes: readonly string[]): Check<URL> =>
  simple(`a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')} and names a host`, (value) => {
    if (typeof value !== 'string' || value.length > 4096 || !URL.canParse(value)) return undefined;
    const parsed = new URL(value);
    return schemes.includes(parsed.protocol.slice(0, -1)) && parsed.hostname !== '' ? parsed : undefined;
  });

export function optional<T>(check: Check<T>): Check<T | undefined>;
export function optional<T>(check: Check<T>, fallback: T): Check<T>;
export function optional<T>(check: Check<T>, fallback?: T): Check<T | undefined> {
  return { read: check.read, fallback: () => fallback };
}

export const list = <T>(check: Check<T>, countMin: number, countMax: number, what = 'entries'): Check<T[]> => ({
  read(value, key, context) {
    if (!Array.isArray(value) || value.length < countMin || value.length > countMax)
      return context.wrong(key, Array.isArray(value) ? `${value.length} ${what}` : value, `a list of ${countMin} to ${countMax} ${what}`);
    return value.map((item, index) => check.read(item, `${key}[${index}]`, context) as T);
  },
});

export function object<S extends Record<string, Check<unknown>>>(shape: S): Check<{ [K in keyof S]: Read<S[K]> }> {
  const known = Object.keys(shape);
  return {
    read(value, key, context) {
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        return context.wrong(key, value, `keys and values (${known.join(', ')})`);
      const at = (name: string): string => (key ? `${key}.${name}` : name);
      for (const [name, member] of Object.entries(value)) {
        if (!known.includes(name))
          context.wrong(at(tellKey(name)), member, `no such key${nearest(name, known)}; known are ${known.join(', ')}`);
      }
      const result: Record<string, unknown> = {};
      for (const [name, check] of Object.entries(shape)) {
        const member = (value as Record<string, unknown>)[name];
        if (member === undefined && check.fallback) result[name] = check.fallback();
        else if (member === undefined) context.wrong(at(name), undefined, 'this key is required');
        else result[name] = check.read(member, at(name), context);
      }
      return result as { [K in keyof S]: Read<S[K]> };
    },
  };
}

/** An unknown key may be anything that slipped into its place, a camera's URL with its password too. */
function tellKey(name: string): string {
  if (name.includes('://')) return '***';
  return name.length > KEY_CHARS_MAX ? `${name.slice(0, KEY_CHARS_MAX - 3)}...` : name;
}

function nearest(name: string, known: readonly string[]): string {
  const near = known.map((other) => ({ other, far: distance(name, other) })).sort((a, b) => a.far - b.far)[0];
  return near && near.far <= Math.max(1, Math.floor(name.length / 2)) ? ` (did you mean ${near.other}?)` : '';
}

/** Edits between two words (Levenshtein), words cut at 32 characters. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: Math.min(b.length, 32) + 1 }, (_, i) => i);
  for (const [i, letter] of [...a.slice(0, 32)].entries()) {
    const next = [i + 1];
    for (let j = 1; j < row.length; j++) {
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (b[j - 1] === letter ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** Checks the text of a configuration file. Throws `invalid` (LR_CONFIG) that lists every problem. */
export function parseConfig<T>(source: string, file: string, check: Check<T>): T {
  const context = new ConfigContext(path.dirname(path.resolve(file)));
  const fail = (lines: readonly string[]): never => {
    throw new Fault('invalid', 'LR_CONFIG', lines.join('\n'), { hint: 'Correct the file and start again.', detail: { file } });
  };
  const document = parseDocument(source, { uniqueKeys: true, logLevel: 'error', maxAliasCount: 10 } as object);
  if (document.errors.length > 0) fail(document.errors.slice(0, 5).map((error) => `${file}: ${error.message.split('\n')[0]}`));
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 10 });
  } catch (error) {
    fail([`${file}: ${(error as Error).message}`]);
  }
  const result = check.read(value, '', context);
  if (context.problems.length > 0)
    fail(context.problems.map((problem) => `${file}: ${problem.key}: is ${problem.value}; expected ${problem.expected}`));
  return deepFreeze(result as T);
}

/** Reads and checks a file; throws LR_CONFIG, also where it cannot be read. */
export function loadConfig<T>(disk: Disk, file: string, check: Check<T>): { config: T; source: string } {
  const stat = disk.stat(file);
  if (!stat?.isFile) throw new Fault('not-found', 'LR_CONFIG', `${file}: there is no such file`, { hint: 'Give its path with --config.' });
  if (stat.bytes > CONFIG_BYTES_MAX) throw new Fault('too-large', 'LR_CONFIG', `${file}: larger than ${CONFIG_BYTES_MAX} bytes`);
  const source = disk.readFile(file).toString('utf8');
  return { config: parseConfig(source, file, check), source };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof URL)) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}

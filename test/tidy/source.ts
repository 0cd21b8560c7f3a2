/**
 * Reads the repository's own sources for the tidy tests: which files there are, what they import, and how long their functions are.
 * Knows what the head of a function looks like in code that the formatter has been over; it is no parser.
 */
import fs from 'node:fs';
import path from 'node:path';
import { codeOnly } from './code-only.js';

export const ROOT = path.resolve(import.meta.dirname, '../../..');
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', '.tap', 'data', '__pycache__']);

export interface Source {
  /** From the repository's root, with slashes. */
  file: string;
  text: string;
}

function walk(folder: string): string[] {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return LEFT_OUT.has(entry.name) ? [] : walk(file);
    return entry.isFile() ? [file] : [];
  });
}

/** All files whose name ends so, sorted. */
export function sources(...endings: string[]): Source[] {
  return walk('')
    .filter((file) => endings.some((ending) => file.endsWith(ending)))
    .sort()
    .map((file) => ({ file, text: fs.readFileSync(path.join(ROOT, file), 'utf8') }));
}

/** Tests, what lies in `test`, and helpers that stand beside tests as `test-x.ts`. */
export const isTest = (file: string): boolean => file.startsWith('test/') || /\.test\.tsx?$|\/test-[a-z-]+\.ts$/.test(file);

/** What a file imports or exports from, as written. */
export function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const pattern = /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*'([^']+)'|(?:^|\n)import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;
  return [...code.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

export interface FunctionLength {
  name: string;
  line: number;
  lines: number;
}

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}', '<': '>' };

/** Index after the bracket that closes the one at `at`. */
function skip(code: string, at: number): number {
  const open = code[at]!;
  const close = CLOSING[open]!;
  let depth = 0;
  for (let i = at; i < code.length; i++) {
    if (code[i] === open) depth++;
    else if (code[i] === close && !(close === '>' && code[i - 1] === '=') && --depth === 0) return i + 1;
  }
  return code.length;
}

/** Where the body's brace stands for a head whose parameters open at `at`; undefined where it has no body. */
function bodyAfter(code: string, at: number): number | undefined {
  let i = skip(code, at);
  let mayBeType = false;
  for (; i < code.length; i++) {
    const c = code[i]!;
    if (c === ';' || c === ')' || c === ',' || c === '=') return undefined;
    if (c === '{' && !mayBeType) return i;
    if (c === '<' || c === '[' || c === '(' || c === '{') i = skip(code, i) - 1;
    if (/\S/.test(c)) mayBeType = c === ':' || c === '|' || c === '&';
  }
  return undefined;
}

const HEAD =
  /\bfunction\b\s*\*?\s*([\w$]*)\s*(?:<[^()]*?>)?\(|^[ \t]*(?:(?:static|async|override|get|set|private|public)\s+)*\*?(#?[\w$]+)\s*(?:<[^()]*?>)?\(/gm;
const NOT_A_NAME: ReadonlySet<string> = new Set([
  'if',
  'for',
  'while',
  'switch',
  'catch',
  'return',
  'await',
  'super',
  'with',
  'function',
  'import',
  'assert',
]);

/** Functions, methods and arrow functions with a body, and how many lines each has. */
export function functionsOf(text: string): FunctionLength[] {
  const code = codeOnly(text);
  const found: { name: string; at: number; body: number }[] = [];
  for (const match of code.matchAll(HEAD)) {
    const name = match[1] || match[2] || 'function';
    if (NOT_A_NAME.has(match[2] ?? '')) continue;
    const body = bodyAfter(code, match.index + match[0].length - 1);
    if (body !== undefined) found.push({ name, at: match.index + match[0].search(/\S/), body });
  }
  for (const match of code.matchAll(/=>\s*\{/g)) {
    const start = code.lastIndexOf('\n', match.index) + 1;
    const line = text.slice(start, text.indexOf('\n', start));
    const name = /(?:const|let)\s+([\w$]+)/.exec(line) ?? /'([^']+)'/.exec(line) ?? /([#\w$]+)\s*[:=(]/.exec(line);
    found.push({ name: name?.[1] ?? 'arrow', at: start, body: match.index + match[0].length - 1 });
  }
  const lineOf = (at: number): number => code.slice(0, at).split('\n').length;
  return found.map(({ name, at, body }) => ({ name, line: lineOf(at), lines: lineOf(skip(code, body) - 1) - lineOf(at) + 1 }));
}

/** Folders and files of one unit and of one centre for tests that run the real programs: identity, unit.yaml, controller.yaml. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';

const run = promisify(execFile);
/** The repository's root, seen from test/dist/peers. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

export function bin(pkg: 'firmware' | 'edge-agent' | 'controller' | 'provisioning', name: string): string {
  return path.join(ROOT, pkg, 'bin', `${name}.js`);
}

export interface WagonCamera {
  id: string;
  url: string;
  sub?: string;
  engine?: 'own' | 'ffmpeg' | 'auto';
  audio?: boolean;
}

export interface WagonOptions {
  folder: string;
  unit?: string;
  authority: string;
  cameras: WagonCamera[];
  controller?: string;
  quota?: string;
  keep?: string;
  gnss?: string;
  /** `unix:` and the path of the board service's socket. */
  board?: string;
  metricsPort?: number;
  media?: { user?: string; strips?: boolean };
}

/** Enrols the unit (once) and writes its unit.yaml; gives the path of the file. JSON is YAML. */
export async function prepareWagon(options: WagonOptions): Promise<string> {
  const unit = options.unit ?? 'wagon-1';
  const identity = path.join(options.folder, 'identity');
  if (!fs.existsSync(path.join(identity, 'unit.key'))) {
    await run(process.execPath, [
      bin('provisioning', 'longroof-provision'),
      'enrol',
      '--authority',
      options.authority,
      '--unit',
      unit,
      '--out',
      identity,
    ]);
  }
  const file = path.join(options.folder, 'unit.yaml');
  const keep = options.keep ? { keepOriginal: options.keep, keepProxy: options.keep } : {};
  const config = {
    unit,
    ...(options.controller ? { controller: options.controller } : {}),
    identity: './identity',
    spool: { path: './spool', quota: options.quota ?? '2GB', ...keep },
    ...(options.gnss ? { gnss: options.gnss } : {}),
    ...(options.board ? { board: options.board } : {}),
    ...(options.media ? { media: options.media } : {}),
    metrics: { port: options.metricsPort ?? 0 },
    cameras: options.cameras,
  };
  fs.writeFileSync(file, JSON.stringify(config, null, 2));
  return file;
}

export interface FsckAnswer {
  code: number;
  report: unknown;
  text: string;
}

/** Runs `longroof-fsck DIR --json`. */
export async function fsck(spool: string): Promise<FsckAnswer> {
  const done = await run(process.execPath, [bin('edge-agent', 'longroof-fsck'), spool, '--json'], { maxBuffer: 1 << 26 }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code?: number; stdout?: string; stderr?: string }) => ({
      code: error.code ?? -1,
      stdout: error.stdout || `"${error.stderr ?? ''}"`,
    }),
  );
  let report: unknown = done.stdout;
  try {
    report = JSON.parse(done.stdout);
  } catch {
    report = done.stdout;
  }
  return { code: done.code, report, text: done.stdout };
}

/** Records of a spool's journal, in order of seq. */
export function journalRecords(spool: string): Record<string, unknown>[] {
  const folder = path.join(spool, 'journal');
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .flatMap((name) => fs.readFileSync(path.join(folder, name), 'utf8').split('\n'))
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .sort((a, b) => (a['seq'] as number) - (b['seq'] as number));
}

/** Opens a database of a running program for reading. */
export function readDatabase<T>(file: string, read: (db: Database.Database) => T): T {
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    return read(db);
  } finally {
    db.close();
  }
}

/**
 * Records the life of a spool on ext4 as the disk sees it: every write and flush in order, and between them what the recorder was told
 * is durable. The block device is an NBD server of ours behind nbdfuse and the kernel's loop device, so the file system is the kernel's.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { until } from '../peers/program.js';
import type { Mark } from './life.js';
import { startNbdServer } from './nbd-server.js';
import { VolatileDisk, type Write } from './volatile-disk.js';

const run = promisify(execFile);
const DISK_BYTES = 24 * 2 ** 20;
const JOURNAL_MB = 4;

export interface Recording {
  /** The disk before the first entry: an empty file system. */
  image: Buffer;
  entries: (Write | 'flush')[];
  /** `at`: how many entries there were when it was said. */
  marks: { at: number; mark: Mark }[];
}

export interface RecordingOptions {
  folder: string;
  seed: number;
  commits: number;
  keyFile: string;
  /** Environment of the writer. */
  env?: Record<string, string>;
}

export async function makeFileSystem(file: string, sizeBytes: number, options: string[] = []): Promise<void> {
  fs.writeFileSync(file, '');
  fs.truncateSync(file, sizeBytes);
  const eager = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard';
  await run('mkfs.ext4', ['-q', '-F', '-b', '4096', '-J', `size=${JOURNAL_MB}`, '-E', eager, ...options, file]);
}

export async function record(options: RecordingOptions): Promise<Recording> {
  const file = path.join(options.folder, 'empty.img');
  await makeFileSystem(file, DISK_BYTES);
  const image = fs.readFileSync(file);
  const recording: Recording = { image, entries: [], marks: [] };
  const disk = new VolatileDisk(Buffer.from(image), (event) => recording.entries.push(event));
  const server = await startNbdServer(path.join(options.folder, 'nbd.sock'), disk);
  const device = path.join(options.folder, 'disk');
  fs.writeFileSync(device, '');
  const nbdfuse = spawn('nbdfuse', [device, '--unix', server.socket], { stdio: 'inherit' });
  const mount = path.join(options.folder, 'mount');
  fs.mkdirSync(mount);
  let entries = 0;
  try {
    await until('nbdfuse shows the disk', async () => (await fs.promises.stat(device)).size === DISK_BYTES);
    await run('mount', ['-o', 'loop,noatime', device, mount]);
    try {
      entries = await write(path.join(mount, 'spool'), options, recording);
    } finally {
      await run('umount', [mount]);
    }
  } finally {
    await run('umount', [device]);
    await ended(nbdfuse);
    await server.close();
  }
  // What the file system writes while it is unmounted came after the last mark.
  recording.entries.length = entries;
  return recording;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Gives the number of entries when the writer ended. */
async function write(spool: string, options: RecordingOptions, recording: Recording): Promise<number> {
  const program = path.join(import.meta.dirname, 'writer.js');
  const child = spawn(process.execPath, [program, spool, String(options.seed), String(options.commits), options.keyFile], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
  });
  const answers = child.stdio[4] as Writable;
  answers.on('error', () => undefined);
  readline.createInterface({ input: child.stdio[3] as NodeJS.ReadableStream }).on('line', (line) => {
    recording.marks.push({ at: recording.entries.length, mark: JSON.parse(line) as Mark });
    answers.write('.');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the writer ended with ${code}`);
  return recording.entries.length;
}

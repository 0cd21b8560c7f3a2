/**
 * What must be known of commands after a restart, in two small files beside the spool: `desired.json`, the last desired state
 * accepted, and `commands.json`, how far its pulls have come. Both belong to one epoch: those of another life of the spool, and what
 * cannot be read, count as none, and the controller sends its desired state again at the next hello.
 */
import path from 'node:path';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import type { Log } from '@longroof/base/log';
import type { DesiredState } from '@longroof/protocol/messages';
import { type Progress, type Run, readDesiredState } from './plan.js';

/** Finished pulls that are remembered beyond the desired state that named them. */
const REMEMBERED_MAX = 512;
const STATES: ReadonlySet<unknown> = new Set(['planned', 'complete', 'partial', 'refused']);

export class CommandState {
  readonly #disk: Disk;
  readonly #desiredFile: string;
  readonly #commandsFile: string;
  readonly #epoch: string;
  readonly #progress = new Map<string, Progress>();
  #desired: DesiredState | undefined;

  constructor(disk: Disk, directory: string, unit: string, epoch: string, log: Log) {
    this.#disk = disk;
    this.#desiredFile = path.join(directory, 'desired.json');
    this.#commandsFile = path.join(directory, 'commands.json');
    this.#epoch = epoch;
    const desired = readJson(disk, this.#desiredFile, log);
    if (desired?.['epoch'] === epoch && desired['unit'] === unit && isCount(desired['generation']))
      this.#desired = tryDesired(desired, log);
    const commands = readJson(disk, this.#commandsFile, log);
    if (commands?.['epoch'] !== epoch || !Array.isArray(commands['pulls'])) return;
    for (const entry of commands['pulls'] as unknown[]) {
      if (!Array.isArray(entry)) continue;
      const [pullId, progress] = entry as unknown[];
      if (typeof pullId === 'string' && isProgress(progress)) this.#progress.set(pullId, progress);
    }
  }

  get generation(): number {
    return this.#desired?.generation ?? 0;
  }

  get desired(): DesiredState | undefined {
    return this.#desired;
  }

  get progress(): ReadonlyMap<string, Progress> {
    return this.#progress;
  }

  /** Durable when it returns. */
  accept(desired: DesiredState): void {
    writeDurably(this.#disk, this.#desiredFile, canonicalJson(desired as unknown as Json));
    this.#desired = desired;
  }

  /** Durable when it returns. */
  note(pullId: string, progress: Progress): void {
    this.#progress.delete(pullId);
    this.#progress.set(pullId, progress);
    const wanted = new Set(this.#desired?.pulls.map((pull) => pull.pullId));
    for (const old of this.#progress.keys()) {
      if (this.#progress.size <= REMEMBERED_MAX) break;
      if (!wanted.has(old)) this.#progress.delete(old);
    }
    writeDurably(
      this.#disk,
      this.#commandsFile,
      canonicalJson({ epoch: this.#epoch, pulls: [...this.#progress] as unknown as readonly Json[] }),
    );
  }
}

function readJson(disk: Disk, file: string, log: Log): Record<string, unknown> | undefined {
  if (!disk.stat(file)?.isFile) return undefined;
  try {
    const value: unknown = JSON.parse(disk.readFile(file).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    log.warn({ file, error: toFault(error, `read ${file}`) }, 'not readable: as if it were not there');
    return undefined;
  }
}

function tryDesired(value: Record<string, unknown>, log: Log): DesiredState | undefined {
  try {
    return readDesiredState(value);
  } catch (error) {
    log.warn({ error: toFault(error, 'desired.json') }, 'not readable: as if it were not there');
    return undefined;
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isRun(value: unknown): value is Run {
  const run = value as Partial<Run> | null;
  return typeof run === 'object' && run !== null && isId(run.camera) && [run.run, run.seqFirst, run.seqLast].every(isCount);
}

const areRuns = (value: unknown): boolean => value === undefined || (Array.isArray(value) && value.every(isRun));

function isProgress(value: unknown): value is Progress {
  const progress = value as Record<'state' | 'fragments' | 'bytes' | 'parts' | 'made', unknown> | null;
  if (typeof progress !== 'object' || progress === null || !STATES.has(progress.state)) return false;
  if (progress.state !== 'planned') return true;
  return isCount(progress.fragments) && isCount(progress.bytes) && areRuns(progress.parts) && areRuns(progress.made);
}

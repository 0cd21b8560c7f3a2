/**
 * Settings that the centre lays over the unit's own file: taken on at once, kept beside the spool for the next start, answered in the
 * journal as applied or refused with the reason. One that is refused changes nothing: what was applied before stays.
 */
import path from 'node:path';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import type { Clock } from '@longroof/base/clock';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { ConfigurationAnswer } from '@longroof/protocol/messages';
import { readSettings, type UnitSettings } from '@longroof/protocol/settings';
import type { Spool } from '../spool/spool.js';
import { NewestWins } from './newest-wins.js';

const FILE = 'configuration.json';
const FILE_BYTES_MAX = 64 * 1024;
const ID = /^[A-Za-z0-9-]{1,64}$/;
const MESSAGE_CHARS_MAX = 400;

/** As it comes: what it asks for is read when it is taken on. */
export interface AskedConfiguration {
  configurationId: string;
  settings: unknown;
}

interface Kept {
  /** The last one that was answered. */
  answered: string | null;
  settings: UnitSettings | null;
}

/** Undefined where there is none. Throws `invalid` (LR_DESIRED_SHAPE) for one without a name: it could not be answered. */
export function readConfiguration(value: unknown): AskedConfiguration | undefined {
  if (value === undefined) return undefined;
  const id = (value as { configurationId?: unknown } | null)?.configurationId;
  if (typeof id === 'string' && ID.test(id)) return value as AskedConfiguration;
  throw new Fault('invalid', 'LR_DESIRED_SHAPE', 'desired state: configuration is wrong');
}

/** What was applied last; undefined where nothing was, or the file cannot be read: the centre sends it again. */
export function keptSettings(disk: Disk, dir: string, log: Log): UnitSettings | undefined {
  return readKept(disk, dir, log).settings ?? undefined;
}

function readKept(disk: Disk, dir: string, log: Log): Kept {
  const none = { answered: null, settings: null };
  const file = path.join(dir, FILE);
  const stat = disk.stat(file);
  if (!stat?.isFile || stat.bytes > FILE_BYTES_MAX) return none;
  try {
    const { answered, settings } = JSON.parse(disk.readFile(file).toString('utf8')) as Record<string, unknown>;
    return { answered: typeof answered === 'string' ? answered : null, settings: settings === null ? null : readSettings(settings) };
  } catch (error) {
    log.warn({ file, error: toFault(error, `read ${file}`) }, 'not readable: as if it were not there');
    return none;
  }
}

export interface ConfigurationKeeperOptions {
  spool: Pick<Spool, 'record'>;
  disk: Disk;
  dir: string;
  clock: Clock;
  log: Log;
  /** Takes settings on, or throws why not. */
  take: (settings: UnitSettings) => Promise<void>;
}

export class ConfigurationKeeper {
  readonly #options: ConfigurationKeeperOptions;
  readonly #work: NewestWins<AskedConfiguration>;
  #kept: Kept;

  constructor(options: ConfigurationKeeperOptions) {
    this.#options = options;
    const { disk, dir, clock, log } = options;
    this.#kept = readKept(disk, dir, log);
    const told = { what: 'configuration', failed: 'an answer could not be kept; tried again' };
    this.#work = new NewestWins({ clock, log, settle: (asked) => this.#settle(asked), ...told });
  }

  /** The newest wins; one that was answered is not answered again. */
  apply(asked: AskedConfiguration | undefined): void {
    if (asked !== undefined) this.#work.want(asked);
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  async #settle({ configurationId, settings }: AskedConfiguration): Promise<void> {
    if (configurationId === this.#kept.answered) return;
    const { spool, disk, dir, log, take } = this.#options;
    let answer: ConfigurationAnswer = { configurationId, state: 'applied' };
    let read = this.#kept.settings;
    try {
      const wanted = readSettings(settings);
      await take(wanted);
      read = wanted;
    } catch (error) {
      const { code, message } = toFault(error, 'take settings on');
      answer = { configurationId, state: 'refused', code, message: message.slice(0, MESSAGE_CHARS_MAX) };
    }
    log.info({ ...answer }, 'configuration');
    // First the answer: after a power cut between the two it is taken on and answered once more, which changes nothing.
    await spool.record('event', { event: 'configuration', detail: answer as unknown as Record<string, Json> }, { urgent: true });
    this.#kept = { answered: configurationId, settings: read };
    writeDurably(disk, path.join(dir, FILE), canonicalJson(this.#kept as unknown as Json));
  }
}

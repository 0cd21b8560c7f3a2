/** Keeps `restore-report.txt` in the data folder up to date while units come back after a restore. Where there was none it does nothing. */
import path from 'node:path';
import type { Clock, Timer } from '@longroof/base/clock';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { RestoreReader } from './fleet/restores.js';
import { restoreText } from './restore-text.js';
import type { Db } from './store/open.js';

const LOOK_MS = 5000;
export const REPORT_FILE = 'restore-report.txt';

export interface RestoreReportOptions {
  db: Db;
  data: string;
  disk: Disk;
  clock: Clock;
  log: Log;
}

export class RestoreReport {
  readonly #options: RestoreReportOptions;
  readonly #reader: RestoreReader;
  #timer: Timer | undefined;
  #written: string | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: RestoreReportOptions) {
    this.#options = options;
    this.#reader = new RestoreReader(options.db);
  }

  async start(): Promise<void> {
    if ((await this.#reader.mark()) === undefined) return;
    const look = (): void => {
      this.#looking = this.#looking.then(() => this.#look());
    };
    this.#timer = this.#options.clock.every(LOOK_MS, look);
    look();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { data, disk, log } = this.#options;
    try {
      const mark = await this.#reader.mark();
      if (mark === undefined || mark === this.#written) return;
      writeDurably(disk, path.join(data, REPORT_FILE), restoreText(await this.#reader.list(Number.MAX_SAFE_INTEGER)));
      this.#written = mark;
    } catch (error) {
      log.error({ error: toFault(error, 'write the report of the restore') }, 'the report of the restore was not written; tried again');
    }
  }
}

/**
 * What chrony knows of the system's clock: from which source, and how wrong it may be. `chronyc -c tracking` is asked about once a minute (its
 * fields: chronyc(1)); chrony's own bound of the error is |system time offset| + root dispersion + half the root delay.
 */
import { execFile } from 'node:child_process';
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import { DRIFT_PPM } from '@longroof/protocol/wall';

export interface Discipline {
  source: 'gnss' | 'ntp';
  errorMs: number;
  /** The server or reference clock, as chrony calls it; empty where only a file says that the clock is kept. */
  name: string;
}

/** Undefined while the clock is not synchronised, or only to itself. */
export function parseTracking(csv: string): Discipline | undefined {
  const fields = csv.trim().split(',');
  if (fields.length < 14) return undefined;
  const [refId = '', name = '', stratum, , offsetS, , , , , , delayS, dispersionS, , leap] = fields;
  const errorMs = 1000 * (Math.abs(Number(offsetS)) + Number(dispersionS) + Number(delayS) / 2);
  if (leap === 'Not synchronised' || !Number.isFinite(errorMs) || refId === '00000000') return undefined;
  // 127.127.1.1 is the machine's own clock (`local`): it may be as wrong as before.
  if (refId === '7F7F0101') return undefined;
  const isReference = stratum === '1' && /^(GPS|GNS|NME|PPS|SHM|SOC|GLO|GAL|BDS)/.test(name);
  return { source: isReference ? 'gnss' : 'ntp', errorMs: Math.max(1, Math.ceil(errorMs)), name };
}

export interface ChronyOptions {
  host: string;
  port: number;
  clock: Clock;
  log: Log;
  /** Gives the answer's text; throws where there is none. */
  ask?: (host: string, port: number) => Promise<string>;
}

const ASK_MS = 60_000;
/** Nobody there: asked less often. */
const ABSENT_MS = 600_000;
const ANSWER_MS = 5000;
/** An answer is good for so long, with the drift of a plain crystal. */
const FRESH_MS = 200_000;

function askChronyc(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('chronyc', ['-h', host, '-p', String(port), '-c', 'tracking'], { timeout: ANSWER_MS, maxBuffer: 4096 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
  });
}

export class Chrony {
  readonly #options: ChronyOptions;
  #timer: Timer | undefined;
  #last: { discipline: Discipline; monoMs: MonoMs } | undefined;
  #isAbsent: boolean | undefined;
  #stopped = false;

  constructor(options: ChronyOptions) {
    this.#options = options;
  }

  /** Asks at once, and then now and then. Resolves with the first answer taken in. */
  async start(): Promise<void> {
    await this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** As of the last answer, the error grown since; undefined where chrony does not keep the clock, or is not there. */
  now(): Discipline | undefined {
    if (!this.#last) return undefined;
    const agoMs = this.#options.clock.mono() - this.#last.monoMs;
    if (agoMs > FRESH_MS) return undefined;
    const { discipline } = this.#last;
    return { ...discipline, errorMs: Math.ceil(discipline.errorMs + (agoMs * DRIFT_PPM) / 1e6) };
  }

  async #ask(): Promise<void> {
    const { host, port, clock, log, ask = askChronyc } = this.#options;
    let isAbsent = false;
    try {
      const discipline = parseTracking(await ask(host, port));
      this.#last = discipline && { discipline, monoMs: clock.mono() };
    } catch (error) {
      isAbsent = true;
      this.#last = undefined;
      if (this.#isAbsent !== true) log.info({ why: (error as Error).message.split('\n')[0] }, 'chrony does not answer');
    }
    if (this.#isAbsent !== isAbsent && !isAbsent) log.info({ ...this.#last?.discipline }, 'chrony is asked for the clock');
    this.#isAbsent = isAbsent;
    if (!this.#stopped) this.#timer = clock.after(isAbsent ? ABSENT_MS : ASK_MS, () => void this.#ask());
  }
}

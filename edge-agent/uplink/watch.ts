/**
 * Looks after the connection of now: counts what goes over it, tells when that changes what may go, and when the kernel would by now
 * choose another interface: a wagon that comes home to its wireless network must not stay on its metered link until that breaks.
 */
import type { Clock, Timer } from '@longroof/base/clock';
import type { LinkStatus } from '@longroof/protocol/messages';
import { interfacesOf, type sourceTowards } from './route.js';
import type { Traffic } from './traffic.js';

const COUNT_MS = 1_000;
const ROUTE_MS = 15_000;
/** Of the budget: a status for each. */
const PARTS = 100;

export interface WatchOptions {
  traffic: Traffic;
  clock: Clock;
  sourceTowards: typeof sourceTowards;
  interfacesOf?: typeof interfacesOf;
  /** What may go, or what is told of the link, is another. */
  changed: () => void;
}

export class Watch {
  readonly #options: WatchOptions;
  #timers: Timer[] = [];
  #told = '';

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** `moved`: there is a better way for this connection. */
  begin(moved: (to: string) => void): void {
    this.end();
    const { clock, traffic } = this.#options;
    const count = (): void => {
      traffic.count();
      this.look();
    };
    this.#timers = [
      clock.every(COUNT_MS, count),
      clock.every(ROUTE_MS, () => {
        void this.#route(moved);
      }),
    ];
    count();
  }

  end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#told = '';
  }

  look(): void {
    if (this.#timers.length === 0) return;
    const now = summary(this.#options.traffic.status());
    if (now === this.#told) return;
    this.#told = now;
    this.#options.changed();
  }

  async #route(moved: (to: string) => void): Promise<void> {
    const { traffic } = this.#options;
    const { ends } = traffic;
    const [first] = this.#timers;
    if (!ends || !traffic.tells) return;
    const source = await this.#options.sourceTowards(ends.remoteAddress);
    if (source === undefined || this.#timers[0] !== first) return;
    const names = (this.#options.interfacesOf ?? interfacesOf)(source);
    const [name] = names;
    if (name !== undefined && traffic.interface !== undefined && !names.includes(traffic.interface)) moved(name);
  }
}

function summary(status: LinkStatus | undefined): string {
  if (!status) return '';
  const { budget } = status;
  return JSON.stringify({ ...status, budget: budget && [budget.fromUtcMs, Math.floor((budget.spentBytes / budget.bytes) * PARTS)] });
}

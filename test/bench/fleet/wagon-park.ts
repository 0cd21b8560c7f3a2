/** All simulated units of one run, in a few processes, as one. */
import { until } from '../../peers/program.js';
import { Child } from '../uplink/child.js';
import type { WagonEnd, WagonsFigures, WagonsStart, WagonsState } from './wagons.js';

const UNITS_A_PROCESS = 1000;
const FINISH_MS = 180_000;

export class WagonPark {
  readonly #children: { child: Child; units: string[] }[];
  readonly count: number;

  constructor(units: readonly string[]) {
    this.count = units.length;
    const processes = Math.ceil(units.length / UNITS_A_PROCESS);
    const share = Math.ceil(units.length / processes);
    this.#children = Array.from({ length: processes }, (_, index) => ({
      child: new Child('../fleet/wagons'),
      units: units.slice(index * share, (index + 1) * share),
    }));
  }

  /** Starts them, `everyMs` apart, and waits until all are welcomed. */
  async start(options: Omit<WagonsStart, 'units' | 'everyMs'>, everyMs: number, withinMs: number): Promise<void> {
    const apart = everyMs * this.#children.length;
    await this.#all((child, units, index) =>
      child.call('start', { ...options, seed: options.seed + index * 1_000_000, units, everyMs: apart }),
    );
    await until('all units are welcomed', async () => (await this.state()).connected === this.count, withinMs);
  }

  async state(): Promise<WagonsState> {
    const all = await this.#all((child) => child.call<WagonsState>('state'));
    return all.reduce((sum, one) => ({ connected: sum.connected + one.connected, behind: sum.behind + one.behind }));
  }

  /** What the units have now is what `state` counts as behind until it is acknowledged. */
  async mark(): Promise<void> {
    await this.#all((child) => child.call('mark'));
  }

  async figures(): Promise<WagonsFigures> {
    const all = await this.#all((child) => child.call<WagonsFigures>('figures'));
    return all.reduce((sum, one) => {
      const added = Object.entries(one).map(([name, value]) => {
        const before = sum[name as keyof WagonsFigures];
        return [name, Array.isArray(value) ? [...(before as number[]), ...value] : (before as number) + (value as number)];
      });
      return Object.fromEntries(added) as WagonsFigures;
    });
  }

  async finish(): Promise<WagonEnd[]> {
    return (await this.#all((child) => child.call<WagonEnd[]>('finish', { withinMs: FINISH_MS }))).flat();
  }

  /** Milliseconds until the API shows what a unit has said; with units that say little else. */
  seen(api: { address: string; cookie: string }, forMs: number, everyMs: number): Promise<number[]> {
    return (this.#children[0] as { child: Child }).child.call('seen', { ...api, forMs, everyMs });
  }

  /** Milliseconds until what each unit says at once, every so often, is acknowledged. */
  async beats(forMs: number, everyMs: number): Promise<number[]> {
    return (await this.#all((child) => child.call<number[]>('beats', { forMs, everyMs }))).flat();
  }

  cpuSeconds(): number {
    return this.#children.reduce((sum, { child }) => sum + child.cpuSeconds(), 0);
  }

  async close(): Promise<void> {
    await this.#all((child) => child.close());
  }

  #all<T>(act: (child: Child, units: string[], index: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#children.map(({ child, units }, index) => act(child, units, index)));
  }
}

/** A unit with footage and the centre it is connected to, each in a process of its own. */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { UplinkCounters } from '@longroof/edge-agent/uplink/counters';
import type { UnitIdentity } from '@longroof/protocol/authority';
import { until } from '../../peers/program.js';
import { bin } from '../../peers/wagon.js';
import type { CentreStart } from './centre.js';
import { Child } from './child.js';
import type { UnitStart } from './unit.js';

export const UNIT = 'wagon-1';
const LOOK_MS = 1000;

export interface PairOptions {
  folder: string;
  fragments: number;
  fragmentBytes: number;
  /** Namespaces, and the centre's address in its own; default this one and 127.0.0.1. */
  within?: { unit: string; centre: string; centreAddress: string };
  /** Gives the port the unit connects to instead of the centre's. */
  through?: (port: number) => Promise<number>;
}

interface Progress {
  footageBytes: number;
  state: string | undefined;
}

export class Pair {
  readonly unit: Child;
  readonly centre: Child;

  private constructor(unit: Child, centre: Child) {
    this.unit = unit;
    this.centre = centre;
  }

  /** Resolves when the unit's footage is on its disk and it has been welcomed. */
  static async start(options: PairOptions): Promise<Pair> {
    const { folder, fragments, fragmentBytes, within, through } = options;
    const host = within?.centreAddress ?? '127.0.0.1';
    const pair = new Pair(
      // As the agent is started on a unit, so that its memory is as tight.
      new Child('unit', { within: within?.unit, as: bin('edge-agent', 'longroof-agent') }),
      new Child('centre', { within: within?.centre }),
    );
    try {
      const centreStart: CentreStart = { dir: path.join(folder, 'centre'), host, unit: UNIT };
      const { port, identity } = await pair.centre.call<{ port: number; identity: UnitIdentity }>('start', centreStart);
      const unitStart: UnitStart = {
        ...{ dir: path.join(folder, 'unit'), unit: UNIT, host, port: through ? await through(port) : port },
        ...{ identity, fragments, fragmentBytes },
      };
      await pair.unit.call('start', unitStart);
    } catch (error) {
      await pair.close();
      throw error;
    }
    return pair;
  }

  /** Asks for so many fragments; gives the pull's id. */
  async pull(from: number, count: number): Promise<string> {
    const range = await this.unit.call<{ fromUtcMs: number; toUtcMs: number }>('range', { from, count });
    return this.centre.call<string>('pull', { unit: UNIT, ...range });
  }

  progress(id?: string): Promise<Progress> {
    return this.centre.call<Progress>('progress', id === undefined ? {} : { id });
  }

  /** Seldom asked, as a page would: the answer is of the centre's CPU, which is being measured. */
  async done(id: string, withinMs: number): Promise<void> {
    const look = async (): Promise<boolean> => (await this.progress(id)).state === 'done' || (await delay(LOOK_MS, false));
    await until('the pull is done', look, withinMs);
  }

  counters(): Promise<UplinkCounters> {
    return this.unit.call('counters');
  }

  cpuSeconds(): { unit: number; centre: number } {
    return { unit: this.unit.cpuSeconds(), centre: this.centre.cpuSeconds() };
  }

  async close(): Promise<void> {
    await Promise.all([this.unit.close(), this.centre.close()]);
  }
}

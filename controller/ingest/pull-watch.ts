/** What another process has asked of units that are connected here, or called off: looked for now and then, and sent. */
import type { Context, Link } from './context.js';
import type { DesiredSender } from './desired.js';
import { isNews, newsFor, noNews } from './desired-news.js';
import { Lookout } from './lookout.js';

const LOOK_MS = 2000;
const UNITS_TOGETHER = 500;

export class PullWatch {
  readonly #context: Context;
  readonly #desired: DesiredSender;
  readonly #links: () => Iterable<Link>;
  readonly #lookout: Lookout;

  constructor(context: Context, desired: DesiredSender, links: () => Iterable<Link>) {
    this.#context = context;
    this.#desired = desired;
    this.#links = links;
    const { clock, log } = context;
    const told = { what: 'look for pulls', cost: 'pulls may wait for a hello' };
    this.#lookout = new Lookout({ clock, log, everyMs: LOOK_MS, look: () => this.#look(), ...told });
  }

  start(): void {
    this.#lookout.start();
  }

  stop(): Promise<void> {
    return this.#lookout.stop();
  }

  async #look(): Promise<void> {
    const greeted = [...this.#links()].filter((link) => link.epoch !== undefined && !link.session.closed);
    for (let at = 0; at < greeted.length; at += UNITS_TOGETHER) {
      const some = greeted.slice(at, at + UNITS_TOGETHER);
      const units = some.map((link) => link.unit);
      const found = await newsFor(this.#context.store.db, units);
      for (const link of some) if (isNews(found.get(link.unit) ?? noNews(), link.desiredSeen)) await this.#desired.send(link);
    }
  }
}

/** What another process has asked of units that are connected here, or called off: looked for now and then, and sent. */
import type { Timer } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Context, Link } from './context.js';
import type { DesiredSender } from './desired.js';
import { isNews, newsFor, noNews } from './desired-news.js';

const LOOK_MS = 2000;
const UNITS_TOGETHER = 500;

export class PullWatch {
  readonly #context: Context;
  readonly #desired: DesiredSender;
  readonly #links: () => Iterable<Link>;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;

  constructor(context: Context, desired: DesiredSender, links: () => Iterable<Link>) {
    this.#context = context;
    this.#desired = desired;
    this.#links = links;
  }

  start(): void {
    this.#timer = this.#context.clock.every(LOOK_MS, () => {
      this.#running ??= this.#look()
        .catch((error: unknown) => this.#context.log.error({ error: toFault(error, 'look for pulls') }, 'pulls may wait for a hello'))
        .finally(() => {
          this.#running = undefined;
        });
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#running;
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

/** What goes over one connection, best first: the journal, what is watched live, footage; and who asks footage to go without being told to. */
import type { Clock } from '@longroof/base/clock';
import type { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { Spool, StoredFragment } from '../spool/spool.js';
import type { UplinkCounters } from './counters.js';
import { FootageLane } from './footage-lane.js';
import type { Outcome } from './fragment-queue.js';
import { JournalLane } from './journal-lane.js';
import { LiveLane } from './live-lane.js';
import { OfferAgain } from './offer-again.js';
import { Reporter } from './reporter.js';
import type { Traffic, Unasked } from './traffic.js';
import { UnaskedSender } from './unasked.js';

export interface LanesOptions {
  spool: Spool;
  clock: Clock;
  log: Log;
  counters: UplinkCounters;
  status: () => StatusMessage['streams'];
  traffic: Traffic;
  connected: () => boolean;
  /** The centre answers nothing any more. */
  onSilence: () => void;
}

export class Lanes {
  readonly reporter: Reporter;
  readonly journal: JournalLane;
  readonly live: LiveLane;
  readonly footage: FootageLane;
  readonly offers: OfferAgain;
  readonly unasked: UnaskedSender;

  constructor({ spool, clock, log, counters, status, traffic, connected, onSilence }: LanesOptions) {
    this.reporter = new Reporter(spool, clock, log);
    this.journal = new JournalLane({ spool, clock, log, counters, onIdle: () => this.#idle() });
    this.live = new LiveLane({
      ...{ spool, clock, log, counters, status },
      journalUnsent: () => this.journal.unsent,
      onIdle: () => this.footage.pump(),
      refuse: () => (traffic.waits === 'LR_LINK_BUDGET' ? 'LR_LIVE_BUDGET' : undefined),
    });
    this.footage = new FootageLane({
      ...{ spool, clock, counters, reporter: this.reporter, onSilence },
      journalUnsent: () => this.journal.unsent || this.live.unsent,
      allows: (claim, rendition) => traffic.allows(claim, rendition),
      count: () => traffic.count(),
    });
    const enqueue = (fragment: StoredFragment, priority: number): Promise<Outcome> => this.footage.enqueue(fragment, priority);
    this.offers = new OfferAgain({ spool, enqueue, log });
    const sends = (what: Unasked): boolean => connected() && traffic.sends(what);
    this.unasked = new UnaskedSender({ spool, enqueue, sends, clock, log });
  }

  /** The journal has nothing to send: those behind it may. */
  #idle(): void {
    this.live.pump();
    this.footage.pump();
  }

  /** Nothing more begins; who waits for footage to be sent is told `why`. */
  async end(why: Fault): Promise<void> {
    this.offers.end();
    const unasked = this.unasked.end();
    this.footage.end(why);
    await unasked;
  }
}

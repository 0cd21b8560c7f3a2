/**
 * What may go over the connection of now: its interface's class, what the rules let go over that class, and the budget of the metered
 * one. An interface that no rule names is metered, and so is one that cannot be told. Without rules all links are alike: whatever was
 * asked for goes, and nothing else.
 */
import type { Json } from '@longroof/base/canonical';
import type { Rendition } from '@longroof/protocol/fragment';
import type { LinkStatus, LinkWaits } from '@longroof/protocol/messages';
import {
  type Beyond,
  type LinkClass,
  type LinkEntry,
  METERED_DEFAULT,
  SENDS,
  type Sends,
  type UnitConfig,
} from '@longroof/protocol/unit-config';
import type { Budget } from './budget.js';
import type { Claim } from './priority.js';
import { type Ends, interfacesOf } from './route.js';

export interface LinkRules {
  links: readonly LinkEntry[];
  sends: Readonly<Record<LinkClass, readonly Sends[]>>;
  beyond: readonly Beyond[];
}

/** Undefined where the unit's file says nothing of links. */
export function linkRulesOf({ links, metered, free }: Pick<UnitConfig, 'links' | 'metered' | 'free'>): LinkRules | undefined {
  if (!links && !metered && !free) return undefined;
  const { sends, beyond } = metered ?? METERED_DEFAULT;
  return { links: links ?? [], sends: { metered: sends, free: free?.sends ?? SENDS }, beyond };
}

/** What goes over a socket: bytes both ways, TLS and all. */
export interface Wire {
  ends(): Ends | undefined;
  bytes(): number;
}

/** What goes without being asked for. */
export type Unasked = 'held' | 'strip' | 'proxy' | 'original';
const WORD: Readonly<Record<Unasked, Sends>> = { held: 'held', strip: 'strips', proxy: 'proxies', original: 'originals' };

export interface TrafficOptions {
  rules: LinkRules | undefined;
  budget?: Budget | undefined;
  interfacesOf?: (address: string) => string[];
}

export class Traffic {
  readonly #options: TrafficOptions;
  #wire: Wire | undefined;
  #ends: Ends | undefined;
  #counted = 0;
  #link: { class: LinkClass; interface?: string } = { class: 'metered' };
  meteredBytes = 0;
  freeBytes = 0;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  get ends(): Ends | undefined {
    return this.#ends;
  }

  /** Links are told apart. */
  get tells(): boolean {
    return this.#options.rules !== undefined;
  }

  get interface(): string | undefined {
    return this.#link.interface;
  }

  /** A new connection, or an attempt at one. */
  begin(wire: Wire): void {
    this.end();
    this.#wire = wire;
    this.#counted = 0;
    this.#ends = undefined;
    this.#link = { class: 'metered' };
  }

  end(): void {
    this.count();
    this.#wire = undefined;
  }

  /** Counts what has gone since the last time. Called often: the budget is passed by no more than what goes between. */
  count(): void {
    const { rules, budget } = this.#options;
    if (!rules) return;
    if (!this.#ends) this.#learn();
    const bytes = this.#wire?.bytes() ?? this.#counted;
    const more = bytes - this.#counted;
    this.#counted = bytes;
    if (this.#link.class === 'free') this.freeBytes += more;
    else this.meteredBytes += more;
    budget?.add(this.#link.class === 'metered' ? more : 0);
  }

  #learn(): void {
    this.#ends = this.#wire?.ends();
    if (!this.#ends) return;
    const names = (this.#options.interfacesOf ?? interfacesOf)(this.#ends.localAddress);
    const metered = names.find((name) => this.classOf(name) === 'metered');
    const [first] = names;
    this.#link = {
      class: first === undefined || metered ? 'metered' : 'free',
      ...(first === undefined ? {} : { interface: metered ?? first }),
    };
  }

  classOf(name: string): LinkClass {
    const fits = ({ interface: of }: LinkEntry): boolean => (of.endsWith('*') ? name.startsWith(of.slice(0, -1)) : name === of);
    return this.#options.rules?.links.find(fits)?.class ?? 'metered';
  }

  /** Whether footage of this claim may go now. */
  allows(claim: Claim, rendition: Rendition): boolean {
    const { rules } = this.#options;
    if (!rules) return true;
    return this.#blocks(claim, rendition, rules) === undefined;
  }

  /** Whether footage goes that nobody asked for. */
  sends(what: Unasked): boolean {
    const { rules } = this.#options;
    if (!rules?.sends[this.#link.class].includes(WORD[what])) return false;
    const why = this.#budgetBlocks(what === 'held' ? 'held' : 'policy', rules);
    return why === undefined || why === 'LR_LINK_COUNT';
  }

  /** Why what was asked for waits. */
  get waits(): LinkWaits | undefined {
    const { rules, budget } = this.#options;
    const why = rules && this.#blocks('pull', 'original', rules);
    return why === 'LR_LINK_COUNT' && !budget?.refused ? undefined : why;
  }

  status(): LinkStatus | undefined {
    const { rules, budget } = this.#options;
    if (!rules || !this.#wire) return undefined;
    const { waits } = this;
    const { interface: name, class: linkClass } = this.#link;
    return {
      ...(name === undefined ? {} : { interface: name }),
      class: linkClass,
      ...(budget ? { budget: { ...budget.period, bytes: budget.bytes, spentBytes: budget.usedBytes } } : {}),
      ...(waits ? { waits } : {}),
      ...(waits && this.allows('urgent', 'original') ? { urgentGoes: true as const } : {}),
    };
  }

  /** For a `health` record: as `status`, also while there is no connection, and what has gone since the start. */
  report(): Record<string, Json> | undefined {
    const { rules, budget } = this.#options;
    if (!rules) return undefined;
    const { meteredBytes, freeBytes } = this;
    const told = this.status() ?? (budget ? { budget: { ...budget.period, bytes: budget.bytes, spentBytes: budget.usedBytes } } : {});
    return { ...(told as unknown as Record<string, Json>), meteredBytes, freeBytes };
  }

  #blocks(claim: Claim, rendition: Rendition, rules: LinkRules): LinkWaits | undefined {
    const sends = rules.sends[this.#link.class];
    const word = claim === 'held' ? 'held' : claim === 'policy' || claim === 'offer' ? wordOf(rendition) : 'pulls';
    // What an earlier store had goes like a pull where no free link could ever take it.
    const asPull = claim === 'offer' && !rules.links.some((link) => link.class === 'free') && sends.includes('pulls');
    if (!sends.includes(word) && !asPull) return 'LR_LINK_CLASS';
    return this.#budgetBlocks(claim, rules);
  }

  #budgetBlocks(claim: Claim, rules: LinkRules): LinkWaits | undefined {
    const { budget } = this.#options;
    if (this.#link.class === 'free' || !budget) return undefined;
    if (!budget.counts) return 'LR_LINK_COUNT';
    if (!budget.spent) return undefined;
    const { beyond } = rules;
    const goes =
      (claim === 'urgent' && (beyond.includes('urgent') || beyond.includes('pulls'))) ||
      (claim === 'pull' && beyond.includes('pulls')) ||
      (claim === 'held' && beyond.includes('held'));
    return goes ? undefined : 'LR_LINK_BUDGET';
  }
}

/** Copies were made because somebody asked. */
function wordOf(rendition: Rendition): Sends {
  return rendition === 'derived' ? 'pulls' : WORD[rendition];
}

/** The inputs of a board, debounced, with what was pressed since last asked. Levels are also read each second, so that a lost edge is not lost for ever. */
import type { Clock, Timer } from '@longroof/base/clock';
import { BOARD_EVENTS, type BoardEvent } from '@longroof/protocol/board';
import type { Board } from './board.js';
import { type Contact, contactAt, SETTLE, seeLevel, settleAt, settlesInMs } from './debounce.js';

export class Inputs {
  readonly #board: Board;
  readonly #clock: Clock;
  readonly #changed: (event: BoardEvent, on: boolean) => void;
  readonly #contacts = new Map<BoardEvent, Contact>();
  readonly #timers = new Map<BoardEvent, Timer>();
  readonly #pressed = new Set<BoardEvent>();

  /** `changed` is called when a settled level changes, never from within the constructor. */
  constructor(board: Board, clock: Clock, changed: (event: BoardEvent, on: boolean) => void) {
    this.#board = board;
    this.#clock = clock;
    this.#changed = changed;
    for (const [event, level] of Object.entries(board.levels()) as [BoardEvent, boolean][]) {
      this.#contacts.set(event, contactAt(level, clock.mono()));
      // A button that is held while the board starts is what started it.
      if (level) this.#pressed.add(event);
    }
    board.onEdge((event, level) => this.#see(event, level));
  }

  settled(event: BoardEvent): boolean | undefined {
    return this.#contacts.get(event)?.settled;
  }

  all(): Partial<Record<BoardEvent, boolean>> {
    return Object.fromEntries([...this.#contacts].map(([event, contact]) => [event, contact.settled]));
  }

  poll(): void {
    for (const [event, level] of Object.entries(this.#board.levels()) as [BoardEvent, boolean][]) this.#see(event, level);
  }

  /** Whether it came on since this was last asked. */
  takePressed(event: BoardEvent): boolean {
    return this.#pressed.delete(event);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #see(event: BoardEvent, level: boolean): void {
    const before = this.#contacts.get(event);
    if (!before || !BOARD_EVENTS.includes(event)) return;
    this.#take(event, before, seeLevel(SETTLE[event], before, level, this.#clock.mono()));
  }

  #take(event: BoardEvent, before: Contact, contact: Contact): void {
    this.#contacts.set(event, contact);
    if (contact.settled !== before.settled) {
      if (contact.settled) this.#pressed.add(event);
      this.#changed(event, contact.settled);
    }
    const inMs = settlesInMs(SETTLE[event], contact, this.#clock.mono());
    this.#timers.get(event)?.cancel();
    this.#timers.delete(event);
    if (inMs === undefined) return;
    this.#timers.set(
      event,
      this.#clock.after(inMs, () => {
        const now = this.#contacts.get(event);
        if (now) this.#take(event, now, settleAt(SETTLE[event], now, this.#clock.mono()));
      }),
    );
  }
}

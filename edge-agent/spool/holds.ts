/**
 * Holds keep reels from being recycled (S6): at most half the quota, those of events at most three quarters of that; beyond it a hold is refused, and the refusal is on record. A hold
 * that reaches into the future also takes the reels that are recorded then, as far as the half allows.
 */
import { Fault } from '@longroof/base/errors';
import { isCameraRendition, parseStreamText } from '@longroof/protocol/fragment';
import type { JournalBodies } from '@longroof/protocol/journal';
import { isEventId } from '@longroof/protocol/marks';
import type { Reel } from './reels.js';
import { reelsIn } from './select.js';
import type { HoldRequest, StandingHold } from './spool.js';
import type { CoreState } from './state.js';
import { WallIndex } from './wall-index.js';

export interface HoldOutcome {
  placed: boolean;
  bytes: number;
  reason?: string;
}

type HoldBody = JournalBodies['hold'];
export const HOLDS_MAX = 1000;

type Wanted = Pick<HoldRequest, 'cameras' | 'made'>;

/** What was made here can be made again while its originals are held: it is held only where that was asked for. */
function isWanted({ cameras, made }: Wanted, name: string): boolean {
  const stream = parseStreamText(name);
  return stream !== undefined && cameras.includes(stream.camera) && (made === true || isCameraRendition(stream.rendition));
}

/** Of what holds may take, events leave a part to people. */
const EVENTS_SHARE = 0.75;

function limitBytes(state: CoreState, holdId: string): number {
  return (state.options.quotaBytes / 2) * (isEventId(holdId) ? EVENTS_SHARE : 1);
}

/** Reels of the hold's time that exist by now, and the bytes of those that nothing held before. */
function reelsOfHold(
  state: CoreState,
  request: Wanted & Pick<HoldRequest, 'fromUtcMs' | 'toUtcMs'>,
): { ids: number[]; bytes: number; added: number } {
  const wall = new WallIndex(state.index);
  const found = { ids: [] as number[], bytes: 0, added: 0 };
  for (const stream of state.index.streams().filter((row) => isWanted(request, row.name))) {
    for (const reel of reelsIn(state, wall, stream.id, request.fromUtcMs, request.toUtcMs)) {
      const bytes = state.reels.find(reel.id)?.bytes ?? reel.fileBytes;
      found.ids.push(reel.id);
      found.bytes += bytes;
      if (!state.index.isHeld(reel.id)) found.added += bytes;
    }
  }
  return found;
}

/** Answers when the hold, or its refusal, is durable. Placing the same hold again changes nothing. */
export function placeHold(state: CoreState, request: HoldRequest, settled: (outcome: HoldOutcome | Fault) => void): void {
  const known = state.index.hold(request.holdId);
  if (known) {
    settled({ placed: true, bytes: (JSON.parse(known) as HoldBody).bytes });
    return;
  }
  const reels = reelsOfHold(state, request);
  const heldBytes = state.index.heldBytes();
  const limit = limitBytes(state, request.holdId);
  const reason =
    heldBytes + reels.added > limit
      ? `${isEventId(request.holdId) ? 'holds of events' : 'holds'} may keep ${Math.floor(limit)} bytes; ${heldBytes} are held, this one asks for ${reels.added} more`
      : state.index.holds().length >= HOLDS_MAX
        ? `there are ${HOLDS_MAX} holds already`
        : undefined;
  const body: HoldBody = {
    ...{ holdId: request.holdId, action: reason === undefined ? 'placed' : 'refused', owner: request.owner, cameras: request.cameras },
    ...{ fromUtcMs: request.fromUtcMs, toUtcMs: request.toUtcMs, reviewUtcMs: request.reviewUtcMs, bytes: reels.bytes },
    ...(request.made ? { made: true } : {}),
    ...(reason === undefined ? {} : { reason }),
  };
  const outcome: HoldOutcome = { placed: reason === undefined, bytes: reels.bytes, ...(reason === undefined ? {} : { reason }) };
  state.ledger.add('hold', body, { urgent: true, own: true, settled: (seq) => settled(seq instanceof Fault ? seq : outcome) });
  if (reason === undefined)
    state.pendingWrites.push(() => {
      for (const id of reels.ids) state.index.addHeld(id, request.holdId);
    });
}

export function standingHolds({ index }: CoreState): StandingHold[] {
  return index.holds().map(({ id: holdId, body }) => ({ holdId, reviewUtcMs: (JSON.parse(body) as HoldBody).reviewUtcMs }));
}

/** False when there is no such hold. */
export function liftHold(state: CoreState, holdId: string, settled: (outcome: boolean | Fault) => void): void {
  const known = state.index.hold(holdId);
  if (!known) {
    settled(false);
    return;
  }
  const body: HoldBody = { ...(JSON.parse(known) as HoldBody), action: 'released' };
  state.ledger.add('hold', body, { urgent: true, own: true, settled: (seq) => settled(seq instanceof Fault ? seq : true) });
}

/** Reels that were finished just now go under the holds whose time they belong to. */
export function holdFinished(state: CoreState, reels: readonly Reel[]): void {
  const holds = state.index.holds();
  if (holds.length === 0) return;
  let heldBytes = state.index.heldBytes();
  for (const { id, body } of holds) {
    const hold = JSON.parse(body) as HoldBody;
    for (const reel of reels) {
      const from = reel.startMono + reel.offsetMin;
      const to = reel.endMono + reel.offsetMax;
      const applies = isWanted(hold, reel.stream) && from < hold.toUtcMs && to > hold.fromUtcMs;
      if (!applies || heldBytes + reel.bytes > limitBytes(state, id)) continue;
      heldBytes += reel.bytes;
      state.pendingWrites.push(() => state.index.addHeld(reel.id, id));
    }
  }
}

/** On opening: holds that the journal tells of, over the reels that are there. */
export function restoreHolds(state: CoreState): void {
  for (const { id, body } of state.index.holds()) {
    const { ids } = reelsOfHold(state, JSON.parse(body) as HoldBody);
    state.pendingWrites.push(() => {
      for (const reel of ids) state.index.addHeld(reel, id);
    });
  }
}

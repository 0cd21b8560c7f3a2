/** What a unit said last of the link by which it is connected. */
import { rfc3339 } from '@longroof/base/clock';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { LinkShape, PullShape } from './shapes.js';

type Link = NonNullable<StatusMessage['link']>;

export function shapeLink({ interface: name, class: linkClass, budget, waits, urgentGoes }: Link): LinkShape {
  return {
    interface: name ?? null,
    class: linkClass,
    ...(budget && {
      budget: {
        from: rfc3339(budget.fromUtcMs),
        until: rfc3339(budget.untilUtcMs),
        bytes: budget.bytes,
        spentBytes: budget.spentBytes,
      },
    }),
    ...(waits && { waits }),
    ...(urgentGoes && { urgentGoes }),
  };
}

/** Why a pull that has not ended waits though the unit is reached; undefined where it goes on. */
export function waitingFor(link: Link | undefined, urgent: boolean): PullShape['waitingFor'] {
  if (!link?.waits || (urgent && link.urgentGoes)) return undefined;
  const { waits, budget } = link;
  return { code: waits, ...(waits === 'LR_LINK_BUDGET' && budget ? { until: rfc3339(budget.untilUtcMs) } : {}) };
}

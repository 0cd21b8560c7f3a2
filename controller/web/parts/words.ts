/** Plain words for codes that come from the centre; a code the page does not know is shown as it is, never hidden. */
import { useTranslation } from 'react-i18next';
import type { KnownCause } from '../text/cause.js';
import { en } from '../text/en.js';

export interface Words {
  cause(cause: string): string;
  causeShort(cause: string): string;
  /** What went wrong, by its code; undefined where only the centre's own words are left. */
  problem(code: string): string | undefined;
  hint(code: string): string | undefined;
  /** Who asked: a person's name as it is; the wagon's own policy in words. */
  person(name: string): string;
  /** Who answers for a hold. */
  owner(hold: { owner: string; person: string }): string;
  /** A person's reason as it is; that of the wagon's policy, an event, in words. */
  reason(text: string): string;
}

/** As the centre has them, for what no person asked for. */
const POLICY = 'policy of the wagon';
const EVENT = 'event: ';

export function useWords(): Words {
  const { t } = useTranslation();
  const has = (group: object, key: string): boolean => Object.hasOwn(group, key);
  const problemText = (key: string): string | undefined =>
    has(en.problem, key) ? t(`problem.${key as keyof typeof en.problem}`) : undefined;
  return {
    cause: (cause) => (has(en.cause, cause) ? t(`cause.${cause as KnownCause}`) : cause),
    causeShort: (cause) => (has(en.causeShort, cause) ? t(`causeShort.${cause as KnownCause}`) : cause),
    problem: (code) => problemText(code),
    hint: (code) => problemText(`hint_${code}`),
    owner: ({ owner, person }) => (person === POLICY ? t('event.policy') : owner),
    person: (name) => (name === POLICY ? t('event.policy') : name),
    reason: (text) => {
      const kind = text.startsWith(EVENT) ? text.slice(EVENT.length) : '';
      if (kind === 'ignition') return t('event.ignition');
      return has(en.event, kind) ? t(`event.${kind as 'braking'}`) : text;
    },
  };
}

/** What the page says of a wagon's alarms and of the settings that it was asked to take on. */
export const alarm = {
  title: 'This wagon may exist twice, or its record was changed',
  LR_EPOCH_RETURNED: 'A disk that another one had followed is live again: a copied disk or key, or an old disk put back.',
  LR_JOURNAL_FORK: 'It tells another story of a time than it told before. Both are kept.',
  LR_JOURNAL_ROLLBACK: 'It has fewer records than it told of before: its disk was set back or copied.',
  advice: 'Find out where both are before you trust either: see "A wagon that exists twice" in the operations manual.',
  times_one: '({{last}})',
  times_other: '({{n}} times, {{first}} to {{last}})',
  reason: 'What was found',
  close: 'Seen to',
};

export const configuration = {
  title: 'Settings from the centre',
  asked: 'Asked for',
  settings: 'Settings',
  answer: 'The wagon',
  none: 'none: as its own file has them',
  queued: 'has not answered yet',
  applied: 'has applied them',
  refused: 'has refused them',
  replaced: 'was asked for others before it answered',
};

export const link = {
  title: 'Link',
  metered: 'Metered',
  free: 'Free',
  spent: '{{spent}} of {{all}} used until {{until}}',
  waitsBudget: 'Requested footage waits: the budget of the month is used up.',
  waitsClass: 'Requested footage waits for another link.',
  waitsCount: 'Requested footage waits: the wagon cannot write down what the link takes.',
  urgentGoes: 'Urgent requests go all the same.',
};

/** The unit's links as its file tells them apart: their rules, and the count of what the metered ones take. */
import { systemAsyncDisk } from '@longroof/base/async-disk';
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { UnitConfig } from '@longroof/protocol/unit-config';
import type { Spool } from './spool/spool.js';
import { Budget } from './uplink/budget.js';
import { linkRulesOf, Traffic } from './uplink/traffic.js';

export interface LinksOptions {
  config: UnitConfig;
  spool: Spool;
  disk: Disk;
  /** With the wall time that the unit believes: months are of it. */
  clock: Clock;
  log: Log;
  /** What may go over the link of now may be another. */
  changed: () => void;
}

export interface Links {
  traffic: Traffic;
  budget: Budget | undefined;
}

export function openLinks({ config, spool, disk, clock, log, changed }: LinksOptions): Links {
  const { metered } = config;
  let budget: Budget | undefined;
  const told = (spent: boolean): void => {
    if (!budget) return;
    const detail = { ...budget.period, bytes: budget.bytes, spentBytes: budget.usedBytes };
    const event = spent ? 'link-budget-spent' : 'link-budget-renewed';
    log.warn({ ...detail }, spent ? 'the budget of the metered link is spent: footage waits' : 'the metered link has a budget again');
    spool.record('event', { event, detail }, { urgent: true }).catch((error: unknown) => {
      log.error({ event, error: toFault(error, 'record an event') }, 'an event could not be recorded');
    });
  };
  if (metered?.monthlyBudget !== undefined)
    budget = new Budget({
      ...{ bytes: metered.monthlyBudget, day: metered.budgetDay, dir: config.spool.path },
      ...{ disk, writes: systemAsyncDisk, clock, log, changed },
      onSpent: told,
    });
  return { traffic: new Traffic({ rules: linkRulesOf(config), budget }), budget };
}

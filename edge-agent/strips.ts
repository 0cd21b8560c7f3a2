/** Strips where the unit's file asks for them: of each camera, from its sub-stream where there is one. */
import type { Clock } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { UnitConfig } from '@longroof/protocol/unit-config';
import type { RunAs } from './derive/low-child.js';
import { StripMaker } from './derive/strip-maker.js';
import type { Retention, Spool } from './spool/spool.js';

export interface StripsOptions {
  /** As it is now: cameras may change. */
  config: () => UnitConfig;
  spool: Spool;
  /** With the wall time that the unit believes. */
  clock: Clock;
  log: Log;
  runAs: () => RunAs | undefined;
  /** While the unit sheds load. */
  paused: () => boolean;
}

/** Begins to make them; undefined where none are wanted. */
export function startStrips({ config, ...options }: StripsOptions): StripMaker | undefined {
  if (!config().media?.strips) return undefined;
  const sources = () =>
    config().cameras.map(({ id, sub }) => ({ camera: id, rendition: sub ? ('proxy' as const) : ('original' as const) }));
  const strips = new StripMaker({ ...options, sources });
  strips.start();
  return strips;
}

export function retentionOf({ spool }: UnitConfig): Retention {
  const { originalQuota, proxyQuota, derivedQuota } = spool;
  return {
    ...{ originalMs: spool.keepOriginal, proxyMs: spool.keepProxy, stripMs: spool.keepStrip, stripBytes: spool.stripQuota },
    ...(originalQuota === undefined ? {} : { originalBytes: originalQuota }),
    ...(proxyQuota === undefined ? {} : { proxyBytes: proxyQuota }),
    ...(derivedQuota === undefined ? {} : { derivedBytes: derivedQuota }),
  };
}

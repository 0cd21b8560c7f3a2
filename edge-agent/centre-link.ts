/** What the agent has towards the centre: its links told apart, the uplink over them, and the commander that carries out what is asked. */
import type { Clock, UtcMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import type { Log } from '@longroof/base/log';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { UnitSettings } from '@longroof/protocol/settings';
import type { UnitConfig } from '@longroof/protocol/unit-config';
import { type Commander, createCommander } from './command/commander.js';
import type { RunAs } from './derive/low-child.js';
import { type Links, openLinks } from './links.js';
import type { Spool } from './spool/spool.js';
import { readLinkIdentity } from './uplink/identity.js';
import { createUplink, type Uplink } from './uplink/uplink.js';
import { VERSION } from './version.js';

const MQTTS_PORT = 8883;

export interface CentreLinkOptions {
  config: UnitConfig;
  controller: URL;
  spool: Spool;
  disk: Disk;
  /** With the wall time that the unit believes. */
  clock: Clock;
  /** The system's own. */
  systemUtc: () => UtcMs;
  log: Log;
  status: () => StatusMessage['streams'];
  runAs: () => RunAs | undefined;
  /** Takes settings on, or throws why not. */
  configure: (settings: UnitSettings) => Promise<void>;
}

export interface CentreLink {
  links: Links;
  uplink: Uplink;
  commander: Commander;
}

/** Begins to connect. */
export function startCentreLink({ config, controller, spool, disk, clock, log, ...options }: CentreLinkOptions): CentreLink {
  const uplinkLog = log.child({ part: 'uplink' });
  let uplink: Uplink | undefined;
  const links = openLinks({ config, spool, disk, clock, log: uplinkLog, changed: () => uplink?.linkChanged() });
  const port = controller.port ? Number(controller.port) : MQTTS_PORT;
  const made = createUplink({
    ...{ spool, clock, log: uplinkLog, version: VERSION, traffic: links.traffic },
    ...{ systemUtc: options.systemUtc, status: options.status, keep: { disk, dir: config.spool.path } },
    config: { host: controller.hostname, port, unit: config.unit },
    identity: () => readLinkIdentity(disk, config.identity),
  });
  uplink = made;
  const commander = createCommander({
    ...{ uplink: made, spool, disk, clock, log: log.child({ part: 'command' }), dir: config.spool.path },
    ...{ runAs: options.runAs, configure: options.configure },
    live: (wanted) => made.live(wanted),
  });
  commander.start();
  made.start();
  return { links, uplink: made, commander };
}

export type StartCentreLink = typeof startCentreLink;

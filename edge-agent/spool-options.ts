/** The spool's options from the unit's file. */

import { renditionsOf, type UnitConfig } from '@longroof/protocol/unit-config';
import type { AgentOptions } from './agent.js';
import type { SpoolOptions } from './spool/open.js';
import { retentionOf } from './strips.js';
import { VERSION } from './version.js';

export function spoolOptionsOf({ clock, disk, log, configSha256, thread }: AgentOptions, config: UnitConfig): SpoolOptions {
  return {
    path: config.spool.path,
    quotaBytes: config.spool.quota,
    retention: retentionOf(config),
    enduranceBytes: config.spool.endurance,
    unit: config.unit,
    journalKeyPem: disk.readFile(`${config.identity}/journal.key`).toString('utf8'),
    version: VERSION,
    configSha256,
    cameras: config.cameras.map((camera) => ({ camera: camera.id, renditions: renditionsOf(camera) })),
    clock,
    log,
    thread,
  };
}

/** What a controller's YAML file may say. */

import path from 'node:path';
import { type Check, choice, filePath, flag, integer, list, loadConfig, object, optional } from '@longroof/base/config';
import type { Disk } from '@longroof/base/disk';
import type { LogLevel } from '@longroof/base/log';

export interface ControllerConfig {
  data: string;
  /** The fleet's own authority. */
  authority: string;
  http: { host: string; port: number; behindTls: boolean };
  /** `names`: DNS names and addresses by which units reach it, for its certificate. */
  mqtt: { host: string; port: number; names: readonly string[] };
  log: LogLevel;
}

const NAMES_MAX = 32;
const HOST = /^[A-Za-z0-9.:-]{1,253}$/;

const hostName = (): Check<string> => ({
  read: (value, key, context) =>
    typeof value === 'string' && HOST.test(value) ? value : context.wrong(key, value, 'a host name or address'),
});

const SCHEMA = object({
  data: filePath(),
  authority: optional(filePath()),
  http: object({ host: hostName(), port: integer(0, 65_535), behindTls: optional(flag(), false) }),
  mqtt: object({ host: hostName(), port: integer(0, 65_535), names: optional(list(hostName(), 0, NAMES_MAX, 'names'), []) }),
  log: optional(choice('debug', 'info', 'warn', 'error', 'silent'), 'info' as const),
});

/** Throws LR_CONFIG that lists every problem. */
export function loadControllerConfig(disk: Disk, file: string): ControllerConfig {
  const { config } = loadConfig(disk, file, SCHEMA);
  return { ...config, authority: config.authority ?? path.join(config.data, 'authority') };
}

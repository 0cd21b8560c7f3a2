/** What a controller's YAML file may say. */

import path from 'node:path';
import { type Check, choice, filePath, flag, integer, list, loadConfig, object, optional, url } from '@longroof/base/config';
import type { Disk } from '@longroof/base/disk';
import type { LogLevel } from '@longroof/base/log';

export interface ControllerConfig {
  data: string;
  /** The fleet's own authority. */
  authority: string;
  http: { host: string; port: number; behindTls: boolean };
  mqtt: OwnBroker | ExternalBrokerPlace;
  log: LogLevel;
}

/** The controller is the broker. `names`: DNS names and addresses by which units reach it, for its certificate. */
export interface OwnBroker {
  host: string;
  port: number;
  names: readonly string[];
  external?: undefined;
}

/** The controller is a client of a broker. Without `ca` the fleet's root, without `identity` a certificate of the fleet's authority. */
export interface ExternalBrokerPlace {
  external: URL;
  ca: string | undefined;
  identity: { key: string; certificate: string } | undefined;
}

const NAMES_MAX = 32;
const HOST = /^[A-Za-z0-9.:-]{1,253}$/;

const hostName = (): Check<string> => ({
  read: (value, key, context) =>
    typeof value === 'string' && HOST.test(value) ? value : context.wrong(key, value, 'a host name or address'),
});

const OWN_BROKER = object({
  host: hostName(),
  port: integer(0, 65_535),
  names: optional(list(hostName(), 0, NAMES_MAX, 'names'), []),
});
const EXTERNAL_BROKER = object({
  external: url('mqtts'),
  ca: optional(filePath()),
  identity: optional(object({ key: filePath(), certificate: filePath() })),
});

/** Either kind, by whether `external` is there, so that a mistake is told against the keys of the kind that was meant. */
const broker: Check<OwnBroker | ExternalBrokerPlace> = {
  read: (value, key, context) =>
    typeof value === 'object' && value !== null && 'external' in value
      ? EXTERNAL_BROKER.read(value, key, context)
      : OWN_BROKER.read(value, key, context),
};

const SCHEMA = object({
  data: filePath(),
  authority: optional(filePath()),
  http: object({ host: hostName(), port: integer(0, 65_535), behindTls: optional(flag(), false) }),
  mqtt: broker,
  log: optional(choice('debug', 'info', 'warn', 'error', 'silent'), 'info' as const),
});

/** Throws LR_CONFIG that lists every problem. */
export function loadControllerConfig(disk: Disk, file: string): ControllerConfig {
  const { config } = loadConfig(disk, file, SCHEMA);
  return { ...config, authority: config.authority ?? path.join(config.data, 'authority') };
}

/** The unit's one YAML file. Left out: `controller` records only, `gnss` has no positions, `board` no battery guard, `chrony` is asked where it listens by default, `events` protect as event-config.ts says, `metrics` listens on no port, `media` makes copies as the agent's own user, and no strips; with none of `links`, `metered`, `free` nothing goes but the journal and what is asked for. */
import { createHash } from 'node:crypto';
import * as c from '@longroof/base/config';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { eventConfig } from './event-config.js';
import type { CameraRendition } from './fragment.js';

const camera = c.object({
  id: c.id(),
  url: c.url('rtsp'),
  sub: c.optional(c.url('rtsp')),
  kind: c.optional(c.choice('vehicle', 'body'), 'vehicle'),
  engine: c.optional(c.choice('auto', 'own', 'ffmpeg'), 'auto'),
  audio: c.optional(c.flag(), false),
  allowBasic: c.optional(c.flag(), false),
  stall: c.optional(c.duration(1000, 60_000), 5000),
  mount: c.optional(
    c.object({
      yawDeg: c.number(-360, 360, 'degrees'),
      fovDeg: c.number(1, 360, 'degrees'),
      rangeM: c.optional(c.number(1, 10_000, 'metres'), 60),
    }),
  ),
});

/** `unix:/run/longroof/board.sock` -> the path. sun_path of unix(7) holds 107 bytes. */
const unixPath: c.Check<string> = {
  read(value, key, context) {
    const path = typeof value === 'string' ? /^unix:(\/[^\0]+)$/.exec(value)?.[1] : undefined;
    if (path !== undefined && Buffer.byteLength(path) <= 107) return path;
    return context.wrong(key, value, '`unix:` and the path of a socket, at most 107 bytes');
  },
};

/** As in passwd(5) on Debian. */
const userName: c.Check<string> = {
  read(value, key, context) {
    if (typeof value === 'string' && /^[a-z_][a-z0-9_-]{0,31}$/.test(value)) return value;
    return context.wrong(key, value, 'the name of a user of this machine');
  },
};

/** What a disk's maker rates it for, in bytes. The smallest cards are rated for some terabytes: less is a slip. */
const rated = c.size(1e11, 1e17);
const endurance: c.Check<number> = {
  read: (value, key, context) =>
    rated.read(value, key, new c.ConfigContext(context.folder)) ??
    context.wrong(key, value, 'the rated terabytes written, such as 300TB, from 0.1TB to 100000TB'),
};

/** A name as the kernel has it (at most 15 characters), or the beginning of some and `*`. */
const interfaceName: c.Check<string> = {
  read(value, key, context) {
    if (typeof value === 'string' && /^[A-Za-z0-9._:@-]{1,15}\*?$/.test(value)) return value;
    return context.wrong(key, value, 'the name of a network interface such as wwan0, or the beginning of some: wlan*');
  },
};

/** What may go over a class of link: what was asked for, what a hold keeps, and what goes without being asked for. */
export const SENDS = ['pulls', 'held', 'strips', 'proxies', 'originals'] as const;
export type Sends = (typeof SENDS)[number];
export const LINK_CLASSES = ['metered', 'free'] as const;
export type LinkClass = (typeof LINK_CLASSES)[number];
const sends: c.Check<Sends[]> = c.list(c.choice(...SENDS), 0, SENDS.length, 'kinds');
/** What goes over a metered link though its budget is spent. */
export const BEYOND = ['urgent', 'pulls', 'held'] as const;
export type Beyond = (typeof BEYOND)[number];
const beyond: c.Check<Beyond[]> = c.list(c.choice(...BEYOND), 0, BEYOND.length, 'kinds');
export const METERED_DEFAULT: { sends: Sends[]; beyond: Beyond[] } = { sends: ['pulls', 'strips'], beyond: ['urgent'] };
const link = c.object({ interface: interfaceName, class: c.choice(...LINK_CLASSES) });
const metered = c.object({
  monthlyBudget: c.optional(c.size(10e6, 1e15)),
  budgetDay: c.optional(c.integer(1, 28), 1),
  sends: c.optional(sends, METERED_DEFAULT.sends),
  beyond: c.optional(beyond, METERED_DEFAULT.beyond),
});
const free = c.object({ sends: c.optional(sends, [...SENDS]) });

const unit = c.object({
  unit: c.id(),
  controller: c.optional(c.url('mqtts')),
  identity: c.filePath(),
  spool: c.object({
    path: c.filePath(),
    quota: c.size(16 * 2 ** 20, 2 ** 50),
    endurance: c.optional(endurance),
    keepOriginal: c.optional(c.duration(60_000, 3.2e10), 7 * 8.64e7),
    keepProxy: c.optional(c.duration(60_000, 3.2e10), 30 * 8.64e7),
    keepStrip: c.optional(c.duration(60_000, 3.2e10), 90 * 8.64e7),
    stripQuota: c.optional(c.size(2 ** 20, 2 ** 50), 20 * 2 ** 30),
    originalQuota: c.optional(c.size(2 ** 20, 2 ** 50)),
    proxyQuota: c.optional(c.size(2 ** 20, 2 ** 50)),
    derivedQuota: c.optional(c.size(2 ** 20, 2 ** 50)),
  }),
  links: c.optional(c.list(link, 1, 16, 'links')),
  metered: c.optional(metered),
  free: c.optional(free),
  gnss: c.optional(c.url('gpsd')),
  receiver: c.optional(c.choice('any', 'u-blox', 'nmea-txt'), 'any'),
  chrony: c.optional(c.url('chrony')),
  events: eventConfig,
  board: c.optional(unixPath),
  metrics: c.optional(c.object({ port: c.integer(0, 65_535) })),
  media: c.optional(c.object({ user: c.optional(userName), strips: c.optional(c.flag(), false) })),
  log: c.optional(c.choice('debug', 'info', 'warn', 'error'), 'info'),
  cameras: c.list(camera, 0, 16, 'cameras'),
});

type Read<C> = C extends c.Check<infer T> ? T : never;
export type CameraConfig = Read<typeof camera>;
export type UnitConfig = Read<typeof unit>;
export type LinkEntry = Read<typeof link>;
export type MeteredConfig = Read<typeof metered>;
export type FreeConfig = Read<typeof free>;

export const unitConfigCheck: c.Check<UnitConfig> = {
  read(value, key, context) {
    const config = unit.read(value, key, context);
    if (!config) return undefined;
    const seen = new Set<string>();
    for (const [index, one] of (config.cameras ?? []).entries()) {
      if (one?.id !== undefined && seen.has(one.id)) context.wrong(`cameras[${index}].id`, one.id, 'a name that no other camera has');
      seen.add(one?.id);
    }
    return config;
  },
};

/** Reads, checks and freezes `unit.yaml`. Throws LR_CONFIG with every problem. */
export function loadUnitConfig(disk: Disk, file: string): { config: UnitConfig; sha256: string } {
  const { config, source } = c.loadConfig(disk, file, unitConfigCheck);
  return { config, sha256: createHash('sha256').update(source).digest('hex') };
}

export function renditionsOf(camera: CameraConfig): CameraRendition[] {
  return camera.sub ? ['original', 'proxy'] : ['original'];
}

/** What only a new start can change: everything but the cameras. Throws LR_CONFIG_RESTART that names the keys. */
export function checkReload(running: UnitConfig, next: UnitConfig): void {
  const fixed = (config: UnitConfig): Record<string, string> => {
    const rest: Record<string, string> = {};
    for (const [key, value] of Object.entries(config)) if (key !== 'cameras') rest[key] = JSON.stringify(value) ?? '';
    return rest;
  };
  const now = fixed(running);
  const changed = Object.entries(fixed(next)).filter(([key, value]) => now[key] !== value);
  if (changed.length > 0)
    throw new Fault('conflict', 'LR_CONFIG_RESTART', `${changed.map(([key]) => key).join(', ')}: changes only with a restart`, {
      hint: 'Restart the agent; SIGHUP takes on changes of cameras only.',
    });
}

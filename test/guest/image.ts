/**
 * Images for QEMU's virt machine: a root file system of Debian's packages, and a small first stage that loads what the disk needs. Both the
 * unit and the stock system use Debian's kernel and the same first stage. Made as files; nothing is mounted and no foreign program runs.
 */
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT } from '../peers/wagon.js';
import { cacheFolder, command, debianTree, nodeProgram, once, STOCK_PACKAGES, UNIT_PACKAGES } from './fetch.js';

export interface GuestImage {
  kernel: string;
  initrd: string;
  root: string;
  /** Numbers of the recorder's user and group in it. */
  owner: { uid: number; gid: number };
}

// ext4 asks for crc32c by name, which no list of dependencies tells.
const DISK_MODULES = ['virtio_pci', 'virtio_blk', 'crc32c_generic', 'ext4'];
const MODULES = [...DISK_MODULES, 'virtio_net', 'i6300esb', 'virtio_rng'];
const SHELL_UNIT = `[Unit]
Description=A shell for tests
[Service]
Type=idle
ExecStart=/bin/bash -c 'stty -echo; echo shell-is-ready; exec /bin/bash --noprofile --norc'
Environment=PS1= TERM=dumb HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
StandardInput=tty
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyAMA0
Restart=always
TimeoutStopSec=1s
[Install]
WantedBy=multi-user.target
`;
/** An emulated processor on a busy host may stand still for longer than a real one does. */
const SLOW_WATCHDOG = '[Manager]\nRuntimeWatchdogSec=60s\n';
/** What the services log is said on the serial line too, the first durable fragment among it. */
const SERVICE_TELLS = '[Service]\nStandardOutput=journal+console\n';
const NETWORK = `[Match]
Name=e*
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
IPv6AcceptRA=no
`;

function kernelVersion(tree: string): string {
  const [version] = fs.readdirSync(path.join(tree, 'lib/modules'));
  if (!version) throw new Error(`no kernel in ${tree}`);
  return version;
}

/** Paths of a module and all it needs, in loading order, relative to /lib/modules/VERSION. */
async function moduleFiles(tree: string, names: readonly string[]): Promise<string[]> {
  const version = kernelVersion(tree);
  const folder = path.join(tree, 'lib/modules', version);
  if (!fs.existsSync(path.join(folder, 'modules.dep'))) await command('depmod', ['-b', tree, version]);
  const needs = new Map(
    fs
      .readFileSync(path.join(folder, 'modules.dep'), 'utf8')
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => {
        const [file = '', rest = ''] = line.split(':');
        return [file, rest.split(' ').filter(Boolean)] as const;
      }),
  );
  const ordered: string[] = [];
  for (const name of names) {
    const file = [...needs.keys()].find(
      (one) => path.basename(one) === `${name}.ko` || path.basename(one) === `${name.replaceAll('_', '-')}.ko`,
    );
    if (file === undefined) throw new Error(`the kernel has no module ${name}`);
    // The last that is needed is the first that must be there.
    for (const one of [...(needs.get(file) ?? []).reverse(), file]) if (!ordered.includes(one)) ordered.push(one);
  }
  return ordered;
}

const FIRST_STAGE = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in $(/bin/busybox cat /modules); do /bin/busybox insmod /m/$module; done
until [ -b /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 -o noatime /dev/vda /target
[ -b /dev/vdb ] && /bin/busybox mount -t ext4 -o noatime /dev/vdb /target/srv/spool
[ -b /dev/vdc ] && /bin/busybox mount -t ext4 -o ro /dev/vdc /target/opt/longroof && echo mounted
# While one processor starts the system, the other has the recorder's program read: in one go, not page by page as it is needed.
[ -x /target/usr/bin/node ] && cd /target && /bin/busybox cat usr/bin/node opt/longroof/edge-agent/dist/*.js \\
  opt/longroof/node_modules/better-sqlite3/build/Release/*.node > /dev/null 2>&1 &
init=/sbin/init
for word in $(/bin/busybox cat /proc/cmdline); do case $word in guest.init=*) init=\${word#guest.init=};; esac; done
/bin/busybox mount --move /dev /target/dev
/bin/busybox umount /proc
exec /bin/busybox switch_root /target $init
`;

async function firstStage(tree: string, file: string): Promise<void> {
  const folder = fs.mkdtempSync(path.join(cacheFolder(), 'half-'));
  try {
    for (const name of ['bin', 'dev', 'proc', 'target', 'm']) fs.mkdirSync(path.join(folder, name));
    fs.copyFileSync(path.join(tree, 'bin/busybox'), path.join(folder, 'bin/busybox'));
    const version = kernelVersion(tree);
    const modules = await moduleFiles(tree, DISK_MODULES);
    for (const one of modules) fs.copyFileSync(path.join(tree, 'lib/modules', version, one), path.join(folder, 'm', path.basename(one)));
    fs.writeFileSync(path.join(folder, 'modules'), modules.map((one) => path.basename(one)).join('\n'));
    fs.writeFileSync(path.join(folder, 'init'), FIRST_STAGE, { mode: 0o755 });
    const archive = `${folder}.cpio`;
    await command('sh', ['-c', `find . | cpio -o -H newc --quiet > ${archive}`], { cwd: folder });
    fs.writeFileSync(file, gzipSync(fs.readFileSync(archive)));
    fs.rmSync(archive);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const LEFT_OUT = [
  'boot',
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'usr/share/i18n',
  'var/cache/apt',
  'var/lib/apt',
  'var/lib/dpkg',
];

/** A copy of the tree with only the modules that the machine needs, and the accounts that Debian gives every system. */
async function copyTree(tree: string, to: string): Promise<void> {
  const version = kernelVersion(tree);
  await command('cp', ['-a', `${tree}/.`, to]);
  for (const name of LEFT_OUT) fs.rmSync(path.join(to, name), { recursive: true, force: true });
  fs.rmSync(path.join(to, 'lib/modules', version, 'kernel'), { recursive: true });
  for (const one of await moduleFiles(tree, MODULES)) {
    const place = path.join(to, 'lib/modules', version, one);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.copyFileSync(path.join(tree, 'lib/modules', version, one), place);
  }
  await command('depmod', ['-b', to, version]);
  const etc = (name: string): string => path.join(to, 'etc', name);
  fs.copyFileSync(path.join(to, 'usr/share/base-passwd/passwd.master'), etc('passwd'));
  fs.copyFileSync(path.join(to, 'usr/share/base-passwd/group.master'), etc('group'));
  fs.writeFileSync(etc('shadow'), 'root::19000:0:99999:7:::\n', { mode: 0o600 });
  fs.writeFileSync(etc('fstab'), '');
  // As base-files' own script does: D-Bus is looked for below /var/run.
  for (const [name, target] of Object.entries({ run: '/run', lock: '/run/lock' })) {
    fs.rmSync(path.join(to, 'var', name), { recursive: true, force: true });
    fs.symlinkSync(target, path.join(to, 'var', name));
  }
  fs.writeFileSync(etc('hostname'), 'wagon-1\n');
  fs.writeFileSync(etc('machine-id'), `${'5a'.repeat(16)}\n`);
}

function enable(to: string, unit: string, target: string): void {
  const wants = path.join(to, 'etc/systemd/system', `${target}.wants`);
  fs.mkdirSync(wants, { recursive: true });
  const place = ['etc/systemd/system', 'lib/systemd/system'].find((one) => fs.existsSync(path.join(to, one, unit)));
  if (place === undefined) throw new Error(`no unit ${unit}`);
  fs.symlinkSync(`/${place}/${unit}`, path.join(wants, unit));
}

/** A unit or a generator, named below /etc/systemd, that this system does not start. */
function mask(to: string, name: string): void {
  const place = path.join(to, 'etc/systemd', name);
  fs.mkdirSync(path.dirname(place), { recursive: true });
  fs.symlinkSync('/dev/null', place);
}

/** What firmware/image holds, at the places where a unit has it. */
async function installUnit(to: string): Promise<void> {
  const image = path.join(ROOT, 'firmware/image');
  const put = (name: string, folder: string): void => {
    fs.mkdirSync(path.join(to, folder), { recursive: true });
    fs.copyFileSync(path.join(image, name), path.join(to, folder, name));
  };
  put('longroof-agent.service', 'etc/systemd/system');
  put('longroof-board.service', 'etc/systemd/system');
  put('longroof-coldplug.service', 'etc/systemd/system');
  put('50-longroof-board.rules', 'etc/polkit-1/rules.d');
  put('60-longroof-gpio.rules', 'etc/udev/rules.d');
  put('longroof.sysusers', 'usr/lib/sysusers.d');
  fs.renameSync(path.join(to, 'usr/lib/sysusers.d/longroof.sysusers'), path.join(to, 'usr/lib/sysusers.d/longroof.conf'));
  put('watchdog.conf', 'etc/systemd/system.conf.d');
  put('journald.conf', 'etc/systemd/journald.conf.d');
  put('coldplug.conf', 'etc/systemd/system/systemd-udev-trigger.service.d');
  for (const unit of ['systemd-udevd', 'systemd-networkd']) put('first.conf', `etc/systemd/system/${unit}.service.d`);
  for (const name of fs.readFileSync(path.join(image, 'masked.txt'), 'utf8').split('\n').filter(Boolean)) mask(to, name);
  fs.copyFileSync(await nodeProgram(), path.join(to, 'usr/bin/node'));
  fs.chmodSync(path.join(to, 'usr/bin/node'), 0o755);
  const write = (file: string, text: string, mode = 0o644): void => {
    fs.mkdirSync(path.dirname(path.join(to, file)), { recursive: true });
    fs.writeFileSync(path.join(to, file), text, { mode });
  };
  write('sbin/only-record', ONLY_RECORD, 0o755);
  write('etc/systemd/network/10-lan.network', NETWORK);
  write('etc/systemd/system/test-shell.service', SHELL_UNIT);
  for (const name of ['agent', 'board']) write(`etc/systemd/system/longroof-${name}.service.d/test.conf`, SERVICE_TELLS);
  write('etc/systemd/system.conf.d/zz-emulated.conf', SLOW_WATCHDOG);
  write('etc/modules-load.d/board.conf', 'virtio_net\ni6300esb\n');
  for (const folder of ['srv/spool', 'opt/longroof']) fs.mkdirSync(path.join(to, folder), { recursive: true });
  fs.symlinkSync('/opt/longroof/etc', path.join(to, 'etc/longroof'));
  const started = [
    'longroof-agent.service',
    'longroof-board.service',
    'longroof-coldplug.service',
    'test-shell.service',
    'systemd-networkd.service',
  ];
  for (const unit of started) enable(to, unit, 'multi-user.target');
  fs.rmSync(path.join(to, 'etc/systemd/system/getty.target.wants'), { recursive: true, force: true });
  for (const unit of ['serial-getty@ttyAMA0.service', 'getty@tty1.service', 'systemd-timesyncd.service']) mask(to, `system/${unit}`);
  await command('systemd-sysusers', [`--root=${to}`, path.join(to, 'usr/lib/sysusers.d/basic.conf')]);
  await command('systemd-sysusers', [`--root=${to}`]);
}

/** Root's where there is no such user. */
function accountOf(tree: string, user: string): { uid: number; gid: number } {
  const line = fs
    .readFileSync(path.join(tree, 'etc/passwd'), 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return { uid: Number(uid ?? 0), gid: Number(gid ?? 0) };
}

/** PID 1 of a machine that only records: no services, for cuts of the power again and again. */
const ONLY_RECORD = `#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run; mount -t tmpfs tmp /tmp
modprobe virtio_net
busybox ip link set lo up; busybox ip addr add 10.0.2.15/24 dev eth0; busybox ip link set eth0 up
node --max-old-space-size=128 --max-semi-space-size=1 --v8-pool-size=1 --import /opt/longroof/test/tell.js \\
  /opt/longroof/edge-agent/bin/longroof-agent.js --config /etc/longroof/unit.yaml
echo "the recorder ended with $?"
busybox poweroff -f
`;

/** What the scripts of these packages turn on, which did not run. */
const STOCK_UNITS = {
  'sysinit.target': ['apparmor.service', 'systemd-timesyncd.service', 'systemd-pstore.service'],
  'multi-user.target': ['cron.service', 'networking.service', 'rsyslog.service', 'ssh.service', 'e2scrub_reap.service', 'remote-fs.target'],
  'timers.target': ['fstrim.timer', 'logrotate.timer', 'dpkg-db-backup.timer'],
};

const ROOT_MB = 900;

export async function makeDisk(file: string, tree: string | undefined, sizeMb: number, owner = { uid: 0, gid: 0 }): Promise<void> {
  fs.rmSync(file, { force: true });
  const extended = `lazy_itable_init=0,lazy_journal_init=0,root_owner=${owner.uid}:${owner.gid}`;
  const from = tree === undefined ? [] : ['-d', tree];
  await command('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-m', '0', '-E', extended, ...from, file, `${sizeMb}M`]);
}

const ownText = fs.readFileSync(import.meta.filename, 'utf8');

async function build(
  name: string,
  packages: readonly string[],
  parts: unknown,
  finish: (to: string) => Promise<void>,
): Promise<GuestImage> {
  const tree = await debianTree(name, packages);
  const folder = await once(`image-${name}`, [packages, parts, ownText], async (half) => {
    const to = path.join(half, 'root');
    await copyTree(tree, to);
    await finish(to);
    // Else the first start would bring indices of /usr up to date, as after an upgrade.
    for (const name of ['etc/.updated', 'var/.updated']) fs.writeFileSync(path.join(to, name), '');
    await firstStage(tree, path.join(half, 'initrd'));
    await makeDisk(path.join(half, 'root.img'), to, ROOT_MB);
    fs.writeFileSync(path.join(half, 'owner.json'), JSON.stringify(accountOf(to, 'longroof-agent')));
    fs.rmSync(to, { recursive: true });
  });
  return {
    kernel: path.join(tree, 'boot', `vmlinuz-${kernelVersion(tree)}`),
    initrd: path.join(folder, 'initrd'),
    root: path.join(folder, 'root.img'),
    owner: JSON.parse(fs.readFileSync(path.join(folder, 'owner.json'), 'utf8')) as GuestImage['owner'],
  };
}

/** The unit as firmware/image describes it. Its programs stand on a disk of their own, with its configuration. */
export async function unitImage(): Promise<GuestImage> {
  const image = path.join(ROOT, 'firmware/image');
  const parts = fs.readdirSync(image).map((name) => [name, fs.readFileSync(path.join(image, name), 'utf8')]);
  return build('unit', UNIT_PACKAGES, [parts, await nodeProgram()], installUnit);
}

/** Debian as its packages leave it, with a login on the serial line. */
export async function stockImage(): Promise<GuestImage> {
  return build('stock', STOCK_PACKAGES, [], async (to) => {
    await command('systemd-sysusers', [`--root=${to}`]);
    fs.mkdirSync(path.join(to, 'etc/network'), { recursive: true });
    fs.writeFileSync(path.join(to, 'etc/network/interfaces'), 'auto lo\niface lo inet loopback\n');
    for (const [target, units] of Object.entries(STOCK_UNITS)) for (const unit of units) enable(to, unit, target);
  });
}

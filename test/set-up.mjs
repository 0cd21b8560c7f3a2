/**
 * Makes a fresh clone ready: system packages, npm packages, the native module, the compiled code and the page. Plain Node, because
 * nothing is installed yet when it runs. Each step first looks whether its work is done, so a second run installs nothing.
 *
 *   node test/set-up.mjs demo|test|bench|guest
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const MODES = ['demo', 'test', 'bench', 'guest'];
const NODE_MIN = [20, 19];

/** Debian 12 names. `compiler` is wanted only while the native module is not built. */
const SCENES = [
  'python3',
  'python3-gi',
  'gir1.2-gstreamer-1.0',
  'gir1.2-gst-rtsp-server-1.0',
  'gstreamer1.0-plugins-base',
  'gstreamer1.0-plugins-good',
  'gstreamer1.0-plugins-bad',
  'gstreamer1.0-plugins-ugly',
];
const TEST = [
  'ffmpeg',
  'gpsd',
  'gpsd-clients',
  ...SCENES,
  'gstreamer1.0-rtsp',
  'gstreamer1.0-tools',
  'chromium',
  'vlc-bin',
  'vlc-plugin-base',
  'fonts-dejavu-core',
  'faketime',
  'gcc',
  'libc6-dev',
  'make',
  'mosquitto',
  'chrony',
];
/** Machines in QEMU and their disks, made of Debian's packages for arm64; a block device of our own. */
const GUEST = [
  'qemu-system-arm',
  'mmdebstrap',
  'g++-aarch64-linux-gnu',
  'e2fsprogs',
  'kmod',
  'cpio',
  'systemd',
  'libnbd-bin',
  'mount',
  'util-linux',
];
const PACKAGES = {
  demo: ['ffmpeg', 'gpsd', ...SCENES],
  test: TEST,
  guest: [...TEST, ...GUEST],
  bench: ['ffmpeg', 'gcc', 'libc6-dev'],
  compiler: ['python3', 'make', 'g++', 'gcc', 'libc6-dev'],
};

const startMs = performance.now();

function say(text) {
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`[${seconds} s] ${text}\n`);
}

function fail(text, code = 1) {
  process.stderr.write(`set-up: ${text}\n`);
  process.exit(code);
}

/** Runs a command that shows its own output only when it fails. */
function run(what, command, args, options = {}) {
  say(what);
  const result = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options });
  if (result.status === 0) return;
  const said = `${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd().split('\n').slice(-60).join('\n');
  const how = result.error?.message ?? (result.signal ? `ended by ${result.signal}` : `exit code ${result.status}`);
  fail(`${what}: ${how}\n${said}\nCommand: ${command} ${args.join(' ')}`);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]))
    fail(
      `Node ${process.versions.node} is too old: ${NODE_MIN.join('.')} or newer is needed (nodejs.org, or your distribution's backports)`,
    );
}

function missingPackages(names) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the braces are dpkg-query's own.
  const result = spawnSync('dpkg-query', ['-W', '-f=${Package} ${db:Status-Status}\\n', ...names], { encoding: 'utf8' });
  if (result.error) return undefined;
  const installed = new Set(
    result.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
}

/** The prefix with which apt-get may be run here; undefined without the right. */
function rightToInstall() {
  if (process.getuid?.() === 0) return [];
  const sudo = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
  return sudo.status === 0 ? ['sudo', '-n'] : undefined;
}

function installSystemPackages(names) {
  const missing = missingPackages(names);
  if (missing === undefined) {
    say(`this is not Debian: make sure that these, or what they are called here, are installed: ${names.join(' ')}`);
    return;
  }
  if (missing.length === 0) return;
  const right = rightToInstall();
  if (!right)
    fail(
      `these system packages are missing and there is no right to install them here. Run, then start again:\n  sudo apt-get install ${missing.join(' ')}`,
    );
  const apt = (what, ...args) => {
    const [command, ...rest] = [...right, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', ...args];
    run(what, command, rest);
  };
  apt('system packages: apt-get update', 'update');
  apt(`system packages: installing ${missing.join(' ')}`, 'install', '-y', '--no-install-recommends', ...missing);
  // Debian starts a broker of its own with the package; tests start theirs. A chrony that was not there before is left to its owner's choice.
  for (const name of ['mosquitto', 'chrony'])
    if (missing.includes(name) && fs.existsSync('/run/systemd/system'))
      spawnSync([...right, 'systemctl'][0], [...right, 'systemctl', 'disable', '--now', `${name}.service`].slice(1), { stdio: 'ignore' });
  const still = missingPackages(missing) ?? [];
  if (still.length > 0) fail(`apt-get ended well, yet these are missing: ${still.join(' ')}`);
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    return fail(`${file}: ${error.message}`);
  }
}

/** Whether node_modules holds just what package-lock.json names; npm writes down what it has put there. */
function npmPackagesAreCurrent() {
  const wanted = readJson(path.join(ROOT, 'package-lock.json'));
  const present = readJson(path.join(ROOT, 'node_modules/.package-lock.json'));
  if (!wanted) fail('package-lock.json is missing: this is not a whole clone');
  if (!present) return false;
  return Object.entries(wanted.packages).every(([where, entry]) => {
    if (!where.includes('node_modules/') || entry.link) return true;
    const found = present.packages[where];
    return found ? found.version === entry.version : entry.optional === true;
  });
}

function installNpmPackages() {
  if (npmPackagesAreCurrent()) return;
  // Install scripts are not needed but for one module, which is seen to next; npm may or may not run them by itself.
  run('npm packages: npm ci', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts']);
}

function nativeModuleLoads() {
  const probe = "const D = require('better-sqlite3'); new D(':memory:').prepare('select 1').get();";
  return spawnSync(process.execPath, ['-e', probe], { cwd: ROOT, stdio: 'ignore' }).status === 0;
}

function buildNativeModule() {
  if (nativeModuleLoads()) return;
  installSystemPackages(PACKAGES.compiler);
  const args = ['rebuild', 'better-sqlite3', '--no-audit', '--loglevel=error', '--foreground-scripts', '--ignore-scripts=false'];
  run('better-sqlite3: fetching or compiling (up to 2 minutes)', 'npm', args);
  if (nativeModuleLoads()) return;
  // Newer npm runs install scripts only of packages that are allowed to: then its own script is run by hand.
  const folder = path.join(ROOT, 'node_modules/better-sqlite3');
  run('better-sqlite3: compiling by its own script', 'npx', ['--no-install', 'node-gyp', 'rebuild', '--release'], { cwd: folder });
  if (!nativeModuleLoads()) fail('better-sqlite3 was built but does not load; run: npm rebuild better-sqlite3 --foreground-scripts');
}

/** tap keeps its set of plug-ins in .tap; ours leaves one out, so the set is made once. */
function prepareTap() {
  const stamp = path.join(ROOT, '.tap/plugins/.longroof');
  const wanted = createHash('sha256')
    .update(JSON.stringify(readJson(path.join(ROOT, 'package.json')).tap ?? {}))
    .update(readJson(path.join(ROOT, 'node_modules/tap/package.json'))?.version ?? '')
    .digest('hex');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted) return;
  run('test runner: choosing plug-ins', 'node_modules/.bin/tap', ['build']);
  fs.mkdirSync(path.dirname(stamp), { recursive: true });
  fs.writeFileSync(stamp, wanted);
}

function compile() {
  run('compiling', 'node_modules/.bin/tsc', ['-b']);
}

function filesBelow(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'dist' || entry.name === 'node_modules' ? [] : filesBelow(file);
    return entry.isFile() ? [file] : [];
  });
}

/** The page is bundled anew when a source of it, its packages or the shapes that it shares with the API changed. */
function buildPage() {
  const web = path.join(ROOT, 'controller/web');
  if (!fs.existsSync(path.join(web, 'index.html'))) return;
  const hash = createHash('sha256');
  const sources = [...filesBelow(web), ...filesBelow(path.join(ROOT, 'protocol')), path.join(ROOT, 'controller/api/shapes.ts')];
  for (const file of [...sources.sort(), path.join(ROOT, 'package-lock.json')])
    hash.update(path.relative(ROOT, file)).update(fs.readFileSync(file));
  const wanted = hash.digest('hex');
  const stamp = path.join(web, 'dist/.built-from');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted) return;
  run('page: bundling', 'npm', ['run', 'build', '-w', 'controller', '--loglevel=error']);
  fs.mkdirSync(path.dirname(stamp), { recursive: true });
  fs.writeFileSync(stamp, wanted);
}

const mode = process.argv[2] ?? 'test';
if (!MODES.includes(mode)) fail(`"${mode}": give one of ${MODES.join(', ')}`, 2);
checkNode();
installSystemPackages(PACKAGES[mode]);
installNpmPackages();
buildNativeModule();
if (mode === 'test' || mode === 'guest') prepareTap();
compile();
buildPage();
say('ready');

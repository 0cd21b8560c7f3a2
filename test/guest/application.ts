/** Lays the unit's programs out as they stand on a unit: /opt/longroof with the programs and the native packages they need, none more. */
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../peers/wagon.js';
import { command, nativeModule } from './fetch.js';

const PROGRAMS = ['firmware', 'edge-agent'];
/** Strips need sharp, which no test in a guest makes. */
const NATIVE = [
  ['better-sqlite3', 'better_sqlite3.node'],
  ['epoll', 'epoll.node'],
] as const;
/** These only build native modules. */
const LEFT_OUT = new Set(['prebuild-install', 'node-gyp', 'nan']);

interface Manifest {
  dependencies?: Record<string, string>;
}

/** Folders below node_modules that are needed, relative to the repository. */
function neededPackages(): string[] {
  const needed = new Set<string>();
  const walk = (name: string): void => {
    const place = path.join('node_modules', name);
    if (LEFT_OUT.has(name) || needed.has(place)) return;
    needed.add(place);
    const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, place, 'package.json'), 'utf8')) as Manifest;
    for (const next of Object.keys(manifest.dependencies ?? {})) walk(next);
  };
  for (const [name] of NATIVE) walk(name);
  return [...needed].sort();
}

const USELESS = /\.(map|md|[cm]?ts)$|^\/deps$|^\/src$/;

function copyPackage(from: string, to: string): void {
  fs.cpSync(from, to, {
    recursive: true,
    filter: (file) => {
      const inside = file.slice(from.length);
      return !USELESS.test(inside) && !inside.startsWith('/node_modules') && !/^\/build\/(Release|deps)/.test(inside);
    },
  });
}

export async function layOutApplication(target: string): Promise<void> {
  const rolldown = path.join(ROOT, 'node_modules/.bin/rolldown');
  const quiet = ['--logLevel', 'silent'];
  await command(rolldown, ['-c', path.join(ROOT, 'firmware/image/programs.js'), '--dir', target, ...quiet]);
  const edges = [path.join(import.meta.dirname, '../firmware/edges.js'), '--dir', path.join(target, 'test')];
  await command(rolldown, [...edges, '--platform', 'node', '--external', 'epoll', ...quiet], { cwd: ROOT });
  fs.copyFileSync(path.join(import.meta.dirname, 'tell.js'), path.join(target, 'test/tell.js'));
  for (const name of PROGRAMS) fs.cpSync(path.join(ROOT, name, 'bin'), path.join(target, name, 'bin'), { recursive: true });
  for (const place of neededPackages()) copyPackage(path.join(ROOT, place), path.join(target, place));
  fs.writeFileSync(path.join(target, 'package.json'), '{"type":"module"}');
  for (const [name, file] of NATIVE) {
    const release = path.join(target, 'node_modules', name, 'build/Release');
    fs.mkdirSync(release, { recursive: true });
    fs.copyFileSync(await nativeModule(name, file), path.join(release, file));
  }
}

/** Lays the unit's programs out as they stand on a unit: /opt/longroof with the compiled code and the packages it needs, none more. */
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../peers/wagon.js';
import { nativeModule } from './fetch.js';

const WORKSPACES = ['base', 'protocol', 'firmware', 'edge-agent'];
/** Strips need sharp, which no test in a guest makes; the other two only build native modules. */
const LEFT_OUT = new Set(['sharp', 'prebuild-install', 'node-gyp', 'nan']);

interface Manifest {
  dependencies?: Record<string, string>;
}

function manifest(folder: string): Manifest {
  return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Folders below node_modules that are needed, relative to the repository. */
function neededPackages(): string[] {
  const needed = new Set<string>();
  const walk = (name: string, from: string): void => {
    if (LEFT_OUT.has(name) || name.startsWith('@longroof/') || name.startsWith('@types/')) return;
    const place = [path.join(from, 'node_modules', name), path.join('node_modules', name)].find((one) =>
      fs.existsSync(path.join(ROOT, one, 'package.json')),
    );
    if (place === undefined) throw new Error(`${name}, needed by ${from || 'a workspace'}, is not installed`);
    if (needed.has(place)) return;
    needed.add(place);
    for (const next of Object.keys(manifest(path.join(ROOT, place)).dependencies ?? {})) walk(next, place);
  };
  for (const workspace of WORKSPACES)
    for (const name of Object.keys(manifest(path.join(ROOT, workspace)).dependencies ?? {})) walk(name, workspace);
  return [...needed].sort();
}

const USELESS = /\.(map|md|[cm]?ts)$|^\/deps$/;

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
  for (const place of neededPackages()) copyPackage(path.join(ROOT, place), path.join(target, place));
  const scope = path.join(target, 'node_modules/@longroof');
  fs.mkdirSync(scope, { recursive: true });
  for (const workspace of WORKSPACES) {
    const to = path.join(target, workspace);
    fs.mkdirSync(to, { recursive: true });
    fs.copyFileSync(path.join(ROOT, workspace, 'package.json'), path.join(to, 'package.json'));
    fs.cpSync(path.join(ROOT, workspace, 'dist'), path.join(to, 'dist'), {
      recursive: true,
      filter: (file) => !/\.(map|d\.ts|tsbuildinfo)$|\.test\.js$/.test(file),
    });
    if (fs.existsSync(path.join(ROOT, workspace, 'bin')))
      fs.cpSync(path.join(ROOT, workspace, 'bin'), path.join(to, 'bin'), { recursive: true });
    fs.symlinkSync(`../../${workspace}`, path.join(scope, workspace));
  }
  fs.mkdirSync(path.join(target, 'test'));
  for (const program of ['tell.js', '../firmware/edges.js'])
    fs.copyFileSync(path.join(import.meta.dirname, program), path.join(target, 'test', path.basename(program)));
  fs.writeFileSync(path.join(target, 'package.json'), '{"type":"module"}');
  for (const [name, file] of [
    ['better-sqlite3', 'better_sqlite3.node'],
    ['epoll', 'epoll.node'],
  ] as const) {
    const release = path.join(target, 'node_modules', name, 'build/Release');
    fs.mkdirSync(release, { recursive: true });
    fs.copyFileSync(await nativeModule(name, file), path.join(release, file));
  }
}

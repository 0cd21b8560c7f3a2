/**
 * The unit's programs as they lie under /opt/longroof: each one file and what it loads later, instead of hundreds of modules that a small computer
 * would look for one by one at each start. Native modules stay packages of their own. `npm run programs -w firmware -- --dir TARGET`.
 */
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
const NATIVE = ['better-sqlite3', 'sharp', 'epoll'];

/** Where an entry lies below `dist` is where the package's `bin` files, and the worker's address, look for it. */
const program = (pkg, entries) => ({
  cwd: path.join(ROOT, pkg),
  input: Object.fromEntries(Object.entries(entries).map(([to, from]) => [`${pkg}/dist/${to}`, path.join(ROOT, pkg, 'dist', `${from}.js`)])),
  platform: 'node',
  external: NATIVE,
  output: { format: 'esm', entryFileNames: '[name].js', chunkFileNames: `${pkg}/dist/[name]-[hash].js` },
});

export default [
  program('edge-agent', { main: 'main', worker: 'spool/worker', 'spool/fsck-main': 'spool/fsck-main' }),
  program('firmware', { main: 'main' }),
];

/** Positions from a real gpsd that replays what real receivers said. */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { Gnss } from '@longroof/edge-agent/health/gnss';
import type { Fix } from '@longroof/protocol/track';
import t from 'tap';
import { startProgram, until } from '../peers/program.js';

const MEDIA = path.resolve(process.env['LONGROOF_TEST_MEDIA'] ?? '../shared/media');

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

for (const log of ['gnss-haicom.log', 'gnss-telit.log']) {
  const file = path.join(MEDIA, log);
  t.test(`a receiver's log through gpsd: ${log}`, { skip: fs.existsSync(file) ? false : `${file} is not there` }, async (t) => {
    const port = await freePort();
    const gpsd = startProgram('gpsfake', ['-n', '-q', '-1', '-c', '0.05', '-P', String(port), file]);
    const fixes: Fix[] = [];
    const told: boolean[] = [];
    const gnss = new Gnss({
      host: '127.0.0.1',
      port,
      clock: systemClock,
      log: silentLog,
      sink: { fix: (fix) => fixes.push(fix), available: (yes) => told.push(yes) },
    });
    gnss.start();
    t.teardown(async () => {
      gnss.stop();
      await gpsd.stop('SIGTERM').catch(() => undefined);
    });
    await until('ten fixes', () => fixes.length >= 10);
    t.equal(new Set(fixes.map((fix) => fix.utcMs)).size, fixes.length, 'no fix is told twice');
    t.ok(
      fixes.every((fix) => Math.abs(fix.latDeg) <= 90 && (fix.mode === 2 || fix.mode === 3)),
      'every fix has a place and a mode',
    );
    t.ok(told.includes(true), 'told that positions come in');
    await gpsd.stop('SIGTERM').catch(() => undefined);
    await until('told that positions ceased', () => told.at(-1) === false);
  });
}

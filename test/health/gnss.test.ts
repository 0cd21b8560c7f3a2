/** Positions from a real gpsd that replays what real receivers said. */

import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { Gnss } from '@longroof/edge-agent/health/gnss';
import { HeadingKeeper } from '@longroof/edge-agent/health/heading';
import { jumpOf } from '@longroof/edge-agent/health/jumps';
import type { ReceiverState } from '@longroof/edge-agent/health/receiver-state';
import type { Fix } from '@longroof/protocol/track';
import t from 'tap';
import { nmea, placeAt } from '../demo/drive.js';
import { choosePorts } from '../demo/ports.js';
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
    t.ok(
      fixes.every((fix, i) => i === 0 || fix.utcMs > (fixes[i - 1]?.utcMs ?? 0) - 1000),
      'times rise, but for a receiver that sets its own right by parts of a second',
    );
    t.same(
      fixes.flatMap((fix, i) => jumpOf(fixes[i - 1], fix) ?? []),
      [],
      'a real receiver that stands or walks makes no impossible jump',
    );
    const keeper = new HeadingKeeper(5);
    for (const fix of fixes) {
      const heading = keeper.take(fix);
      if (heading && !(heading.errorDeg >= 5 && heading.errorDeg < 180)) t.fail(`heading ${JSON.stringify(heading)}`);
    }
    await gpsd.stop('SIGTERM').catch(() => undefined);
    await until('told that positions ceased', () => told.at(-1) === false);
  });
}

function sentence(body: string): string {
  const sum = [...body].reduce((all, letter) => all ^ letter.charCodeAt(0), 0);
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}\r\n`;
}

t.test('what a receiver says of its antenna comes through a real gpsd', { timeout: 120_000 }, async (t) => {
  const ports = await choosePorts(
    [
      { name: 'gpsd', kind: 'tcp' },
      { name: 'nmea', kind: 'udp' },
    ],
    {},
  );
  const gpsd = startProgram('/usr/sbin/gpsd', ['-N', '-n', '-S', String(ports.gpsd), `udp://127.0.0.1:${ports.nmea}`]);
  t.teardown(() => gpsd.stop('SIGKILL').catch(() => undefined));
  const states: ReceiverState[] = [];
  const fixes: Fix[] = [];
  const gnss = new Gnss({
    ...{ host: '127.0.0.1', port: ports.gpsd, raw: true, clock: systemClock, log: silentLog },
    sink: { fix: (fix) => fixes.push(fix), available: () => undefined, receiver: (state) => states.push(state) },
  });
  gnss.start();
  t.teardown(() => gnss.stop());
  const socket = dgram.createSocket('udp4');
  t.teardown(() => socket.close());
  let antenna = 'OK';
  let utcMs = Math.floor(Date.now() / 1000) * 1000;
  const feed = setInterval(() => {
    utcMs += 1000;
    socket.send(nmea(utcMs, placeAt(utcMs, 1)) + sentence(`GNTXT,01,01,02,ANTSTATUS=${antenna}`), ports.nmea, '127.0.0.1');
  }, 200);
  t.teardown(() => clearInterval(feed));
  await until('the antenna is well', () => states.at(-1)?.antenna === 'ok');
  antenna = 'OPEN';
  await until('the cable is off', () => states.at(-1)?.antenna === 'open');
  await until('positions beside it', () => fixes.length >= 3);
  t.equal(states.at(-1)?.jamming, 'unknown', 'of what it does not tell nothing is said');
  await gpsd.stop('SIGTERM').catch(() => undefined);
  await until('gpsd gone: nothing is known', () => states.at(-1)?.antenna === 'unknown');
});

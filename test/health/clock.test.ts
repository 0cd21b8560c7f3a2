/** A real chronyd as the source of the unit's clock: told with its error, and gone when it is gone. Neither of the two touches the machine's clock. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { Chrony } from '@longroof/edge-agent/health/chrony';
import t from 'tap';
import { choosePorts } from '../demo/ports.js';
import { type Program, startProgram, until } from '../peers/program.js';

const CHRONYD = '/usr/sbin/chronyd';

t.test(
  'who keeps the clock, and how well, from chrony itself',
  { skip: fs.existsSync(CHRONYD) ? false : 'no chronyd', timeout: 120_000 },
  async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lr-chrony-'));
    t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));
    const ports = await choosePorts(
      [
        { name: 'ntp', kind: 'udp' },
        { name: 'serverCommand', kind: 'udp' },
        { name: 'command', kind: 'udp' },
      ],
      {},
    );
    const start = (name: string, lines: string[]): Program => {
      const file = path.join(folder, `${name}.conf`);
      const common = ['bindcmdaddress 127.0.0.1', 'bindcmdaddress /', `pidfile ${folder}/${name}.pid`, `driftfile ${folder}/${name}.drift`];
      fs.writeFileSync(file, [...common, ...lines, ''].join('\n'));
      // -x: the machine's clock is left alone; -U: any user may run it.
      const program = startProgram(CHRONYD, ['-x', '-d', '-U', '-u', os.userInfo().username, '-f', file]);
      t.teardown(() => program.stop('SIGKILL').catch(() => undefined));
      return program;
    };
    start('server', ['local stratum 8', 'allow 127.0.0.1', 'bindaddress 127.0.0.1', `port ${ports.ntp}`, `cmdport ${ports.serverCommand}`]);
    const client = start('client', [`server 127.0.0.1 port ${ports.ntp} iburst minpoll 0 maxpoll 1`, 'port 0', `cmdport ${ports.command}`]);

    const ask = async (port: number) => {
      const chrony = new Chrony({ host: '127.0.0.1', port, clock: systemClock, log: silentLog });
      await chrony.start();
      chrony.stop();
      return chrony.now();
    };
    const keeper = await until('the client is synchronised', () => ask(ports.command), 90_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${client.output()}`);
    });
    t.comment(`${keeper.source} within ${keeper.errorMs} ms by ${keeper.name}`);
    t.match(keeper, { source: 'ntp', name: /127\.0\.0\.1|localhost/ });
    t.ok(keeper.errorMs >= 1 && keeper.errorMs < 1000, `${keeper.errorMs} ms`);
    t.equal(await ask(ports.serverCommand), undefined, 'a chronyd that follows its own clock keeps nothing');
    await client.stop('SIGTERM');
    t.equal(await ask(ports.command), undefined, 'nobody there: nobody keeps it');
  },
);

/** After a scenario that failed: says what there was instead, and gives the next one a unit that records while it drives. */
import { FIRST, LINES, type Scenario, SLOW_MS, startedAgain } from './unit.js';

const ASK_MS = 60_000;
const LOOK = [
  '/opt/longroof/firmware/bin/longroof-board.js status',
  'systemctl --no-pager --no-legend --failed',
  'systemctl --no-pager -n 0 status longroof-board longroof-agent',
  'journalctl --no-pager -o short-monotonic -n 60 -u longroof-board -u longroof-agent -u init.scope | busybox cut -c1-300',
  'ls -l /sys/class/gpio /sys/class/gpio/gpio*/value; busybox uptime',
];

export async function describe({ machine, say }: Scenario): Promise<void> {
  say(`   QEMU's events: ${machine.events.map(({ event }) => event).join(' ') || 'none'}`);
  if (!machine.hasEnded)
    for (const line of LOOK) {
      const said = await machine.shell(line, ASK_MS).catch((error: Error) => error.message);
      say(`   $ ${line}\n${said.replaceAll(/^/gm, '     ')}`);
      if (said.includes('did not say')) break;
    }
  say(`   the serial line:\n${machine.console.slice(-3000).replaceAll(/^/gm, '     ')}`);
}

export async function describeAndMend(given: Scenario): Promise<void> {
  await describe(given);
  const { machine } = given;
  for (const line of [LINES.ignition, LINES.powerGood]) await machine.pin(line, true);
  const since = machine.console.length;
  try {
    await machine.shell('busybox pkill -f edges.js; systemctl restart longroof-board longroof-agent', ASK_MS);
    await machine.says(FIRST, SLOW_MS, since);
  } catch (error) {
    given.say(`   the machine is reset: ${(error as Error).message.slice(0, 200)}`);
    await startedAgain(given, () => machine.qmp.run('system_reset'));
  }
}

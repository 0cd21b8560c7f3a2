/**
 * A wagon with a metered and a free interface, in a network namespace: the connection's class is that of the interface that the kernel
 * chose, and the connection moves when the kernel would choose another. Real TLS, real routes. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import type { LinkStatus } from '@longroof/protocol/messages';
import t from 'tap';

interface Seen {
  metered: { link: LinkStatus; stored: string[] };
  free: { link: LinkStatus; stored: string[] };
  told: LinkStatus;
  back: LinkStatus;
  connects: number;
  meteredBytes: number;
  freeBytes: number;
  kernelBytes: number;
}

/** Why there can be none here. */
function whyNot(): string | undefined {
  try {
    execFileSync('unshare', ['-n', 'ip', 'link', 'add', 'probe', 'type', 'veth', 'peer', 'name', 'far'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `no network namespace with two interfaces can be made here: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`;
  }
}

function run(): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const program = path.join(import.meta.dirname, 'two-links-child.js');
    const child = spawn('unshare', ['-n', process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('close', (code) => resolve({ code, output }));
  });
}

t.setTimeout(240_000);
const skip = whyNot() ?? false;
t.test(
  'over the metered interface strips only; at home, over the free one, all of it; and back',
  { skip, timeout: 220_000 },
  async (test) => {
    const { code, output } = await run();
    test.equal(code, 0);
    const seen = JSON.parse(output) as Seen;
    test.match(seen.metered.link, { interface: 'wwan0', class: 'metered' });
    test.same(seen.metered.stored, ['strip', 'strip', 'strip']);
    test.match(seen.free.link, { interface: 'wlan0', class: 'free' });
    test.same(seen.free.stored, ['proxy', 'proxy', 'proxy', 'original', 'original', 'original']);
    test.match(seen.told, { interface: 'wlan0', class: 'free' }, 'and the centre is told');
    test.match(seen.back, { interface: 'wwan0', class: 'metered' });
    test.equal(seen.connects, 3);
    test.ok(seen.meteredBytes > 60_000 && seen.meteredBytes < 110_000, `${seen.meteredBytes} bytes over the metered link`);
    test.ok(seen.freeBytes > 1_080_000 && seen.freeBytes < 1_180_000, `${seen.freeBytes} bytes over the free link`);
    const share = seen.kernelBytes / (seen.meteredBytes + seen.freeBytes);
    test.comment(`the kernel sent ${((share - 1) * 100).toFixed(1)} % more: headers and acknowledgements, on the loopback's long packets`);
    test.ok(share >= 1 && share < 1.1, `${seen.kernelBytes} bytes by the kernel's count`);
  },
);

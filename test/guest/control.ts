/** The two lines by which a machine in QEMU is spoken to from outside: QMP (JSON lines) and qtest (words), each one request at a time. */
import { once } from 'node:events';
import net from 'node:net';
import readline from 'node:readline';
import { until } from '../peers/program.js';

async function connect(socket: string): Promise<net.Socket> {
  return until(`QEMU listens on ${socket}`, async () => {
    const peer = net.connect(socket);
    try {
      await once(peer, 'connect');
      return peer;
    } catch {
      return undefined;
    }
  });
}

class Line {
  readonly #peer: net.Socket;
  readonly #waiting: ((line: string) => boolean)[] = [];

  constructor(peer: net.Socket, stray: (line: string) => void) {
    this.#peer = peer;
    peer.on('error', () => undefined);
    readline.createInterface({ input: peer }).on('line', (line) => {
      const first = this.#waiting[0];
      if (first?.(line)) this.#waiting.shift();
      else stray(line);
    });
  }

  /** Resolves with the first line that `fits`; rejects when the other side goes. */
  ask(text: string, fits: (line: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`QEMU ended before it answered ${text}`));
      this.#peer.once('close', gone);
      this.#waiting.push((line) => {
        if (!fits(line)) return false;
        this.#peer.off('close', gone);
        resolve(line);
        return true;
      });
      this.#peer.write(`${text}\n`);
    });
  }

  close(): void {
    this.#peer.destroy();
  }
}

export interface QmpEvent {
  event: string;
  data?: Record<string, unknown>;
}

export class Qmp {
  readonly #line: Line;

  static async connect(socket: string, onEvent: (event: QmpEvent) => void): Promise<Qmp> {
    const qmp = new Qmp(await connect(socket), onEvent);
    await qmp.run('qmp_capabilities');
    return qmp;
  }

  private constructor(peer: net.Socket, onEvent: (event: QmpEvent) => void) {
    this.#line = new Line(peer, (line) => {
      const said = JSON.parse(line) as Partial<QmpEvent>;
      if (said.event !== undefined) onEvent(said as QmpEvent);
    });
  }

  async run(execute: string, parameters: Record<string, unknown> = {}): Promise<unknown> {
    const isAnswer = (line: string): boolean => 'return' in JSON.parse(line) || 'error' in JSON.parse(line);
    const line = await this.#line.ask(JSON.stringify({ execute, arguments: parameters }), isAnswer);
    const answer = JSON.parse(line) as { return?: unknown; error?: { desc: string } };
    if (answer.error) throw new Error(`${execute}: ${answer.error.desc}`);
    return answer.return;
  }

  close(): void {
    this.#line.close();
  }
}

/** ARM PrimeCell PL061 of the virt machine: GPIODATA under a mask of all eight lines (DDI 0190B, 3.3.1). */
const PL061_DATA = 0x09030000 + 0x3fc;

/** The machine's GPIO lines, from outside. */
export class GpioPins {
  readonly #line: Line;
  readonly #chip: string;

  static async connect(socket: string, qmp: Qmp): Promise<GpioPins> {
    const chip = await findChip(qmp);
    return new GpioPins(await connect(socket), chip);
  }

  private constructor(peer: net.Socket, chip: string) {
    this.#line = new Line(peer, () => undefined);
    this.#chip = chip;
  }

  async #ask(text: string): Promise<string> {
    const answer = await this.#line.ask(text, (line) => /^(OK|FAIL|ERR)/.test(line));
    if (!answer.startsWith('OK')) throw new Error(`${text}: ${answer}`);
    return answer.slice(3);
  }

  /** Drives an input of the machine. */
  async set(offset: number, high: boolean): Promise<void> {
    await this.#ask(`set_irq_in ${this.#chip} unnamed-gpio-in ${offset} ${high ? 1 : 0}`);
  }

  /** The level of a line, whoever drives it. */
  async read(offset: number): Promise<boolean> {
    return ((Number(await this.#ask(`readb 0x${PL061_DATA.toString(16)}`)) >> offset) & 1) === 1;
  }

  close(): void {
    this.#line.close();
  }
}

async function findChip(qmp: Qmp): Promise<string> {
  const parent = '/machine/unattached';
  const children = (await qmp.run('qom-list', { path: parent })) as { name: string; type: string }[];
  const chip = children.find(({ type }) => type === 'child<pl061>');
  if (!chip) throw new Error('the machine has no pl061');
  return `${parent}/${chip.name}`;
}

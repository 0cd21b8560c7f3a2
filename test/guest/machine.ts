/**
 * One machine in QEMU (virt, arm64, software emulation): Debian's kernel, a root disk whose changes are forgotten, a disk for the spool,
 * one for the configuration, a network that reaches the host as 10.0.2.2, the hardware watchdog i6300esb, GPIO lines and a serial line.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GpioPins, Qmp, type QmpEvent } from './control.js';
import type { GuestImage } from './image.js';

export interface MachineOptions {
  folder: string;
  image: GuestImage;
  /** QEMU's drive options of the spool's disk: `file=...,format=raw`. */
  spool?: string;
  /** Image file of the disk mounted at /opt/longroof. */
  config?: string;
  /** Started instead of /sbin/init. */
  init?: string;
  processors?: number;
  /** Lines that are high when the machine starts, and again after each reset. */
  high?: number[];
}

export class Machine {
  readonly #child: ChildProcess;
  readonly #high: Set<number>;
  readonly events: (QmpEvent & { atMs: number })[] = [];
  readonly exited: Promise<void>;
  qmp!: Qmp;
  pins!: GpioPins;
  /** When the processor began, on this process's clock. */
  startedMs = 0;
  #console = '';
  #ended = false;
  #asked = 0;
  /** Where on the serial line this boot begins. */
  #bootedAt = 0;

  static async start(options: MachineOptions): Promise<Machine> {
    const machine = new Machine(options);
    await machine.#connect(options.folder);
    return machine;
  }

  private constructor(options: MachineOptions) {
    this.#high = new Set(options.high ?? []);
    this.#child = spawn('qemu-system-aarch64', machineArguments(options), { stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.#console += chunk.toString('utf8');
        fs.appendFileSync(path.join(options.folder, 'console.log'), chunk);
      });
    this.#child.stdin?.on('error', () => undefined);
    this.exited = new Promise((resolve) => this.#child.on('exit', () => resolve()));
    void this.exited.then(() => {
      this.#ended = true;
    });
  }

  async #connect(folder: string): Promise<void> {
    const onEvent = (event: QmpEvent): void => {
      this.events.push({ ...event, atMs: performance.now() });
      // A reset clears the chip; what drives the lines from outside does not let go of them.
      if (event.event === 'RESET') {
        this.#bootedAt = this.#console.length;
        void this.#driveHigh();
      }
    };
    this.qmp = await Qmp.connect(path.join(folder, 'qmp.sock'), onEvent);
    this.pins = await GpioPins.connect(path.join(folder, 'qtest.sock'), this.qmp);
    await this.#driveHigh();
    this.startedMs = performance.now();
    await this.qmp.run('cont');
  }

  async #driveHigh(): Promise<void> {
    for (const line of this.#high) await this.pins.set(line, true);
  }

  get console(): string {
    return this.#console;
  }

  /** QEMU ended, or the system in it has switched itself off. */
  get hasEnded(): boolean {
    return this.#ended || this.events.some(({ event }) => event === 'SHUTDOWN');
  }

  async pin(line: number, high: boolean): Promise<void> {
    if (high) this.#high.add(line);
    else this.#high.delete(line);
    await this.pins.set(line, high);
  }

  /** Waits until the serial line has said so, from `since` on. */
  async says(pattern: RegExp, withinMs: number, since = 0): Promise<RegExpMatchArray> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      const match = this.#console.slice(since).match(pattern);
      if (match) return match;
      if (this.hasEnded || performance.now() > endMs)
        throw new Error(
          `the machine did not say ${pattern} ${this.hasEnded ? 'before it ended' : `within ${withinMs} ms`}:\n${this.#console.slice(-6000)}`,
        );
      await delay(20);
    }
  }

  /** Runs a line in the test's shell on the serial line and gives what it printed. */
  async shell(line: string, withinMs = 60_000): Promise<string> {
    await this.says(/shell-is-ready/, withinMs, this.#bootedAt);
    this.#asked += 1;
    const word = `answer-${this.#asked}`;
    const since = this.#console.length;
    this.#child.stdin?.write(`echo begin-$((0))${word}; { ${line}; } 2>&1; echo end-$((0))${word}\n`);
    const match = await this.says(new RegExp(`begin-0${word}\\r?\\n([\\s\\S]*)end-0${word}`), withinMs, since);
    return (match[1] ?? '').replaceAll('\r', '').trim();
  }

  /** As when the cord is pulled. */
  async cut(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
    this.qmp.close();
    this.pins.close();
  }
}

function machineArguments(options: MachineOptions): string[] {
  const { folder, image, spool, config, init, processors = 2 } = options;
  const disk = (id: string, drive: string): string[] => ['-drive', `if=none,id=${id},${drive}`, '-device', `virtio-blk-pci,drive=${id}`];
  const words = ['console=ttyAMA0', 'quiet', 'loglevel=3', 'panic=10', ...(init ? [`guest.init=${init}`] : [])];
  return [
    ...['-M', 'virt', '-cpu', 'cortex-a72', '-accel', 'tcg,thread=multi', '-smp', String(processors), '-m', '768'],
    ...['-nodefaults', '-display', 'none', '-S', '-no-shutdown', '-serial', 'stdio'],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', words.join(' ')],
    ...disk('root', `file=${image.root},format=raw,snapshot=on`),
    ...(spool ? disk('spool', `${spool},cache=writeback`) : []),
    ...(config ? disk('config', `file=${config},format=raw,readonly=on`) : []),
    ...['-netdev', 'user,id=lan', '-device', 'virtio-net-pci,netdev=lan,romfile='],
    ...['-object', 'rng-random,filename=/dev/urandom,id=rng', '-device', 'virtio-rng-pci,rng=rng'],
    ...['-device', 'i6300esb', '-action', 'watchdog=reset'],
    ...['-qmp', `unix:${path.join(folder, 'qmp.sock')},server=on,wait=off`],
    ...['-qtest', `unix:${path.join(folder, 'qtest.sock')},server=on,wait=off`, '-qtest-log', '/dev/null'],
  ];
}

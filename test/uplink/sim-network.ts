/**
 * A network on a simulated clock: one way to the centre at a time, over an interface, at a rate and with a delay, or none. What is on its
 * way when the link goes is lost; the unit notices then, or only by its keep-alive. Counts what goes over each interface, both ways.
 */
import type { SimClock } from '@longroof/base/clock-sim';
import { Fault } from '@longroof/base/errors';
import type { Random } from '@longroof/base/random';
import type { Link, openLink } from '@longroof/edge-agent/uplink/link';
import type { Down } from '@longroof/protocol/topics';
import { liveTopic, upTopic } from '@longroof/protocol/topics';
import type { ScriptedController } from './scripted-controller.js';

const HANDSHAKE_BYTES = 4500;
const HANDSHAKE_MS = 400;
const DELAY_MS = 40;
/** Topic, MQTT and TLS around a message. */
const AROUND_BYTES = 60;
const KEEP_ALIVE_MS = 45_000;
const CONNECT_MS = 20_000;

export type Way = 'wwan0' | 'wlan0';
const ADDRESS: Readonly<Record<Way, string>> = { wwan0: '10.1.0.1', wlan0: '10.2.0.1' };

export class SimNetwork {
  way: Way | undefined;
  bytesPerS = 32 * 1024;
  readonly bytes: Record<Way, number> = { wwan0: 0, wlan0: 0 };
  connects = 0;
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #controller: ScriptedController;
  #live: { way: Way; cut: (noticed: boolean) => void; down: (down: Down, payload: Buffer) => void } | undefined;

  constructor(clock: SimClock, random: Random, controller: ScriptedController) {
    this.#clock = clock;
    this.#random = random;
    this.#controller = controller;
    controller.transport = (down, payload) => this.#live?.down(down, payload);
    controller.utc = () => clock.utc();
  }

  /** The link of now goes, and another may be there. */
  change(way: Way | undefined): void {
    this.way = way;
    const live = this.#live;
    this.#live = undefined;
    live?.cut(this.#random.next() < 0.5);
  }

  readonly random = (): number => this.#random.next();

  readonly interfacesOf = (address: string): string[] => Object.entries(ADDRESS).flatMap(([name, has]) => (has === address ? [name] : []));

  readonly sourceTowards = async (): Promise<string | undefined> => this.way && ADDRESS[this.way];

  readonly open: typeof openLink = async (options) => {
    const { way } = this;
    const wire = { bytes: 0 };
    const remoteAddress = '10.0.0.9';
    options.onWire({ bytes: () => wire.bytes, ends: () => way && { localAddress: ADDRESS[way], remoteAddress } });
    await this.#clock.sleep(way ? HANDSHAKE_MS : CONNECT_MS, options.signal);
    if (!way || this.way !== way) throw new Fault('unavailable', 'LR_UPLINK_CONNECT', 'no way there');
    this.connects += 1;
    const pass = (bytes: number): void => {
      wire.bytes += bytes;
      this.bytes[way] += bytes;
    };
    pass(HANDSHAKE_BYTES);
    return this.#link(way, options, pass);
  };

  #link(way: Way, options: Parameters<typeof openLink>[0], pass: (bytes: number) => void): Link {
    let isOpen = true;
    let freeMs = this.#clock.mono();
    let close: (fault: Fault) => void = () => undefined;
    const closed = new Promise<Fault>((resolve) => {
      close = resolve;
    });
    const end = (): void => {
      isOpen = false;
      if (this.#live === live) this.#live = undefined;
      close(new Fault('unavailable', 'LR_UPLINK_CONNECT', 'the link is gone'));
    };
    /** In order, and only while this link is the one that is up. */
    const arrive = (atMs: number, act: () => void): void => {
      this.#clock.after(atMs - this.#clock.mono(), () => {
        if (this.#live === live) act();
      });
    };
    const up = (topic: string, payload: Buffer): void => {
      if (!isOpen) return;
      pass(payload.length + AROUND_BYTES);
      freeMs = Math.max(freeMs, this.#clock.mono()) + ((payload.length + AROUND_BYTES) * 1000) / this.bytesPerS;
      arrive(freeMs + DELAY_MS, () => this.#controller.receive(topic, payload));
    };
    const live = {
      way,
      cut: (noticed: boolean) => void this.#clock.after(noticed ? 0 : KEEP_ALIVE_MS, end),
      down: (down: Down, payload: Buffer) => {
        pass(payload.length + AROUND_BYTES);
        arrive(this.#clock.mono() + DELAY_MS, () => void options.onMessage(down, payload));
      },
    };
    this.#live = live;
    return {
      closed,
      publish: (name, payload) => up(upTopic(options.unit, name), payload),
      publishLive: (camera, payload) => up(liveTopic(options.unit, camera), payload),
      publishRetained: (name, payload) => up(upTopic(options.unit, name), payload),
      subscribe: async () => undefined,
      end: async () => end(),
    };
  }
}

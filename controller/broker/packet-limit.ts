/**
 * Watches the lengths that MQTT packets declare, in front of any parser, so that none is collected that is longer than it may be.
 * MQTT 3.1.1, 2.2 (fixed header) and 2.2.3 (remaining length: at most 4 bytes of 7 bits).
 */
import { Fault } from '@longroof/base/errors';

export interface PacketLimits {
  /** Of the first packet, which must be CONNECT. */
  connectBytesMax: number;
  packetBytesMax: number;
}

const CONNECT = 1;

export class PacketLimit {
  readonly #limits: PacketLimits;
  #first = true;
  /** Bytes of the current packet's body still to come. */
  #body = 0;
  /** Undefined between packets; else the length read so far. */
  #length: { value: number; shift: number } | undefined;

  constructor(limits: PacketLimits) {
    this.#limits = limits;
  }

  /** Throws `too-large` (LR_PACKET_LENGTH) or `invalid` (LR_PACKET_FIRST, LR_PACKET_HEADER). */
  take(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#body > 0) {
        const step = Math.min(this.#body, bytes.length - at);
        this.#body -= step;
        at += step;
        continue;
      }
      const byte = bytes[at] as number;
      at += 1;
      if (this.#length) this.#lengthByte(byte, this.#length);
      else this.#firstByte(byte);
    }
  }

  #firstByte(byte: number): void {
    if (this.#first && byte >> 4 !== CONNECT) throw new Fault('invalid', 'LR_PACKET_FIRST', 'the first packet is no CONNECT');
    this.#length = { value: 0, shift: 0 };
  }

  #lengthByte(byte: number, length: { value: number; shift: number }): void {
    length.value += (byte & 0x7f) * 2 ** length.shift;
    length.shift += 7;
    if (byte & 0x80) {
      if (length.shift >= 28) throw new Fault('invalid', 'LR_PACKET_HEADER', 'a packet length of more than four bytes');
      return;
    }
    const limit = this.#first ? this.#limits.connectBytesMax : this.#limits.packetBytesMax;
    if (length.value > limit)
      throw new Fault('too-large', 'LR_PACKET_LENGTH', `a packet of ${length.value} bytes; at most ${limit} are taken`, {
        detail: { limit },
      });
    this.#first = false;
    this.#length = undefined;
    this.#body = length.value;
  }
}

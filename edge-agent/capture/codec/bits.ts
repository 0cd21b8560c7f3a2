/** Reads the raw byte sequence payload of a NAL unit bit by bit (ISO/IEC 14496-10, 7.2 and 9.1). Past its end it throws. */
import { Fault } from '@longroof/base/errors';

/** Without the emulation prevention bytes (ISO/IEC 14496-10, 7.4.1). At most `bytesMax` of it are unpacked. */
export function unescapeNal(nal: Uint8Array, headerBytes: number, bytesMax = 1024): Uint8Array {
  const out = new Uint8Array(Math.min(bytesMax, Math.max(0, nal.length - headerBytes)));
  let length = 0;
  let zeros = 0;
  for (let i = headerBytes; i < nal.length && length < out.length; i++) {
    const byte = nal[i] as number;
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  bit(): number {
    const byte = this.#bytes[this.#at >> 3];
    if (byte === undefined) throw new Fault('corrupt', 'LR_RTSP_PARSE', 'a parameter set that ends too early');
    const value = (byte >> (7 - (this.#at & 7))) & 1;
    this.#at += 1;
    return value;
  }

  flag(): boolean {
    return this.bit() === 1;
  }

  /** Up to 32 bits. */
  bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = value * 2 + this.bit();
    return value;
  }

  skip(count: number): void {
    this.#at += count;
  }

  /** ue(v), ISO/IEC 14496-10, 9.1. */
  unsigned(): number {
    let zeros = 0;
    while (this.bit() === 0) {
      zeros += 1;
      if (zeros > 31) throw new Fault('corrupt', 'LR_RTSP_PARSE', 'a parameter set with an impossible number');
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** se(v), ISO/IEC 14496-10, 9.1.1. */
  signed(): number {
    const value = this.unsigned();
    return value % 2 === 1 ? (value + 1) / 2 : -value / 2;
  }
}

/**
 * Takes the byte stream of an RTSP connection apart into interleaved packets (RFC 2326, 10.12) and messages. Packets are handed out
 * where they lie; only what straddles two reads is kept and copied. Bytes that are neither are skipped to the next place that
 * certainly is one, and counted; too many of them end the session.
 */
import { captureFault } from '../faults.js';
import { HEAD_BYTES_MAX, parseHead, type RtspMessage } from './message.js';

export interface InterleavedHandler {
  /** A packet lies in `bytes[start..end)`; valid during the call only. */
  packet(channel: number, bytes: Buffer, start: number, end: number): void;
  message(message: RtspMessage): void;
  /**
   * Takes as many packets of the channel as it likes from `bytes[at..end)`, where they lie behind their headers, and gives the offset behind
   * them. Only whole ones that `accepts` would let through.
   */
  takeRun?(channel: number, bytes: Buffer, at: number, end: number): number;
  /** May a frame with this channel begin here? Weak while in step. */
  accepts(channel: number, bytes: Buffer, start: number, end: number): boolean;
  /** Does the packet whose `RESYNC_BYTES` lie at `start` certainly belong to this session? */
  certain(channel: number, bytes: Buffer, start: number, length: number): boolean;
  /** False until the first message: anything else before it is another protocol. */
  readonly established: boolean;
}

const DOLLAR = 0x24;
const HEADER_BYTES = 4;
/** Of a packet, to judge it: a whole RTP header (RFC 3550, 5.1). */
const RESYNC_BYTES = 12;
/** Skipped in one go before the session is given up. */
const GARBAGE_BYTES_MAX = 1024 * 1024;
const KEEP_BYTES_MAX = 128 * 1024;
const OPENINGS = [
  'RTSP/',
  'HTTP/',
  'OPTIONS ',
  'DESCRIBE ',
  'SETUP ',
  'GET_PARAMETER ',
  'SET_PARAMETER ',
  'ANNOUNCE ',
  'REDIRECT ',
  'TEARDOWN ',
  'PLAY ',
  'PAUSE ',
];
const OPENING_BYTES = OPENINGS.map((text) => Buffer.from(text, 'latin1'));
const RESPONSE = Buffer.from('RTSP/1.0 ', 'latin1');

export class InterleavedReader {
  readonly #handler: InterleavedHandler;
  #held: Buffer = Buffer.allocUnsafe(4096);
  #heldLength = 0;
  #lost = false;
  #garbageRun = 0;
  #garbageBytes = 0;

  constructor(handler: InterleavedHandler) {
    this.#handler = handler;
  }

  /** Bytes skipped so far. */
  get garbageBytes(): number {
    return this.#garbageBytes;
  }

  /** `bytes[0..length)` came in. Throws a capture fault when the stream cannot be followed. */
  push(bytes: Buffer, length: number): void {
    let at = 0;
    if (this.#heldLength > 0 && !this.#lost && this.#held[0] === DOLLAR) {
      at = this.#completeFrame(bytes, length);
      if (at < 0) return;
    }
    if (this.#heldLength > 0) {
      this.#hold(bytes, at, length);
      const used = this.#consume(this.#held, 0, this.#heldLength);
      this.#held.copyWithin(0, used, this.#heldLength);
      this.#heldLength -= used;
      if (this.#held.length > KEEP_BYTES_MAX && this.#heldLength < 4096) this.#held = Buffer.from(this.#held.subarray(0, 4096));
      return;
    }
    const used = this.#consume(bytes, at, length);
    if (used < length) this.#hold(bytes, used, length);
  }

  /** Adds to a held frame just what it lacks. Gives how much of `bytes` that was, -1 where it took all and is not whole yet. */
  #completeFrame(bytes: Buffer, length: number): number {
    let at = 0;
    if (this.#heldLength < HEADER_BYTES) {
      at = Math.min(HEADER_BYTES - this.#heldLength, length);
      this.#hold(bytes, 0, at);
      if (this.#heldLength < HEADER_BYTES) return -1;
    }
    const whole = HEADER_BYTES + this.#held.readUInt16BE(2);
    const take = Math.min(whole - this.#heldLength, length - at);
    this.#hold(bytes, at, at + take);
    if (this.#heldLength < whole) return -1;
    const used = this.#consume(this.#held, 0, this.#heldLength);
    this.#held.copyWithin(0, used, this.#heldLength);
    this.#heldLength -= used;
    return at + take;
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    const need = this.#heldLength + end - start;
    if (need > this.#held.length) {
      const bigger = Buffer.allocUnsafe(Math.max(need, Math.min(this.#held.length * 2, KEEP_BYTES_MAX)));
      this.#held.copy(bigger, 0, 0, this.#heldLength);
      this.#held = bigger;
    }
    bytes.copy(this.#held, this.#heldLength, start, end);
    this.#heldLength = need;
  }

  /** Hands out all that is whole in `bytes[at..end)` and gives the offset of what is not. */
  #consume(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end) {
      if (this.#lost) {
        const next = this.#scan(bytes, at, end);
        this.#skipped(next - at);
        at = next;
        if (this.#lost) return at;
        continue;
      }
      const first = bytes[at] as number;
      if (first === DOLLAR && this.#handler.established) {
        if (end - at < HEADER_BYTES) return at;
        const next = at + HEADER_BYTES + bytes.readUInt16BE(at + 2);
        const channel = bytes[at + 1] as number;
        if (next <= end) {
          if (this.#handler.accepts(channel, bytes, at + HEADER_BYTES, next)) {
            this.#garbageRun = 0;
            this.#handler.packet(channel, bytes, at + HEADER_BYTES, next);
            at = this.#handler.takeRun?.(channel, bytes, next, end) ?? next;
          } else at = this.#lose(at);
        } else return at;
      } else if (first === 0x0d || first === 0x0a) at += 1;
      else {
        const next = this.#message(bytes, at, end);
        if (next === at) return at;
        at = next;
      }
    }
    return at;
  }

  /** A message at `at`: gives the offset behind it, or `at` while it is not whole. */
  #message(bytes: Buffer, at: number, end: number): number {
    const opening = opens(bytes, at, end);
    if (opening === 'more') return at;
    if (opening === 'no') {
      if (!this.#handler.established) throw captureFault('LR_RTSP_NOT_RTSP', 'something answers at this address that is no RTSP server');
      return this.#lose(at);
    }
    const headEnd = findHeadEnd(bytes, at, Math.min(end, at + HEAD_BYTES_MAX));
    if (!headEnd) {
      if (end - at >= HEAD_BYTES_MAX) throw captureFault('LR_RTSP_HEADERS', `headers of more than ${HEAD_BYTES_MAX} bytes`);
      return at;
    }
    const head = parseHead(bytes.toString('latin1', at, headEnd.text));
    const bodyEnd = headEnd.next + head.contentLength;
    if (bodyEnd > end) return at;
    this.#garbageRun = 0;
    this.#handler.message({ ...head, body: bytes.toString('utf8', headEnd.next, bodyEnd) });
    return bodyEnd;
  }

  /** What begins at `at` makes no sense: the search goes on behind its first byte, so that it always moves. */
  #lose(at: number): number {
    this.#lost = true;
    this.#skipped(1);
    return at + 1;
  }

  /** From `at` to the next certain one; leaves `#lost` when there is none so far. */
  #scan(bytes: Buffer, at: number, end: number): number {
    const text = bytes.subarray(0, end).indexOf(RESPONSE, at);
    const textAt = text < 0 ? end : text;
    for (let i = bytes.indexOf(DOLLAR, at); i >= 0 && i < textAt && i < end; i = bytes.indexOf(DOLLAR, i + 1)) {
      if (end - i < HEADER_BYTES + RESYNC_BYTES) return i;
      if (this.#handler.certain(bytes[i + 1] as number, bytes, i + HEADER_BYTES, bytes.readUInt16BE(i + 2))) {
        this.#lost = false;
        return i;
      }
    }
    if (textAt < end) {
      this.#lost = false;
      return textAt;
    }
    return Math.max(at, end - RESPONSE.length + 1);
  }

  #skipped(count: number): void {
    this.#garbageBytes += count;
    this.#garbageRun += count;
    if (this.#garbageRun > GARBAGE_BYTES_MAX) throw captureFault('LR_RTSP_GARBAGE', `more than ${GARBAGE_BYTES_MAX} bytes that are no RTP`);
  }
}

/** Does a message begin here? `more` while what is there fits the start of one. */
function opens(bytes: Buffer, at: number, end: number): 'yes' | 'no' | 'more' {
  let more = false;
  for (const opening of OPENING_BYTES) {
    const length = Math.min(opening.length, end - at);
    if (bytes.compare(opening, 0, length, at, at + length) !== 0) continue;
    if (length === opening.length) return 'yes';
    more = true;
  }
  return more ? 'more' : 'no';
}

/** The empty line that ends a head, with or without carriage returns. */
function findHeadEnd(bytes: Buffer, at: number, end: number): { text: number; next: number } | undefined {
  for (let i = bytes.indexOf(0x0a, at); i >= 0 && i + 1 < end; i = bytes.indexOf(0x0a, i + 1)) {
    const text = bytes[i - 1] === 0x0d ? i - 1 : i;
    if (bytes[i + 1] === 0x0a) return { text, next: i + 2 };
    if (bytes[i + 1] === 0x0d && i + 2 < end && bytes[i + 2] === 0x0a) return { text, next: i + 3 };
  }
  return undefined;
}

/**
 * One fragment under way in one connection, under its handle: how far it has been sent and acknowledged, and when. Offsets in bytes.
 * Its bytes are in memory only while some of them are unacknowledged.
 */
import type { MonoMs } from '@longroof/base/clock';
import { CHUNK_HEADER_BYTES, writeChunkHeader } from '@longroof/protocol/chunk';
import type { Spool } from '../spool/spool.js';
import type { Entry } from './fragment-queue.js';
import type { MessagePool } from './message-pool.js';

/** Where its bytes come from, and the memory of its messages. */
export interface FlightSource {
  spool: Pick<Spool, 'memory' | 'read'>;
  messages: MessagePool;
}

export class Flight {
  readonly handle: number;
  readonly entry: Entry;
  readonly total: number;
  /** Its manifest is out: chunks may follow. */
  announced = false;
  sent = 0;
  acked = 0;
  progressMs: MonoMs;
  /** The centre has been asked whether it has the fragment: nothing is sent before `probeUntilMs` or its answer. */
  probeUntilMs: MonoMs;
  readonly #source: FlightSource;
  #bytes: Buffer | undefined;
  #landed = false;
  #rewound = false;
  /** Each chunk that is not yet acknowledged, in order: its end offset, and when it went. */
  #chunks: { end: number; atMs: MonoMs; message: Buffer }[] = [];
  #asked = { offset: -1, atMs: 0 };

  constructor(handle: number, entry: Entry, source: FlightSource, nowMs: MonoMs, probeMs: number) {
    this.#source = source;
    this.handle = handle;
    this.entry = entry;
    this.total = entry.fragment.meta.bytes;
    this.progressMs = nowMs;
    this.probeUntilMs = entry.probe ? nowMs + probeMs : nowMs;
  }

  get underWayBytes(): number {
    return Math.max(0, this.sent - this.acked);
  }

  /** The other side has all of it, and has closed its handle. */
  get arrived(): boolean {
    return this.acked >= this.total;
  }

  /** Nothing of it is on its way, and not all has been sent: it waits for its turn. */
  get waits(): boolean {
    return this.announced && this.sent < this.total && this.sent === this.acked;
  }

  /** Brings its bytes into memory of the spool's. Throws what the spool throws. */
  async load(): Promise<void> {
    const { spool } = this.#source;
    const { fragment } = this.entry;
    const memory = spool.memory.allocate(fragment.meta.bytes);
    try {
      this.#bytes = await spool.read(fragment, memory);
    } catch (error) {
      spool.memory.give(memory);
      throw error;
    }
    if (this.#landed) this.letGo();
  }

  letGo(): void {
    if (this.#bytes) this.#source.spool.memory.give(this.#bytes);
    this.#bytes = undefined;
  }

  /** It is no longer under way. */
  land(): void {
    this.#landed = true;
    this.letGo();
  }

  /** The next chunk, header and all; undefined when everything is sent, or its bytes are not in memory. */
  nextChunk(payloadMax: number, nowMs: MonoMs): Buffer | undefined {
    const bytes = this.#bytes;
    if (!bytes || this.sent >= this.total) return undefined;
    const length = Math.min(payloadMax, this.total - this.sent);
    const message = this.#source.messages.take(CHUNK_HEADER_BYTES + length);
    writeChunkHeader(message, { handle: this.handle, offset: this.sent, total: this.total });
    // By one memmove also from shared memory, where `copy` goes byte by byte.
    message.fill(new Uint8Array(bytes.buffer, bytes.byteOffset + this.sent, length), CHUNK_HEADER_BYTES);
    this.sent += length;
    this.#chunks.push({ end: this.sent, atMs: nowMs, message });
    return message;
  }

  /**
   * Notes an acknowledged offset; gives the time at which the chunk that it covers was sent, if it is news. After a rewind the other
   * side may have more than has been sent again: that is left out. Messages are used again only where they must have left this side: a receipt
   * may be of an earlier connection, and after a rewind an acknowledgement may be of what went the first time.
   */
  acknowledge(offset: number, nowMs: MonoMs, by: 'part' | 'receipt'): MonoMs | undefined {
    this.progressMs = nowMs;
    this.probeUntilMs = Math.min(this.probeUntilMs, nowMs);
    if (offset <= this.acked || offset > this.total) return undefined;
    this.acked = offset;
    this.sent = Math.max(this.sent, offset);
    let covered = 0;
    while (covered < this.#chunks.length && (this.#chunks[covered] as { end: number }).end <= offset) covered += 1;
    const last = this.#chunks[covered - 1];
    const gone = this.#chunks.splice(0, covered);
    if (by === 'part' && !this.#rewound) for (const { message } of gone) this.#source.messages.give(message);
    if (this.arrived) this.letGo();
    return last?.atMs;
  }

  /** As `rewind`, when the other side asks; the same request within `onceMs` counts as one. */
  rewindOnce(offset: number, nowMs: MonoMs, onceMs: number): boolean {
    this.progressMs = nowMs;
    this.probeUntilMs = Math.min(this.probeUntilMs, nowMs);
    if (offset >= this.sent || (offset === this.#asked.offset && nowMs - this.#asked.atMs < onceMs)) return false;
    this.#asked = { offset, atMs: nowMs };
    this.rewind(offset);
    return true;
  }

  /** Sends again from `offset`, which the other side does not have. */
  rewind(offset: number): void {
    this.#rewound = true;
    this.sent = Math.min(offset, this.total);
    this.acked = Math.min(this.acked, this.sent);
    this.#chunks = [];
  }
}

/**
 * The live lane: each camera that the centre wants shown, fragment by fragment as they become durable, read from the spool like any other
 * footage. Behind the journal and in front of the footage lane, within a window of its own. Nothing waits here: on a link that is too slow
 * pictures are left out, up to the next that stands by itself. It ends by itself: with the connection, or when it is no longer asked for.
 */
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { CHUNK_HEADER_BYTES, writeChunkHeader } from '@longroof/protocol/chunk';
import { type StreamName, streamText } from '@longroof/protocol/fragment';
import { type DesiredLive, encodeLivePiece, encodeLiveRefusal, LIVE_PIECE_BYTES_MAX, type LiveRefusal } from '@longroof/protocol/live';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { Spool, StoredFragment } from '../spool/spool.js';
import type { UplinkCounters } from './counters.js';
import { Window } from './window.js';

/** Of the newest fragments, to find one that stands by itself. */
const LOOK_BACK = 64;
/** Beyond so many that wait, pictures are left out. */
const BEHIND_MAX = 3;
const TICK_MS = 1000;
/** What is not acknowledged within this time is not waited for. */
const LOST_MS = 5000;

export interface LiveLine {
  publishLive(camera: string, payload: Buffer): void;
}

export interface LiveLaneOptions {
  spool: Pick<Spool, 'identity' | 'named' | 'read' | 'init' | 'onDurable'>;
  clock: Clock;
  log: Log;
  counters: UplinkCounters;
  status: () => StatusMessage['streams'];
  journalUnsent: () => boolean;
  /** Footage may go on. */
  onIdle: () => void;
  /** Why nothing may be shown now: the month's budget of the link is used up. */
  refuse?: (() => LiveRefusal | undefined) | undefined;
}

interface Watch {
  readonly camera: string;
  untilMs: MonoMs;
  /** What it was shown last. */
  stream: string | undefined;
  after: number | undefined;
  init: string | undefined;
  refused: LiveRefusal | undefined;
}

interface Connection {
  line: LiveLine;
  creditBytes: number;
  window: Window;
  handle: number;
  /** Chunks that are under way, in order. */
  pending: { handle: number; end: number; bytes: number; atMs: MonoMs }[];
  piece: { camera: string; handle: number; bytes: Buffer; sent: number } | undefined;
  tick: Timer;
}

export class LiveLane {
  readonly #options: LiveLaneOptions;
  readonly #watches = new Map<string, Watch>();
  /** Seq of the newest durable fragment, by stream. */
  readonly #newest = new Map<string, number>();
  #connection: Connection | undefined;
  #looking = false;

  constructor(options: LiveLaneOptions) {
    this.#options = options;
    options.spool.onDurable((streams) => {
      for (const { stream, seq } of streams) this.#newest.set(streamText(stream), seq);
      if (this.#watches.size > 0) this.pump();
    });
  }

  /** A piece is on its way out: footage waits for it. */
  get unsent(): boolean {
    return this.#connection?.piece !== undefined;
  }

  open(line: LiveLine, creditBytes: number): void {
    this.close();
    const tick = this.#options.clock.every(TICK_MS, () => this.#tick());
    this.#connection = { line, creditBytes, window: new Window(creditBytes), handle: 0, pending: [], piece: undefined, tick };
  }

  close(): void {
    this.#connection?.tick.cancel();
    this.#connection = undefined;
    this.#watches.clear();
    this.#count();
  }

  /** All that is to be shown from now on; what is not named ends. */
  want(wanted: readonly DesiredLive[]): void {
    const connection = this.#connection;
    if (!connection) return;
    const nowMs = this.#options.clock.mono();
    const names = new Set(wanted.map(({ camera }) => camera));
    for (const camera of this.#watches.keys()) if (!names.has(camera)) this.#end(camera, 'no longer asked for');
    for (const { camera, forMs } of wanted) {
      const known = this.#watches.get(camera);
      if (known) known.untilMs = nowMs + forMs;
      else {
        const fresh = { stream: undefined, after: undefined, init: undefined, refused: undefined };
        this.#watches.set(camera, { camera, untilMs: nowMs + forMs, ...fresh });
        this.#options.log.info({ camera }, 'shown live');
      }
    }
    this.#count();
    this.pump();
  }

  acknowledged(handle: number, offset: number): void {
    const connection = this.#connection;
    if (!connection) return;
    const { pending, window } = connection;
    const covers = (one: (typeof pending)[0]): boolean => one.handle < handle || (one.handle === handle && one.end <= offset);
    let last: (typeof pending)[0] | undefined;
    while (pending[0] && covers(pending[0])) last = pending.shift();
    if (last) window.acknowledged(last.atMs, this.#options.clock.mono(), 'part');
    this.pump();
  }

  pump(): void {
    const connection = this.#connection;
    if (!connection || this.#options.journalUnsent()) return;
    const { clock, counters } = this.#options;
    for (;;) {
      const { piece, window, pending } = connection;
      if (!piece) {
        this.#look(connection);
        return;
      }
      const underWay = pending.reduce((sum, one) => sum + one.bytes, 0);
      if (underWay > 0 && underWay + window.chunkBytes > window.bytes) return;
      const length = Math.min(window.chunkBytes, piece.bytes.length - piece.sent);
      const message = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + length);
      writeChunkHeader(message, { handle: piece.handle, offset: piece.sent, total: piece.bytes.length });
      piece.bytes.copy(message, CHUNK_HEADER_BYTES, piece.sent, piece.sent + length);
      piece.sent += length;
      pending.push({ handle: piece.handle, end: piece.sent, bytes: length, atMs: clock.mono() });
      connection.line.publishLive(piece.camera, message);
      counters.bytesSent += message.length;
      counters.liveBytesSent += message.length;
      if (piece.sent < piece.bytes.length) continue;
      connection.piece = undefined;
      this.#options.onIdle();
    }
  }

  #look(connection: Connection): void {
    if (this.#looking) return;
    for (const watch of this.#watches.values()) {
      const found = this.#due(watch);
      if (!found) continue;
      if (typeof found === 'string') {
        watch.refused = found;
        this.#begin(connection, watch.camera, encodeLiveRefusal(watch.camera, found));
        return;
      }
      // Whoever was served goes behind the others.
      this.#watches.delete(watch.camera);
      this.#watches.set(watch.camera, watch);
      this.#looking = true;
      this.#next(connection, watch, found)
        .catch((error: unknown) => {
          this.#options.log.warn({ camera: watch.camera, error: toFault(error, 'live') }, 'a fragment could not be shown');
          watch.after = undefined;
        })
        .finally(() => {
          this.#looking = false;
          if (this.#connection === connection && connection.piece) this.pump();
        });
      return;
    }
  }

  /** The stream to look into, a refusal that is news, or undefined where nothing is due. */
  #due(watch: Watch): StreamName | LiveRefusal | undefined {
    const streams = this.#options.status();
    const names = (['proxy', 'original'] as const).map((rendition) => ({ camera: watch.camera, rendition }));
    const there = names.filter((name) => streams[streamText(name)]);
    const stream = there.find((name) => streams[streamText(name)]?.state === 'recording');
    const why = this.#options.refuse?.() ?? (there.length === 0 ? 'LR_LIVE_CAMERA' : stream ? undefined : 'LR_LIVE_NOT_RECORDING');
    if (why !== undefined || !stream) return why === watch.refused ? undefined : why;
    const text = streamText(stream);
    const newest = this.#newest.get(text);
    const seen = watch.stream === text ? watch.after : undefined;
    return newest !== undefined && newest > (seen ?? -1) ? stream : undefined;
  }

  async #next(connection: Connection, watch: Watch, stream: StreamName): Promise<void> {
    const { spool, counters } = this.#options;
    const text = streamText(stream);
    if (watch.stream !== text) Object.assign(watch, { stream: text, after: undefined });
    const newest = this.#newest.get(text) ?? 0;
    const seqFirst = Math.max(0, newest - LOOK_BACK + 1, (watch.after ?? -1) + 1);
    const names = { ...stream, run: spool.identity.run, seqFirst, seqLast: newest };
    const found = nextLive(await spool.named(names), watch.after);
    if (!found) {
      // Nothing here can be shown: the next that comes may.
      watch.after = watch.after === undefined ? undefined : newest;
      return;
    }
    const { meta, wall } = found;
    const media = await spool.read(found);
    const init = watch.init === meta.initSha256 ? undefined : await spool.init(meta.initSha256);
    if (this.#connection !== connection || this.#watches.get(watch.camera) !== watch) return;
    if (watch.after !== undefined) counters.liveLeftOut += meta.seq - watch.after - 1;
    Object.assign(watch, { after: meta.seq, init: meta.initSha256, refused: undefined });
    if (media.length + (init?.length ?? 0) > LIVE_PIECE_BYTES_MAX) return;
    this.#begin(connection, watch.camera, encodeLivePiece({ meta, wall, init, media }));
  }

  #begin(connection: Connection, camera: string, bytes: Buffer): void {
    connection.handle += 1;
    connection.piece = { camera, handle: connection.handle, bytes, sent: 0 };
    this.#options.counters.livePieces += 1;
    if (!this.#looking) this.pump();
  }

  #tick(): void {
    const connection = this.#connection;
    if (!connection) return;
    const nowMs = this.#options.clock.mono();
    for (const watch of this.#watches.values()) if (nowMs >= watch.untilMs) this.#end(watch.camera, 'asked for no more');
    const oldest = connection.pending[0];
    if (oldest && nowMs - oldest.atMs >= LOST_MS) {
      connection.pending = [];
      connection.piece = undefined;
      connection.window = new Window(connection.creditBytes);
      for (const watch of this.#watches.values()) Object.assign(watch, { after: undefined, init: undefined });
      this.#options.onIdle();
    }
    this.pump();
  }

  #end(camera: string, why: string): void {
    const connection = this.#connection;
    this.#watches.delete(camera);
    this.#count();
    this.#options.log.info({ camera, why }, 'no longer shown live');
    if (connection?.piece?.camera !== camera) return;
    connection.piece = undefined;
    this.#options.onIdle();
  }

  #count(): void {
    this.#options.counters.liveCameras = this.#watches.size;
  }
}

/**
 * Which fragment is shown next: to begin with the newest that decodes by itself; then the one that follows; and where too many wait, or
 * one is gone, the newest that decodes by itself.
 */
export function nextLive(fragments: readonly StoredFragment[], after: number | undefined): StoredFragment | undefined {
  const newest = fragments.findLast(({ meta }) => meta.independent && meta.seq > (after ?? -1));
  const first = fragments[0];
  if (after === undefined || first?.meta.seq !== after + 1) return newest;
  return fragments.length > BEHIND_MAX && newest ? newest : first;
}

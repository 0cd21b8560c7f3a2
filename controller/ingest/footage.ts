/**
 * 5. The footage lane at the centre: a manifest opens a handle, its chunks follow in order, and once all bytes are there and hash to
 * what was promised, they are made durable, entered and receipted. Duplicates are harmless, holes are asked for again.
 */
import { createHash } from 'node:crypto';
import { Fault, toFault } from '@longroof/base/errors';
import { type Chunk, FRAGMENT_BYTES_MAX, partIsDue, readChunk } from '@longroof/protocol/chunk';
import { type FragmentMeta, streamText } from '@longroof/protocol/fragment';
import type { ManifestMessage } from '@longroof/protocol/messages';
import { fragmentKey } from '../store/blobs.js';
import { sendAck, sendReceipt, sendRefusal } from './answers.js';
import { type Committer, fragmentConflict, storedFragment } from './committer.js';
import { type Context, CREDIT_BYTES, HANDLE_IDLE_MS, HANDLES_MAX, type Link, type OpenFragment } from './context.js';
import { InitBook } from './inits.js';
import { checkPath, learnPlace, placeText } from './merkle-path.js';
import { readManifest } from './read-message.js';

function keyOf(meta: FragmentMeta): string {
  return fragmentKey({ ...meta, stream: streamText(meta) });
}

export class FootageLane {
  readonly #context: Context;
  readonly #committer: Committer;
  readonly #inits: InitBook;

  constructor(context: Context, committer: Committer) {
    this.#context = context;
    this.#committer = committer;
    this.#inits = new InitBook(context.store.db);
  }

  async manifest(link: Link, payload: Uint8Array): Promise<void> {
    const { handle, manifest, fault } = readManifest(payload);
    if (!manifest) return sendRefusal(this.#context, link, 'manifest', fault as Fault, handle);
    try {
      await this.#open(link, manifest);
    } catch (error) {
      await this.#refuse(link, 'manifest', toFault(error, 'open a fragment'), manifest.handle);
    }
  }

  async chunk(link: Link, payload: Uint8Array): Promise<void> {
    const { counters } = this.#context;
    counters.chunksIn += 1;
    const chunk = readChunk(payload);
    const open = link.open.get(chunk.handle);
    if (!open) {
      // What was still under way when its fragment was refused, receipted or asked for its init segment.
      counters.chunksIgnored += 1;
      return;
    }
    try {
      await this.#take(link, open, chunk);
    } catch (error) {
      await this.#drop(link, open);
      await this.#refuse(link, 'chunk', toFault(error, 'take a chunk'), open.handle);
    }
  }

  /** The connection is gone: what was incomplete starts again with the next one. */
  async close(link: Link): Promise<void> {
    for (const open of link.open.values()) await this.#drop(link, open);
    await Promise.all(link.committing.values());
  }

  async #open(link: Link, manifest: ManifestMessage): Promise<void> {
    const { store, blobs, counters } = this.#context;
    const { handle, meta } = manifest;
    if (link.committing.has(handle)) return;
    const open = link.open.get(handle);
    if (open && keyOf(open.meta) === keyOf(meta)) return this.#resume(link, open, manifest);
    if (open) throw new Fault('conflict', 'LR_HANDLE', `handle ${handle} stands for another fragment`);
    await this.#checkMeta(link, meta);
    const there = (await link.streams.mayBeStored(meta)) ? await storedFragment(store.db, meta) : undefined;
    if (there && there.sha256 !== meta.sha256) throw fragmentConflict();
    if (there && (await blobs.has(keyOf(meta)))) {
      counters.fragmentsRepeated += 1;
      if (there.place === null) await learnPlace(store.db, link.streams, manifest);
      return sendReceipt(this.#context, link, there);
    }
    await checkPath(link.streams, manifest);
    if (!(await this.#inits.learn(link, manifest)))
      return sendAck(this.#context, link, { what: 'want-init', handle, initSha256: meta.initSha256 });
    // A unit may be quicker than the disk: then it waits here, and its connection is not read from.
    while (link.open.size + link.committing.size >= HANDLES_MAX && link.committing.size > 0) await Promise.race(link.committing.values());
    if (link.open.size >= HANDLES_MAX) await this.#makeRoom(link);
    const writer = await blobs.create(keyOf(meta));
    const hash = createHash('sha256');
    const activeMonoMs = this.#context.clock.mono();
    const place = placeText(manifest);
    link.open.set(handle, { handle, meta, place, writer, hash, activeMonoMs, receivedBytes: 0, ackedBytes: 0, rewindAsked: -1 });
  }

  async #makeRoom(link: Link): Promise<void> {
    const stalest = [...link.open.values()].reduce((a, b) => (b.activeMonoMs < a.activeMonoMs ? b : a));
    if (this.#context.clock.mono() - stalest.activeMonoMs < HANDLE_IDLE_MS)
      throw new Fault('too-large', 'LR_HANDLES', `more than ${HANDLES_MAX} fragments at once`, { detail: { limit: HANDLES_MAX } });
    await this.#drop(link, stalest);
  }

  /** Announced again: the unit learns how far it came. */
  async #resume(link: Link, open: OpenFragment, manifest: ManifestMessage): Promise<void> {
    await this.#inits.learn(link, manifest);
    open.activeMonoMs = this.#context.clock.mono();
    open.ackedBytes = open.receivedBytes;
    open.rewindAsked = -1;
    await sendAck(this.#context, link, { what: 'part', handle: open.handle, offset: open.receivedBytes });
  }

  async #checkMeta(link: Link, meta: FragmentMeta): Promise<void> {
    if (meta.unit !== link.unit) throw new Fault('denied', 'LR_FRAGMENT_UNIT', `a fragment of another unit, ${meta.unit}`);
    if (meta.bytes < 1 || meta.bytes > FRAGMENT_BYTES_MAX)
      throw new Fault('too-large', 'LR_FRAGMENT_BYTES', `a fragment of ${meta.bytes} bytes; at most ${FRAGMENT_BYTES_MAX} are taken`, {
        detail: { limit: FRAGMENT_BYTES_MAX },
      });
    if (link.epochs.has(meta.epoch)) return;
    const epoch = await this.#context.store.db
      .selectFrom('epoch')
      .select('epoch')
      .where('unit', '=', link.unit)
      .where('epoch', '=', meta.epoch)
      .executeTakeFirst();
    if (!epoch) throw new Fault('denied', 'LR_EPOCH_UNKNOWN', 'a fragment of an epoch whose journal is not here');
    link.epochs.add(meta.epoch);
  }

  async #take(link: Link, open: OpenFragment, chunk: Chunk): Promise<void> {
    if (chunk.total !== open.meta.bytes)
      throw new Fault('invalid', 'LR_CHUNK_TOTAL', `chunk: total ${chunk.total}, but the manifest says ${open.meta.bytes}`);
    if (chunk.offset > open.receivedBytes) return this.#askAgain(link, open);
    const fresh = chunk.payload.subarray(open.receivedBytes - chunk.offset);
    if (fresh.length === 0) return this.#acknowledge(link, open);
    open.activeMonoMs = this.#context.clock.mono();
    open.hash.update(fresh);
    open.receivedBytes += fresh.length;
    await open.writer.write(fresh);
    if (open.receivedBytes === open.meta.bytes) this.#commit(link, open);
    else if (partIsDue(open.receivedBytes - open.ackedBytes, chunk.payload.length, CREDIT_BYTES)) await this.#acknowledge(link, open);
  }

  #acknowledge(link: Link, open: OpenFragment): Promise<void> {
    open.ackedBytes = open.receivedBytes;
    return sendAck(this.#context, link, { what: 'part', handle: open.handle, offset: open.receivedBytes });
  }

  /** Once per hole: the chunks behind it that are under way say nothing new. */
  async #askAgain(link: Link, open: OpenFragment): Promise<void> {
    this.#context.counters.chunksIgnored += 1;
    if (open.rewindAsked === open.receivedBytes) return;
    open.rewindAsked = open.receivedBytes;
    this.#context.counters.rewinds += 1;
    await sendAck(this.#context, link, { what: 'rewind', handle: open.handle, offset: open.receivedBytes });
  }

  /** Goes on beside the next fragments of the unit. */
  #commit(link: Link, open: OpenFragment): void {
    link.open.delete(open.handle);
    const done = this.#store(link, open)
      .catch((error: unknown) => this.#refuse(link, 'chunk', toFault(error, 'store a fragment'), open.handle))
      .finally(() => link.committing.delete(open.handle));
    link.committing.set(open.handle, done);
  }

  async #store(link: Link, open: OpenFragment): Promise<void> {
    const { counters } = this.#context;
    const { meta } = open;
    try {
      if (open.hash.digest('hex') !== meta.sha256)
        throw new Fault('corrupt', 'LR_FRAGMENT_HASH', 'the bytes of a fragment do not hash to what its manifest says');
      await open.writer.commit();
    } catch (error) {
      await open.writer.abort();
      throw error;
    }
    const init = this.#inits.isStored(meta.initSha256) ? undefined : link.inits.get(meta.initSha256);
    const row = await this.#committer.add(meta, init, open.place);
    this.#inits.noteStored(meta.initSha256);
    link.streams.noteStored(meta);
    counters.fragmentsStored += 1;
    counters.fragmentBytesStored += meta.bytes;
    await sendReceipt(this.#context, link, row);
  }

  async #drop(link: Link, open: OpenFragment): Promise<void> {
    link.open.delete(open.handle);
    await open.writer.abort();
  }

  /** What may go better later names no handle: the unit announces the fragment again after a while. */
  async #refuse(link: Link, topic: string, fault: Fault, handle: number): Promise<void> {
    const later = fault.retryable || fault.kind === 'internal';
    if (later) this.#context.log.error({ unit: link.unit, error: fault }, 'a fragment could not be stored');
    await sendRefusal(this.#context, link, topic, fault, later ? undefined : handle);
  }
}

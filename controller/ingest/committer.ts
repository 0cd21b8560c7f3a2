/**
 * Rows of fragments whose bytes are durable, written together: what arrives before the next commit goes into it. A
 * promise resolves when its row is committed; only then may a receipt be signed.
 */
import type { MonoMs } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { FragmentMeta, WallClaim } from '@longroof/protocol/fragment';
import type { Transaction } from 'kysely';
import type { FragmentTable, Tables } from '../store/tables.js';
import type { Context } from './context.js';
import { finishPulls } from './pull-end.js';
import { nameOfRun } from './stream-book.js';
import { Walls } from './walls.js';

const TOGETHER_MAX = 128;

interface Waiting {
  meta: FragmentMeta;
  /** Base64; undefined where it is in the database already. */
  init: string | undefined;
  place: string | null;
  resolve: (row: FragmentTable) => void;
  reject: (fault: Fault) => void;
}

export class Committer {
  readonly #context: Pick<Context, 'commits' | 'clock' | 'fence'>;
  readonly #onPullsEnded: (unit: string) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(context: Pick<Context, 'commits' | 'clock' | 'fence'>, onPullsEnded: (unit: string) => void) {
    this.#context = context;
    this.#onPullsEnded = onPullsEnded;
  }

  /** Rejects with `conflict` (LR_FRAGMENT_CONFLICT) when other bytes are stored under the same name. */
  add(meta: FragmentMeta, init: string | undefined, place: string | null = null): Promise<FragmentTable> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ meta, init, place, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      let batch: Waiting[] = [];
      const ended = new Set<string>();
      try {
        const { kept, rows } = await this.#context.commits.run(async (trx) => {
          // Taken when its turn has come: commits are some time apart.
          batch = this.#waiting.splice(0, TOGETHER_MAX);
          const held = await this.#held(trx, batch);
          return { kept: held, rows: held.length > 0 ? await this.#write(trx, held, ended) : [] };
        });
        kept.forEach((waiting, index) => {
          const row = rows[index] as FragmentTable;
          if (row.sha256 === waiting.meta.sha256) waiting.resolve(row);
          else waiting.reject(fragmentConflict());
        });
      } catch (error) {
        // Where the commit could not even begin, those that came first are told, and the others try again.
        if (batch.length === 0) batch = this.#waiting.splice(0, TOGETHER_MAX);
        for (const waiting of batch) waiting.reject(toFault(error, 'store fragments'));
        continue;
      }
      for (const unit of ended) this.#onPullsEnded(unit);
    }
    this.#running = undefined;
  }

  /** Those of units that are ours; the others are rejected. */
  async #held(trx: Transaction<Tables>, batch: readonly Waiting[]): Promise<Waiting[]> {
    const lost = new Map<string, Fault>();
    for (const unit of new Set(batch.map(({ meta }) => meta.unit))) {
      try {
        await this.#context.fence.hold(trx, unit);
      } catch (error) {
        lost.set(unit, toFault(error));
      }
    }
    for (const waiting of batch) {
      const fault = lost.get(waiting.meta.unit);
      if (fault) waiting.reject(fault);
    }
    return batch.filter(({ meta }) => !lost.has(meta.unit));
  }

  /** The rows as they now stand, in the order of the batch. */
  async #write(trx: Transaction<Tables>, batch: readonly Waiting[], ended: Set<string>): Promise<FragmentTable[]> {
    const nowMs = Math.round(this.#context.clock.utc());
    await writeInits(trx, batch);
    const wallOf = await wallsFor(trx, batch);
    const rows = new Map<string, FragmentTable>();
    for (const { meta, place } of batch)
      if (!rows.has(nameOf(meta))) rows.set(nameOf(meta), fragmentRow(meta, await wallOf(meta), nowMs, place));
    const written = await trx
      .insertInto('fragment')
      .values([...rows.values()])
      .onConflict((conflict) => conflict.columns(['unit', 'epoch', 'camera', 'rendition', 'run', 'seq']).doNothing())
      .executeTakeFirst();
    if (Number(written.numInsertedOrUpdatedRows ?? 0) < rows.size)
      for (const { meta } of batch) rows.set(nameOf(meta), (await storedFragment(trx, meta)) as FragmentTable);
    for (const unit of new Set(batch.map(({ meta }) => meta.unit))) if (await finishPulls(trx, unit, nowMs)) ended.add(unit);
    return batch.map(({ meta }) => rows.get(nameOf(meta)) as FragmentTable);
  }
}

/** Dates fragments; a copy keeps the claim of its originals, which may be of another boot than the one it was made in. */
async function wallsFor(trx: Transaction<Tables>, batch: readonly Waiting[]): Promise<(meta: FragmentMeta) => Promise<WallClaim>> {
  const bootOf = ({ unit, epoch, boot }: FragmentMeta): string => `${unit} ${epoch} ${boot}`;
  const boots = new Map<string, { boot: string; walls: Walls; times: { monoMs: MonoMs; claim: WallClaim }[] }>();
  for (const { meta } of batch) {
    if (meta.rendition === 'derived') continue;
    const { unit, epoch, boot } = meta;
    const of = boots.get(bootOf(meta)) ?? { boot, walls: new Walls({ trx, unit, epoch }), times: [] };
    of.times.push({ monoMs: meta.startMonoMs, claim: meta.wall });
    boots.set(bootOf(meta), of);
  }
  for (const { boot, walls, times } of boots.values()) await walls.expect(boot, times);
  return async (meta) => {
    const of = meta.rendition === 'derived' ? undefined : boots.get(bootOf(meta));
    return of ? of.walls.best(meta.boot, meta.startMonoMs, meta.wall) : meta.wall;
  };
}

function nameOf(meta: FragmentMeta): string {
  return `${nameOfRun(meta)} ${meta.seq}`;
}

async function writeInits(trx: Transaction<Tables>, batch: readonly Waiting[]): Promise<void> {
  const inits = new Map<string, Tables['init']>();
  for (const { meta, init } of batch)
    if (init !== undefined) inits.set(meta.initSha256, { sha256: meta.initSha256, codec: meta.codec, base64: init });
  if (inits.size === 0) return;
  await trx
    .insertInto('init')
    .values([...inits.values()])
    .onConflict((conflict) => conflict.column('sha256').doNothing())
    .execute();
}

export function fragmentConflict(): Fault {
  return new Fault('conflict', 'LR_FRAGMENT_CONFLICT', 'other bytes are stored under the name of this fragment');
}

export function storedFragment(db: Transaction<Tables> | Context['store']['db'], meta: FragmentMeta): Promise<FragmentTable | undefined> {
  return db
    .selectFrom('fragment')
    .selectAll()
    .where('unit', '=', meta.unit)
    .where('epoch', '=', meta.epoch)
    .where('camera', '=', meta.camera)
    .where('rendition', '=', meta.rendition)
    .where('run', '=', meta.run)
    .where('seq', '=', meta.seq)
    .executeTakeFirst();
}

function fragmentRow(meta: FragmentMeta, wall: FragmentMeta['wall'], nowMs: number, place: string | null): FragmentTable {
  return {
    unit: meta.unit,
    epoch: meta.epoch,
    camera: meta.camera,
    rendition: meta.rendition,
    run: meta.run,
    seq: meta.seq,
    sha256: meta.sha256,
    init_sha256: meta.initSha256,
    bytes: meta.bytes,
    start_mono_ms: meta.startMonoMs,
    start90k: meta.start90k,
    duration90k: meta.duration90k,
    start_utc_ms: wall.utcMs,
    wall_source: wall.source,
    wall_error_ms: wall.errorMs,
    by_clock: wall === meta.wall ? 0 : 1,
    independent: meta.independent ? 1 : 0,
    damaged: meta.damaged ? 1 : 0,
    codec: meta.codec,
    meta_json: JSON.stringify(meta),
    stored_utc_ms: nowMs,
    place,
  };
}

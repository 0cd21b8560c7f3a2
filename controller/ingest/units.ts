/** What is known of a unit itself: that it is there, its life, its last status. */
import { createPublicKey } from 'node:crypto';
import type { Timer } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import { GENESIS_PREV } from '@longroof/protocol/journal';
import type { AckMessage } from '@longroof/protocol/messages';
import { keyId } from '@longroof/protocol/signed';
import { partition } from '@longroof/protocol/topics';
import type { Transaction } from 'kysely';
import type { Tables } from '../store/tables.js';
import { checkHello } from './alarms.js';
import { CheckedCertificates } from './checked-certificates.js';
import { type Context, CREDIT_BYTES, type Link } from './context.js';
import { fenced } from './fence.js';
import { readHello, readStatus } from './read-message.js';

const SEEN_MS = 5000;
const SEEN_TOGETHER_MAX = 10_000;

export class Units {
  readonly #context: Context;
  readonly #checked: CheckedCertificates;
  readonly #seen = new Set<string>();
  #timer: Timer | undefined;

  constructor(context: Context) {
    this.#context = context;
    this.#checked = new CheckedCertificates(context.rootPem);
  }

  /** No unit is connected when the controller starts, where it is alone. */
  async start(alone: boolean): Promise<void> {
    const { store, clock, log } = this.#context;
    if (alone) await store.db.updateTable('unit').set({ online: 0 }).execute();
    this.#timer = clock.every(SEEN_MS, () => {
      this.#writeSeen().catch((error: unknown) => log.error({ error: toFault(error) }, 'when units were seen could not be written'));
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Nobody hears the units of these partitions yet. */
  async taken(parts: readonly string[]): Promise<void> {
    await this.#context.store.db.updateTable('unit').set({ online: 0 }).where('part', 'in', parts).execute();
  }

  /** Something came from it; written together with others now and then. */
  seen(unit: string): void {
    this.#seen.add(unit);
  }

  async connected(unit: string): Promise<void> {
    const nowMs = this.#nowMs();
    const fresh = {
      epoch: null,
      run: null,
      version: null,
      status_json: null,
      generation: 0,
      lat_deg: null,
      lon_deg: null,
      fix_utc_ms: null,
      power_json: null,
      power_utc_ms: null,
    };
    await this.#fenced(unit, (trx) =>
      trx
        .insertInto('unit')
        .values({ unit, part: partition(unit), first_seen_utc_ms: nowMs, last_seen_utc_ms: nowMs, online: 1, ...fresh })
        .onConflict((conflict) => conflict.column('unit').doUpdateSet({ online: 1, last_seen_utc_ms: nowMs }))
        .execute(),
    );
  }

  /** `replaced`: another connection of the same unit is live. */
  async disconnected(unit: string, replaced: boolean): Promise<void> {
    await this.#fenced(unit, (trx) =>
      trx
        .updateTable('unit')
        .set(replaced ? { last_seen_utc_ms: this.#nowMs() } : { online: 0, last_seen_utc_ms: this.#nowMs() })
        .where('unit', '=', unit)
        .execute(),
    );
  }

  async status(link: Link, payload: Uint8Array): Promise<void> {
    const status = readStatus(payload);
    await this.#context.commits.run((trx) =>
      trx
        .updateTable('unit')
        .set({ status_json: JSON.stringify(status), last_seen_utc_ms: this.#nowMs(), version: status.version })
        .where('unit', '=', link.unit)
        .execute(),
    );
  }

  /** Notes where the unit stands and gives what it is told. */
  async hello(link: Link, payload: Uint8Array): Promise<AckMessage> {
    const hello = readHello(payload);
    const { store, clock, receiptSigner, desiredSigner } = this.#context;
    const { db } = store;
    const nowMs = this.#nowMs();
    this.#identify(link, hello.certificate);
    await this.#fenced(link.unit, async (trx) => {
      const row = await trx.selectFrom('unit').select('generation').where('unit', '=', link.unit).executeTakeFirstOrThrow();
      // After a restore the unit may have seen more generations than we remember.
      const generation = Math.max(row.generation, hello.generation);
      await trx
        .updateTable('unit')
        .set({ epoch: hello.epoch, run: hello.run, version: hello.version, generation, last_seen_utc_ms: nowMs })
        .where('unit', '=', link.unit)
        .execute();
    });
    const epoch = await db
      .selectFrom('epoch')
      .select(['next_seq', 'head'])
      .where('unit', '=', link.unit)
      .where('epoch', '=', hello.epoch)
      .executeTakeFirst();
    // A desired state that did not get through is sent again, also where it only takes something back.
    await db
      .updateTable('pull')
      .set({ withdrawn_generation: null })
      .where('unit', '=', link.unit)
      .where('state', '=', 'cancelled')
      .where('withdrawn_generation', '>', hello.generation)
      .execute();
    await checkHello(this.#context, link, hello);
    link.epoch = hello.epoch;
    if (epoch) {
      link.epochs.add(hello.epoch);
      await this.#keepCertificate(link, hello.epoch);
    }
    return {
      what: 'welcome',
      storeEpoch: store.storeEpoch,
      journalNext: epoch?.next_seq ?? 0,
      journalHead: epoch?.head ?? GENESIS_PREV,
      receiptCertificates: [receiptSigner.certPem, desiredSigner.certPem],
      creditBytes: CREDIT_BYTES,
      utcMs: Math.round(clock.utc()),
    };
  }

  /** A broker between the two has checked the certificate and keeps it; what the unit shows must hold by itself. */
  #identify(link: Link, certificatePem: string | undefined): void {
    if (link.certificatePem !== undefined || certificatePem === undefined) return;
    const { pem, serial, journalKeySha256 } = this.#checked.check(certificatePem, link.unit, this.#context.clock.utc());
    link.certificatePem = pem;
    link.certificateSerial = serial;
    link.journalKeySha256 = journalKeySha256;
  }

  #fenced<T>(unit: string, run: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return fenced(this.#context, unit, run);
  }

  /** Of an epoch that was begun before certificates were kept: the one that binds the same journal key serves as well. */
  async #keepCertificate({ unit, certificatePem, journalKeySha256 }: Link, epoch: string): Promise<void> {
    if (certificatePem === undefined || journalKeySha256 === undefined) return;
    const { db } = this.#context.store;
    const row = await db.selectFrom('epoch').selectAll().where('unit', '=', unit).where('epoch', '=', epoch).executeTakeFirst();
    if (row?.unit_certificate_pem !== null || keyId(createPublicKey(row.journal_key_pem)) !== journalKeySha256) return;
    await db
      .updateTable('epoch')
      .set({ unit_certificate_pem: certificatePem })
      .where('unit', '=', unit)
      .where('epoch', '=', epoch)
      .execute();
  }

  async #writeSeen(): Promise<void> {
    if (this.#seen.size === 0) return;
    const units = [...this.#seen].slice(0, SEEN_TOGETHER_MAX);
    for (const unit of units) this.#seen.delete(unit);
    await this.#context.store.db.updateTable('unit').set({ last_seen_utc_ms: this.#nowMs() }).where('unit', 'in', units).execute();
  }

  #nowMs(): number {
    return Math.round(this.#context.clock.utc());
  }
}

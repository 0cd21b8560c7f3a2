/**
 * A unit that does as it is told, over a plain MQTT client: it can keep the protocol or break any of its rules. Whatever the centre
 * sends is kept in order.
 */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import { CHUNK_HEADER_BYTES, writeChunkHeader } from '@longroof/protocol/chunk';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import {
  checkpointBytes,
  encodeBatch,
  GENESIS_PREV,
  type JournalBodies,
  type JournalRecord,
  type JournalType,
  recordHash,
  signBytes,
} from '@longroof/protocol/journal';
import type { AckMessage, CheckpointReceipt, DesiredState, Signed, StoredReceipt } from '@longroof/protocol/messages';
import { downTopic, type Up, upTopic } from '@longroof/protocol/topics';
import mqtt, { type MqttClient } from 'mqtt';
import { until } from '../peers/program.js';
import type { Centre, UnitIdentity } from './centre.js';

export const BOOT = 'b8a5e2f0-0000-4000-8000-000000000001';
export const INIT = Buffer.from('an init segment, as good as any for the centre');
export const START_MONO_MS = 50_000;

export interface ConnectOptions {
  clientId?: string;
  clean?: boolean;
  will?: { topic: string; payload: string; qos?: 0 | 1; retain?: boolean };
  identity?: UnitIdentity;
}

/** Resolves when connected; rejects with what the broker or TLS says. */
export async function connectMqtt(centre: Centre, unit: string, identity: UnitIdentity, options: ConnectOptions = {}): Promise<MqttClient> {
  const client = new mqtt.MqttClient(
    () =>
      connectTls({
        host: '127.0.0.1',
        port: centre.port,
        ca: centre.authority.rootPem,
        key: identity.unitKeyPem,
        cert: identity.unitCertificatePem,
      }).on('error', (error) => client.emit('error', error)),
    {
      clientId: options.clientId ?? unit,
      protocolVersion: 4,
      clean: options.clean ?? true,
      reconnectPeriod: 0,
      connectTimeout: 5000,
      queueQoSZero: false,
      ...(options.will ? { will: { qos: 1 as const, retain: true, ...options.will, payload: Buffer.from(options.will.payload) } } : {}),
    },
  );
  // TLS 1.3 may tell of a refusal after the connection has closed.
  client.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', (error) => reject(error));
    client.once('close', () => reject(new Error('closed')));
  }).catch((error: unknown) => {
    client.end(true);
    throw error;
  });
  return client;
}

export interface TestFragment {
  meta: FragmentMeta;
  bytes: Buffer;
}

export class ScriptedUnit {
  readonly acks: AckMessage[] = [];
  readonly receipts: Signed<StoredReceipt>[] = [];
  readonly countersigned: Signed<CheckpointReceipt>[] = [];
  readonly desired: Signed<DesiredState>[] = [];
  readonly records: JournalRecord[] = [];
  client: MqttClient | undefined;
  epoch = randomBytes(16).toString('hex');
  closed = false;
  monoMs = START_MONO_MS;
  #handle = 0;
  readonly #centre: Centre;
  readonly unit: string;
  readonly identity: UnitIdentity;

  private constructor(centre: Centre, unit: string, identity: UnitIdentity) {
    this.#centre = centre;
    this.unit = unit;
    this.identity = identity;
  }

  static async create(centre: Centre, unit: string): Promise<ScriptedUnit> {
    return new ScriptedUnit(centre, unit, await centre.authority.issueUnit(unit));
  }

  async connect(centre = this.#centre, options: ConnectOptions = {}): Promise<void> {
    this.closed = false;
    const will = { topic: upTopic(this.unit, 'status'), payload: this.status(false) };
    const client = await connectMqtt(centre, this.unit, options.identity ?? this.identity, { will, ...options });
    this.client = client;
    client.on('close', () => {
      if (this.client === client) this.closed = true;
    });
    client.on('message', (topic, payload) => {
      const message = JSON.parse(payload.toString('utf8')) as never;
      const isCheckpoint = (message as Signed<{ what?: unknown }>).statement?.what === 'longroof-countersigned-1';
      if (topic.endsWith('/ack')) this.acks.push(message);
      else if (topic.endsWith('/receipt')) (isCheckpoint ? this.countersigned : this.receipts).push(message);
      else this.desired.push(message);
    });
    await client.subscribeAsync(
      (['ack', 'desired', 'receipt'] as const).map((down) => downTopic(this.unit, down)),
      { qos: 1 },
    );
  }

  /** Connects, says hello and hands over the journal so far. */
  async join(): Promise<void> {
    await this.connect();
    await this.hello();
    if (this.records.length === 0) this.begin();
    await this.sendJournal();
  }

  send(up: Up, payload: Buffer | string, qos: 0 | 1 = up === 'chunk' ? 0 : 1): void {
    this.client?.publish(upTopic(this.unit, up), payload, { qos });
  }

  sendJson(up: Up, message: unknown): void {
    this.send(up, canonicalJson(message as Json));
  }

  status(online: boolean): string {
    const streams = { front: { state: 'recording' } };
    return canonicalJson({ online, epoch: this.epoch, run: 1, utcMs: Date.now(), version: '0.1.0', streams });
  }

  /** As a unit does after each connect and at each change: the broker keeps it. */
  sayOnline(): void {
    this.client?.publish(upTopic(this.unit, 'status'), this.status(true), { qos: 1, retain: true });
  }

  async hello(generation = 0): Promise<Extract<AckMessage, { what: 'welcome' }>> {
    const seen = this.acks.length;
    this.sayHello(generation);
    return this.ack('welcome', seen);
  }

  sayHello(generation = 0): void {
    this.sendJson('hello', {
      unit: this.unit,
      epoch: this.epoch,
      run: 1,
      version: '0.1.0',
      generation,
      journalNext: this.records.length,
      journalOldest: 0,
      certificate: this.identity.unitCertificatePem,
    });
  }

  /** The first acknowledgement of a kind at or after `from`. */
  ack<W extends AckMessage['what']>(
    what: W,
    from = 0,
    fits: (ack: AckMessage) => boolean = () => true,
  ): Promise<Extract<AckMessage, { what: W }>> {
    return until(`ack ${what}`, () => {
      const found = this.acks.slice(from).find((ack) => ack.what === what && fits(ack));
      return found as Extract<AckMessage, { what: W }> | undefined;
    });
  }

  async refusal(code: string, from = 0): Promise<Extract<AckMessage, { what: 'refused' }>> {
    return this.ack('refused', from, (ack) => ack.what === 'refused' && ack.code === code);
  }

  begin(): void {
    const journalKey = createPublicKey(createPrivateKey(this.identity.journalKeyPem)).export({ type: 'spki', format: 'pem' }) as string;
    this.record('genesis', { unit: this.unit, epoch: this.epoch, journalKey, previous: null });
    this.record('run', {
      boot: BOOT,
      startMonoMs: START_MONO_MS,
      version: '0.1.0',
      configSha256: '0'.repeat(64),
      cameras: [{ camera: 'front', renditions: ['original', 'proxy'] }],
      ended: 'first',
    });
  }

  record<T extends JournalType>(type: T, body: JournalBodies[T], more: Partial<JournalRecord> = {}): JournalRecord {
    const last = this.records.at(-1);
    const record: JournalRecord = {
      seq: this.records.length,
      run: 1,
      monoMs: this.monoMs,
      wall: { utcMs: this.utcOf(this.monoMs), source: 'rtc', errorMs: 1000 },
      type,
      body,
      prev: last ? recordHash(last) : GENESIS_PREV,
      ...more,
    };
    this.records.push(record);
    return record;
  }

  checkpoint(): void {
    const head = recordHash(this.records.at(-1) as JournalRecord);
    const signature = signBytes(this.identity.journalKeyPem, checkpointBytes(this.unit, this.epoch, this.records.length - 1, head));
    this.record('checkpoint', { head, signature });
  }

  /** The unit booted an hour ago, give or take. */
  utcOf(monoMs: number): number {
    return BASE_UTC_MS + monoMs;
  }

  batch(from = 0, to = this.records.length): Buffer {
    const records = this.records.slice(from, to);
    return encodeBatch({ epoch: this.epoch, records, head: recordHash(records.at(-1) as JournalRecord) });
  }

  async sendJournal(from = 0, to = this.records.length): Promise<number> {
    const seen = this.acks.length;
    this.send('journal', this.batch(from, to));
    return (await this.ack('journal', seen)).next;
  }

  fragment(seq: number, bytes: Buffer, more: Partial<FragmentMeta> = {}): TestFragment {
    const monoMs = START_MONO_MS + seq * 1000;
    const meta: FragmentMeta = {
      v: 1,
      unit: this.unit,
      camera: 'front',
      rendition: 'proxy',
      epoch: this.epoch,
      run: 1,
      seq,
      boot: BOOT,
      startMonoMs: monoMs,
      arrivalMonoMs: monoMs + 20,
      start90k: seq * 90_000,
      duration90k: 90_000,
      wall: { utcMs: this.utcOf(monoMs), source: 'rtc', errorMs: 1000 },
      cameraUtcMs: null,
      bytes: bytes.length,
      sha256: sha256Hex(bytes),
      initSha256: sha256Hex(INIT),
      codec: 'avc1.64001f',
      frames: 25,
      keyFrames: 1,
      lostPackets: 0,
      independent: true,
      damaged: false,
      ...more,
    };
    return { meta, bytes };
  }

  manifest(fragment: TestFragment, options: { handle?: number; init?: boolean } = {}): number {
    const handle = options.handle ?? ++this.#handle;
    const init = options.init === false ? {} : { init: INIT.toString('base64') };
    this.sendJson('manifest', { handle, meta: fragment.meta, ...init });
    return handle;
  }

  chunk(handle: number, fragment: TestFragment, offset: number, length: number, total = fragment.bytes.length): void {
    const payload = fragment.bytes.subarray(offset, offset + length);
    const message = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + payload.length);
    writeChunkHeader(message, { handle, offset, total });
    payload.copy(message, CHUNK_HEADER_BYTES);
    this.send('chunk', message);
  }

  chunks(handle: number, fragment: TestFragment, from = 0, size = 16 * 1024): void {
    for (let at = from; at < fragment.bytes.length; at += size) this.chunk(handle, fragment, at, size);
  }

  async upload(fragment: TestFragment): Promise<Signed<StoredReceipt>> {
    const handle = this.manifest(fragment);
    this.chunks(handle, fragment);
    return this.receipt(fragment);
  }

  /** As a unit does: at most the credit is under way, and a rewind is followed. Resolves when all of it is sent and acknowledged. */
  async uploadInWindow(fragment: TestFragment, creditBytes = 1024 * 1024): Promise<void> {
    const handle = this.manifest(fragment);
    const size = 100 * 1024;
    let [read, at, acked] = [this.acks.length, 0, 0];
    await until(
      'the upload in its window',
      () => {
        for (; read < this.acks.length; read += 1) {
          const ack = this.acks[read] as AckMessage;
          if ((ack.what === 'part' || ack.what === 'rewind') && ack.handle === handle) acked = Math.max(acked, ack.offset);
          if (ack.what === 'rewind' && ack.handle === handle) at = ack.offset;
        }
        for (; at < fragment.bytes.length && at + size - acked <= creditBytes; at += size) this.chunk(handle, fragment, at, size);
        return this.receipts.some((receipt) => receipt.statement.sha256 === fragment.meta.sha256);
      },
      60_000,
    );
  }

  receipt(fragment: TestFragment): Promise<Signed<StoredReceipt>> {
    return until('receipt', () => this.receipts.find((receipt) => receipt.statement.sha256 === fragment.meta.sha256));
  }

  async gone(): Promise<void> {
    await until('the connection closed', () => this.closed);
  }

  /** Breaks the connection, as a dead network would. */
  async cut(): Promise<void> {
    this.client?.stream.destroy();
    await this.gone();
  }

  /** Says goodbye and closes. */
  async end(): Promise<void> {
    if (this.client?.connected) await this.client.publishAsync(upTopic(this.unit, 'status'), this.status(false), { qos: 1, retain: true });
    await this.client?.endAsync();
  }
}

export const BASE_UTC_MS = Date.now() - 3_600_000;

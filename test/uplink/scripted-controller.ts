/**
 * The centre's side of the protocol for tests: a real MQTT broker behind TLS with client certificates, and a ledger in memory. It
 * keeps its fragments through restarts. `faults` make it misbehave: chunks lost, receipts wrong, connections cut.
 */
import { createHash, createPrivateKey, type KeyObject } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import type { Authority, KeyAndCertificate } from '@longroof/protocol/authority';
import { type Chunk, partIsDue, readChunk } from '@longroof/protocol/chunk';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import { decodeBatch, type JournalRecord } from '@longroof/protocol/journal';
import type {
  AckMessage,
  DesiredState,
  HelloMessage,
  ManifestMessage,
  Signed,
  StatusMessage,
  StoredReceipt,
} from '@longroof/protocol/messages';
import { signStatement } from '@longroof/protocol/signed';
import { type Down, downTopic, parseTopic } from '@longroof/protocol/topics';
import { Aedes, type Client } from 'aedes';

export interface Faults {
  /** Called for each chunk; true loses it. */
  loseChunk?: (chunk: Chunk) => boolean;
  /** Called for each chunk; true cuts the connection. */
  cut?: () => boolean;
  /** Changes each receipt, or keeps it back. */
  receipt?: (receipt: Signed<StoredReceipt>, count: number) => Signed<StoredReceipt> | undefined;
  /** Instead of taking the fragment. */
  refuse?: (manifest: ManifestMessage) => string | undefined;
  /** Forgets inits that it was given this often. */
  forgetInits?: number;
  silentHellos?: number;
  loseJournal?: number;
  twice?: boolean;
}

interface Open {
  manifest: ManifestMessage;
  parts: Buffer[];
  offset: number;
  ackedAt: number;
}

export class ScriptedController {
  faults: Faults = {};
  creditBytes = 1024 * 1024;
  desired: DesiredState | undefined;
  storeEpoch = 'store-1';
  readonly stored = new Map<string, Buffer>();
  readonly records: JournalRecord[] = [];
  readonly inits = new Map<string, Buffer>();
  readonly statuses: StatusMessage[] = [];
  readonly hellos: HelloMessage[] = [];
  readonly manifests: ManifestMessage[] = [];
  /** In order of arrival: 'hello', 'journal', 'manifest', 'chunk'. */
  readonly order: string[] = [];
  chunkBytes = 0;
  chunks = 0;
  duplicateBytes = 0;
  handlesMax = 0;
  receipts = 0;
  /** Messages down that this connection has not acknowledged. */
  unheard = 0;
  port = 0;
  /** In place of the broker: what goes down goes here, and `receive` is what comes up. */
  transport: ((down: Down, payload: Buffer) => void) | undefined;
  utc: () => number = Date.now;
  /** Told of each fragment when it is stored. */
  onStored: (meta: FragmentMeta) => void = () => undefined;
  #server: Server | undefined;
  #broker: Aedes | undefined;
  #open = new Map<number, Open>();
  #sockets = new Set<TLSSocket>();
  readonly #clients = new Set<Client>();
  readonly #signers = new Map<string, KeyObject>();
  readonly #unit: string;
  readonly #keys: { receipt: KeyAndCertificate; desired: KeyAndCertificate; server: KeyAndCertificate; rootPem: string };

  constructor(unit: string, keys: { receipt: KeyAndCertificate; desired: KeyAndCertificate; server: KeyAndCertificate; rootPem: string }) {
    this.#unit = unit;
    this.#keys = keys;
  }

  static async make(unit: string, authority: Authority): Promise<ScriptedController> {
    const [receipt, desired, server] = await Promise.all([
      authority.issueSigner('receipt'),
      authority.issueSigner('desired'),
      authority.issueServer(['127.0.0.1', 'localhost']),
    ]);
    return new ScriptedController(unit, { receipt, desired, server, rootPem: authority.rootPem });
  }

  get receiptKeyPem(): string {
    return this.#keys.receipt.keyPem;
  }

  async start(): Promise<void> {
    const broker = await Aedes.createBroker();
    broker.authorizePublish = (client, packet, done) => {
      if (client) this.receive(packet.topic, Buffer.from(packet.payload));
      done(null);
    };
    broker.on('clientReady', (client) => this.#clients.add(client));
    broker.on('clientDisconnect', (client) => {
      this.#clients.delete(client);
      this.unheard = 0;
    });
    broker.on('ack', () => {
      this.unheard = Math.max(0, this.unheard - 1);
    });
    const { server, rootPem } = this.#keys;
    const tls = createServer({ key: server.keyPem, cert: server.certificatePem, ca: rootPem, requestCert: true, rejectUnauthorized: true });
    tls.on('secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      broker.handle(socket);
    });
    await new Promise<void>((resolve) => tls.listen(this.port, '127.0.0.1', resolve));
    this.port = (tls.address() as AddressInfo).port;
    this.#server = tls;
    this.#broker = broker;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    const broker = this.#broker;
    const server = this.#server;
    if (broker) await new Promise<void>((resolve) => broker.close(resolve));
    if (server) await new Promise((resolve) => server.close(resolve));
    this.#open.clear();
  }

  send(down: Down, message: unknown): void {
    const payload = Buffer.isBuffer(message) ? message : Buffer.from(canonicalJson(message as Json));
    if (this.transport) {
      this.transport(down, payload);
      return;
    }
    // To its own connections, as the real broker does: through aedes' emitter a hundred that wait hold up all others.
    for (const client of this.#clients) {
      this.unheard += 1;
      client.publish({ cmd: 'publish', topic: downTopic(this.#unit, down), payload, qos: 1, retain: false, dup: false }, () => undefined);
    }
  }

  ack(message: AckMessage): void {
    this.send('ack', message);
  }

  sendDesired(state: DesiredState, keyPem = this.#keys.desired.keyPem): void {
    this.send('desired', this.sign(state, keyPem));
  }

  sign<T>(statement: T, keyPem: string): Signed<T> {
    const key = this.#signers.get(keyPem) ?? createPrivateKey(keyPem);
    this.#signers.set(keyPem, key);
    return signStatement(key, statement);
  }

  receive(topic: string, payload: Buffer): void {
    const parsed = parseTopic(topic);
    if (!parsed || !('up' in parsed)) return;
    if (parsed.up !== 'chunk' && parsed.up !== 'status') this.order.push(parsed.up);
    const json = (): unknown => JSON.parse(payload.toString('utf8'));
    if (parsed.up === 'status') this.statuses.push(json() as StatusMessage);
    else if (parsed.up === 'hello') this.#hello(json() as HelloMessage);
    else if (parsed.up === 'journal') this.#journal(payload);
    else if (parsed.up === 'manifest') this.#manifest(json() as ManifestMessage);
    else this.#chunk(payload);
  }

  #hello(hello: HelloMessage): void {
    this.hellos.push(hello);
    this.#open.clear();
    if (this.faults.silentHellos && this.faults.silentHellos-- > 0) return;
    const { receipt, desired } = this.#keys;
    this.ack({
      what: 'welcome',
      storeEpoch: this.storeEpoch,
      journalNext: this.records.length,
      journalHead: '0'.repeat(64),
      receiptCertificates: [receipt.certificatePem, desired.certificatePem],
      creditBytes: this.creditBytes,
      utcMs: this.utc(),
    });
    if (this.desired) this.sendDesired(this.desired);
  }

  #journal(payload: Buffer): void {
    const batch = decodeBatch(payload);
    if (this.faults.loseJournal && this.faults.loseJournal-- > 0) return;
    for (const record of batch.records) if (record.seq === this.records.length) this.records.push(record);
    this.ack({ what: 'journal', epoch: batch.epoch, next: this.records.length });
  }

  #manifest(manifest: ManifestMessage): void {
    this.manifests.push(manifest);
    const { handle, meta } = manifest;
    const code = this.faults.refuse?.(manifest);
    if (code) {
      this.ack({ what: 'refused', topic: 'manifest', code, message: 'as the test wants it', handle });
      return;
    }
    if (this.stored.has(meta.sha256)) {
      this.#receipt(manifest);
      return;
    }
    if (this.faults.forgetInits && this.faults.forgetInits > 0) {
      this.faults.forgetInits -= 1;
      delete manifest.init;
    }
    if (manifest.init) this.inits.set(sha256Hex(Buffer.from(manifest.init, 'base64')), Buffer.from(manifest.init, 'base64'));
    if (!this.inits.has(meta.initSha256)) {
      this.ack({ what: 'want-init', handle, initSha256: meta.initSha256 });
      return;
    }
    this.ack({ what: 'part', handle, offset: this.#open.get(handle)?.offset ?? 0 });
    if (!this.#open.has(handle)) this.#open.set(handle, { manifest, parts: [], offset: 0, ackedAt: 0 });
    this.handlesMax = Math.max(this.handlesMax, this.#open.size);
  }

  #chunk(payload: Buffer): void {
    if (this.faults.cut?.()) {
      this.cut();
      return;
    }
    const chunk = readChunk(payload);
    if (this.faults.loseChunk?.(chunk)) return;
    this.chunks += 1;
    this.chunkBytes += chunk.payload.length;
    if (this.order.at(-1) !== 'chunk') this.order.push('chunk');
    const open = this.#open.get(chunk.handle);
    if (!open || chunk.offset < open.offset) {
      this.duplicateBytes += chunk.payload.length;
      return;
    }
    if (chunk.offset > open.offset) {
      this.ack({ what: 'rewind', handle: chunk.handle, offset: open.offset });
      return;
    }
    open.parts.push(Buffer.from(chunk.payload));
    open.offset += chunk.payload.length;
    if (open.offset === chunk.total) {
      this.#open.delete(chunk.handle);
      const whole = Buffer.concat(open.parts);
      const { meta } = open.manifest;
      if (createHash('sha256').update(whole).digest('hex') !== meta.sha256) {
        this.ack({ what: 'refused', topic: 'chunk', code: 'LR_FRAGMENT_HASH', message: 'another hash', handle: chunk.handle });
        return;
      }
      this.stored.set(meta.sha256, whole);
      this.onStored(meta);
      this.#receipt(open.manifest);
    } else if (partIsDue(open.offset - open.ackedAt, chunk.payload.length, this.creditBytes)) {
      open.ackedAt = open.offset;
      this.ack({ what: 'part', handle: chunk.handle, offset: open.offset });
    }
  }

  #receipt({ meta }: ManifestMessage): void {
    const { unit, epoch, camera, rendition, run, seq, sha256, bytes } = meta;
    const statement: StoredReceipt = {
      what: 'longroof-stored-1',
      unit,
      epoch,
      camera,
      rendition,
      run,
      seq,
      sha256,
      bytes,
      storeEpoch: this.storeEpoch,
      copies: 1,
      storedUtcMs: this.utc(),
    };
    this.receipts += 1;
    const right = this.sign(statement, this.#keys.receipt.keyPem);
    const sent = this.faults.receipt ? this.faults.receipt(right, this.receipts) : right;
    if (!sent) return;
    this.send('receipt', sent);
    if (this.faults.twice) this.send('receipt', sent);
  }
}

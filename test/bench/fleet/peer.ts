/**
 * The peer: what one would write in an afternoon with mosquitto, mqtt.js and SQLite. It takes every journal message apart, inserts its
 * records in a transaction of their own, synced, and acknowledges. It checks no chain and no signature, knows no leases, and makes nothing
 * of what the records say. Certificates and answers are as the units need them. Called by name (`../uplink/child.ts`).
 */
import { createPrivateKey } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { GENESIS_PREV } from '@longroof/protocol/journal';
import Database from 'better-sqlite3';
import { MqttClient } from 'mqtt';
import { serve } from '../uplink/child.js';

export interface PeerStart {
  file: string;
  port: number;
  rootPem: string;
  keyPem: string;
  certificatePem: string;
  /** Of signers for receipts and desired state. */
  signerPems: string[];
}

interface Batch {
  epoch: string;
  records: { seq: number; type: string }[];
}

let next = new Map<string, number>();
let messages = 0;

function openTable(file: string): (unit: string, batch: Batch) => void {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('create table if not exists record (unit text, epoch text, seq integer, type text, text text, primary key (unit, epoch, seq))');
  const insert = db.prepare('insert or ignore into record values (?, ?, ?, ?, ?)');
  return db.transaction((unit: string, { epoch, records }: Batch) => {
    for (const record of records) insert.run(unit, epoch, record.seq, record.type, JSON.stringify(record));
  });
}

serve({
  async start({ file, port, rootPem, keyPem, certificatePem, signerPems }: PeerStart) {
    createPrivateKey(keyPem);
    next = new Map();
    const store = openTable(file);
    const tls = { host: '127.0.0.1', port, ca: rootPem, key: keyPem, cert: certificatePem, noDelay: true };
    const client = new MqttClient(() => connectTls(tls), { clientId: 'centre.peer', protocolVersion: 4, clean: true, reconnectPeriod: 0 });
    const answer = (topic: string, message: object): void => {
      const down = `${topic.slice(0, topic.lastIndexOf('/'))}/down/ack`;
      client.publish(down, JSON.stringify(message), { qos: 1 });
    };
    const receiptCertificates = signerPems;
    client.on('message', (topic, payload) => {
      const unit = topic.split('/')[3] as string;
      if (topic.endsWith('/hello')) {
        const welcome = { what: 'welcome', storeEpoch: '0'.repeat(32), journalNext: next.get(unit) ?? 0, journalHead: GENESIS_PREV };
        answer(topic, { ...welcome, receiptCertificates, creditBytes: 1024 * 1024, utcMs: Date.now() });
      } else if (topic.endsWith('/journal')) {
        const batch = JSON.parse(gunzipSync(payload).toString('utf8')) as Batch;
        store(unit, batch);
        messages += 1;
        next.set(unit, (batch.records.at(-1)?.seq ?? 0) + 1);
        answer(topic, { what: 'journal', epoch: batch.epoch, next: next.get(unit) });
      }
    });
    await new Promise((resolve, reject) => {
      client.once('connect', resolve);
      client.once('error', reject);
    });
    await client.subscribeAsync('lr/1/+/+/+', { qos: 1 });
  },
  messages: async () => messages,
});

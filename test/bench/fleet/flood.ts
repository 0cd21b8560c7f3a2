/**
 * A unit that keeps every limit and no measure: journal batches of as many records as a batch may have, new ones all the time, the next
 * ones under way before the last is acknowledged, for as long as it is let. Called by name (`../uplink/child.ts`).
 */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import { Chain } from '@longroof/edge-agent/journal/chain';
import type { UnitIdentity } from '@longroof/protocol/authority';
import { BATCH_RECORDS_MAX, encodeBatch, GENESIS_PREV, type JournalBodies, type JournalType } from '@longroof/protocol/journal';
import { downTopic, upTopic } from '@longroof/protocol/topics';
import { MqttClient } from 'mqtt';
import { serve } from '../uplink/child.js';

export interface FloodStart {
  unit: string;
  identity: UnitIdentity;
  host: string;
  port: number;
}

const UNDER_WAY = 8;

let client: MqttClient;
let sent = 0;
let acknowledged = 0;
let go: () => void = () => undefined;
let stopping = false;
let running: Promise<unknown> = Promise.resolve();

function batches(unit: string, identity: UnitIdentity): () => Buffer {
  const epoch = randomBytes(16).toString('hex');
  const chain = new Chain({ unit, epoch, run: 1, journalKeyPem: identity.journalKeyPem, next: 0, head: GENESIS_PREV, atMonoMs: 0 });
  const journalKey = createPublicKey(createPrivateKey(identity.journalKeyPem)).export({ type: 'spki', format: 'pem' }) as string;
  const draft = <T extends JournalType>(type: T, body: JournalBodies[T]) => ({
    ...{ type, body, monoMs: Math.round(performance.now()) },
    wall: { utcMs: Date.now(), source: 'ntp' as const, errorMs: 10 },
  });
  const genesis = draft('genesis', { unit, epoch, journalKey, previous: null });
  return () => {
    const first = chain.next === 0;
    const events = Array.from({ length: BATCH_RECORDS_MAX - (first ? 1 : 0) }, (_, n) => draft('event', { event: 'flood', detail: { n } }));
    const { records, head, ...rest } = chain.encode(first ? [genesis, ...events] : events, undefined);
    chain.adopt({ records, head, ...rest });
    return encodeBatch({ epoch, records, head });
  };
}

serve({
  async start({ unit, identity, host, port }: FloodStart) {
    const tls = { host, port, ca: identity.rootPem, key: identity.unitKeyPem, cert: identity.unitCertificatePem, noDelay: true };
    client = new MqttClient(() => connectTls(tls), { clientId: unit, protocolVersion: 4, clean: true, reconnectPeriod: 0 });
    await new Promise((resolve, reject) => {
      client.once('connect', resolve);
      client.once('error', reject);
    });
    await client.subscribeAsync(downTopic(unit, 'ack'), { qos: 1 });
    const next = batches(unit, identity);
    const hello = { unit, epoch: '0'.repeat(32), run: 1, version: '0.1.0', generation: 0, journalNext: 0, journalOldest: 0 };
    await client.publishAsync(upTopic(unit, 'hello'), JSON.stringify({ ...hello, certificate: identity.unitCertificatePem }), { qos: 1 });
    client.on('message', (_, payload) => {
      const ack = JSON.parse(payload.toString('utf8')) as { what: string; next?: number };
      if (ack.what === 'journal') acknowledged = Math.max(acknowledged, Math.floor((ack.next ?? 0) / BATCH_RECORDS_MAX));
      go();
    });
    const pour = async (): Promise<void> => {
      while (!stopping) {
        while (sent - acknowledged >= UNDER_WAY && !stopping) await new Promise<void>((resolve) => (go = resolve));
        await client.publishAsync(upTopic(unit, 'journal'), next(), { qos: 1 });
        sent += 1;
      }
    };
    running = pour();
  },
  async stop(): Promise<number> {
    stopping = true;
    go();
    await running;
    await client.endAsync();
    return sent;
  },
});

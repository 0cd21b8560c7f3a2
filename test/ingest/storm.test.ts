/** All units at once, as after the centre was away: what a slow centre lets in it serves, and the others lose nothing but time. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import type { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import type { Broker } from '@longroof/controller/broker/broker';
import { createBroker } from '@longroof/controller/broker/embedded';
import { GATE_LIMITS, type GateLimits } from '@longroof/controller/broker/gate';
import { type Authority, openAuthority, type UnitIdentity } from '@longroof/protocol/authority';
import { downTopic, upTopic } from '@longroof/protocol/topics';
import { MqttClient } from 'mqtt';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';

t.setTimeout(180_000);

const UNITS = 200;
/** Of one hello; one after the other, as a slow disk would. */
const HELLO_MS = 80;
const AT_ONCE = 16;
/** Of a unit for the answer to its hello: a quarter of what all of them take, three times what those let in at once do. */
const PATIENCE_MS = (UNITS * HELLO_MS) / 4;

interface Slow {
  broker: Broker;
  authority: Authority;
  served: string[];
  refused: Fault[];
}

async function slowCentre(t: Test, gate: GateLimits): Promise<Slow> {
  const authority = await openAuthority(`${t.testdir()}/authority`, systemDisk, systemClock.utc);
  const { keyPem, certificatePem } = await authority.issueServer(['127.0.0.1']);
  const keys = { serverKeyPem: keyPem, serverCertPem: certificatePem, rootPem: authority.rootPem };
  const broker = createBroker({ host: '127.0.0.1', port: 0, keys, log: silentLog, limits: { gate, handshakeMs: 5000 } });
  const slow: Slow = { broker, authority, served: [], refused: [] };
  let last = Promise.resolve();
  await broker.start({
    connected: () => undefined,
    disconnected: async () => undefined,
    refused: (_unit, fault) => void slow.refused.push(fault),
    async message(session, up) {
      if (up !== 'hello') return;
      last = last.then(() => systemClock.sleep(HELLO_MS));
      await last;
      slow.served.push(session.unit);
      await broker.publish(session, 'ack', Buffer.from('{}'), 1);
    },
  });
  t.teardown(() => broker.stop());
  return slow;
}

/** Connects until its hello is answered, as a unit does; says how often it had to. */
async function come({ broker, authority }: Slow, unit: string, identity: UnitIdentity): Promise<number> {
  const tls = { host: '127.0.0.1', port: broker.port, ca: authority.rootPem, key: identity.unitKeyPem, cert: identity.unitCertificatePem };
  for (let tries = 1; ; tries += 1) {
    const client = new MqttClient(() => connectTls(tls), {
      ...{ clientId: unit, protocolVersion: 4, clean: true, reconnectPeriod: 0, connectTimeout: 60_000 },
    });
    client.on('error', () => undefined);
    const closed = new Promise<false>((resolve) => client.once('close', () => resolve(false)));
    const welcome = new Promise<true>((resolve) => client.once('message', () => resolve(true)));
    const connected = new Promise<true>((resolve) => client.once('connect', () => resolve(true)));
    let isWelcome = false;
    if (await Promise.race([connected, closed])) {
      await client.subscribeAsync(downTopic(unit, 'ack'), { qos: 1 });
      client.publish(upTopic(unit, 'hello'), '{}', { qos: 1 });
      isWelcome = await Promise.race([welcome, closed, systemClock.sleep(PATIENCE_MS).then(() => false)]);
    }
    client.end(!isWelcome);
    if (isWelcome) return tries;
  }
}

t.test(`${UNITS} units at once: each is served once, none comes in vain, nothing is done twice`, async (t) => {
  const slow = await slowCentre(t, { ...GATE_LIMITS, atOnceMax: AT_ONCE });
  const identities: [string, UnitIdentity][] = [];
  for (let n = 0; n < UNITS; n += 1) identities.push([`wagon-${n}`, await slow.authority.issueUnit(`wagon-${n}`)]);
  const tries = await Promise.all(identities.map(([unit, identity]) => come(slow, unit, identity)));
  t.equal(Math.max(...tries), 1, 'nobody had to come again');
  t.equal(slow.served.length, UNITS, 'no hello was worked on in vain');
  t.equal(new Set(slow.served).size, UNITS);
  t.same(slow.refused, []);
});

t.test('those who drip, and those who say nothing, keep nobody out; what waits too long is closed and counted', async (t) => {
  const slow = await slowCentre(t, { ...GATE_LIMITS, atOnceFirst: 2, atOnceMin: 1, atOnceMax: 2, waitMs: 8000 });
  const idle: Socket[] = Array.from({ length: 60 }, () => connectTcp(slow.broker.port, '127.0.0.1').on('error', () => undefined));
  t.teardown(() => idle.forEach((socket) => void socket.destroy()));
  // The first bytes of a ClientHello (RFC 8446, 4.1.2), of which the rest drips.
  for (const socket of idle.slice(0, 30)) socket.write(Buffer.from('1603010200010001fc0303', 'hex'));
  const drip = systemClock.every(200, () => {
    for (const socket of idle.slice(0, 30)) if (!socket.destroyed) socket.write(Buffer.of(0));
  });
  t.teardown(() => drip.cancel());
  await until('they wait', () => slow.broker.counters.waiting > 40);
  const identity = await slow.authority.issueUnit('late');
  t.equal(await come(slow, 'late', identity), 1);
  t.ok(slow.broker.counters.waiting > 0, `served while ${slow.broker.counters.waiting} others wait`);
  for (const socket of idle) socket.resume();
  await until('all are closed', () => idle.every((socket) => socket.destroyed || socket.closed));
  const codes = new Set(slow.refused.map(({ code }) => code));
  t.same([...codes].sort(), ['LR_CONNECT_WAIT', 'LR_TLS_HANDSHAKE']);
  t.ok(slow.refused.length >= 60, `${slow.refused.length} refused`);
  t.equal(slow.broker.counters.waiting, 0);
});

import type { Fault } from '@longroof/base/errors';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { upTopic } from '@longroof/protocol/topics';
import t from 'tap';
import { admit, maySubscribe, readTopic } from './admission.js';
import { Inbox } from './inbox.js';
import { PacketLimit } from './packet-limit.js';

const LIMITS = { connectBytesMax: 4096, packetBytesMax: 160 * 1024 };

/** MQTT 3.1.1, 2.2.3. */
function packet(type: number, length: number, body = length): Buffer {
  const bytes = [type << 4];
  let rest = length;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(bytes), Buffer.alloc(body, 0xff)]);
}

t.test('packet lengths: split anywhere, the verdict is the same', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const cases = fuzzCases(300);
  for (let n = 0; n < cases; n += 1) {
    const lengths = [
      random.int(0, 4097),
      ...Array.from({ length: random.int(0, 5) }, () => random.pick([0, 1, 127, 128, 5000, 16_383, 16_384])),
    ];
    const isTooLong = random.int(0, 2) === 0;
    const stream = Buffer.concat([
      ...lengths.map((length, index) => packet(index === 0 ? 1 : 3, length)),
      ...(isTooLong ? [packet(3, random.pick([160 * 1024 + 1, 10_000_000, 268_435_455]), 0)] : []),
    ]);
    const limit = new PacketLimit(LIMITS);
    let code = 'ok';
    try {
      for (let at = 0; at < stream.length; ) {
        const end = at + random.int(1, 3000);
        limit.take(stream.subarray(at, end));
        at = end;
      }
    } catch (error) {
      code = (error as Fault).code;
    }
    if (code !== (isTooLong ? 'LR_PACKET_LENGTH' : 'ok')) t.fail(`${code} for ${lengths}`);
  }
  t.throws(() => new PacketLimit(LIMITS).take(packet(1, 4097, 0)), { code: 'LR_PACKET_LENGTH', detail: { limit: 4096 } });
  t.throws(() => new PacketLimit(LIMITS).take(packet(3, 1)), { code: 'LR_PACKET_FIRST' });
  t.throws(() => new PacketLimit(LIMITS).take(Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff])), { code: 'LR_PACKET_HEADER' });
});

t.test('admission: decided by the certificate alone', async (t) => {
  const peer = { unit: 'wagon-1', journalKeySha256: undefined };
  const will = { topic: upTopic('wagon-1', 'status') };
  t.equal(admit(peer, { clientId: 'wagon-1', clean: true, will }), undefined);
  t.match(admit(peer, undefined), { code: 'LR_CLIENT_ID' });
  t.match(admit(peer, { clientId: 'wagon-2', clean: true }), { code: 'LR_CLIENT_ID' });
  t.match(admit(peer, { clientId: 'wagon-1' }), { code: 'LR_CLEAN_SESSION' });
  t.match(admit(peer, { clientId: 'wagon-1', clean: true, will: { topic: upTopic('wagon-2', 'status') } }), { code: 'LR_WILL' });
  t.same(readTopic('wagon-1', { topic: upTopic('wagon-1', 'chunk'), qos: 0, retain: false }), { up: 'chunk' });
  t.match(readTopic('wagon-1', { topic: `${upTopic('wagon-1', 'chunk')}/x`, qos: 0, retain: false }), {
    fault: { code: 'LR_TOPIC' },
    close: false,
  });
  t.match(readTopic('wagon-1', { topic: upTopic('wagon-11', 'chunk'), qos: 0, retain: false }), {
    fault: { code: 'LR_TOPIC' },
    close: true,
  });
  t.notOk(maySubscribe('wagon-1', 'lr/#'));
});

t.test('an inbox: in order, one at a time, held at its limit, and dropped at the end but for the will', async (t) => {
  const log: string[] = [];
  let running = 0;
  let open: () => void = () => undefined;
  const inbox = new Inbox({
    pauseBytes: 10_000,
    hold: () => log.push('hold'),
    release: () => log.push('release'),
    ended: async () => void log.push('ended'),
  });
  const task = (name: string, wait?: Promise<void>) => async () => {
    running += 1;
    t.equal(running, 1);
    await wait;
    log.push(name);
    running -= 1;
  };
  inbox.push(4000, task('a', new Promise<void>((resolve) => (open = resolve))));
  inbox.push(4000, task('b'));
  inbox.push(4000, task('c'));
  t.same(log, ['hold']);
  open();
  await new Promise((resolve) => setImmediate(resolve));
  t.same(log, ['hold', 'a', 'b', 'release', 'c']);
  log.length = 0;
  inbox.push(1, task('d', new Promise<void>((resolve) => (open = resolve))));
  inbox.push(1, task('e'));
  inbox.push(1, task('will'), true);
  const end = inbox.end();
  inbox.push(1, task('late'));
  open();
  await end;
  t.same(log, ['d', 'will', 'ended']);
});

/** The golden messages meet those who really read them: the centre's and the unit's readers, which take them and refuse each that lacks a member. */
import fs from 'node:fs';
import path from 'node:path';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { readHello, readManifest, readStatus } from '@longroof/controller/ingest/read-message';
import { readDesiredState } from '@longroof/edge-agent/command/plan';
import { readAck, readDesired, readReceipt } from '@longroof/edge-agent/uplink/down';
import t from 'tap';
import { ROOT } from '../peers/wagon.js';

type Members = Record<string, unknown>;
interface Vector {
  cases: { note: string; value: Members; text: string }[];
}

const vector = (name: string): Vector => JSON.parse(fs.readFileSync(path.join(ROOT, 'protocol/vectors', `${name}.json`), 'utf8')) as Vector;
const bytes = (value: unknown): Buffer => Buffer.from(canonicalJson(value as Json));

const READERS: Readonly<Record<string, (payload: Buffer) => unknown>> = {
  hello: readHello,
  status: readStatus,
  manifest(payload) {
    const { manifest, fault } = readManifest(payload);
    if (fault) throw fault;
    return manifest;
  },
  ack: readAck,
  receipt: readReceipt,
  desired: (payload) => {
    const signed = readDesired(payload);
    readDesiredState(signed.statement);
    return signed;
  },
};
/** Members that a message may have. */
const OPTIONAL: ReadonlySet<string> = new Set([
  'init',
  'path',
  'index',
  'count',
  'handle',
  'limit',
  'code',
  'certificate',
  'link',
  'live',
  'holds',
  'configuration',
  'lifts',
]);

for (const [name, read] of Object.entries(READERS))
  t.test(`${name}: taken as it stands, refused without any of its members`, async (t) => {
    for (const { note, value, text } of vector(name).cases) {
      t.same(read(Buffer.from(text)), value, note);
      for (const key of Object.keys(value)) {
        const without = bytes({ ...value, [key]: undefined });
        if (OPTIONAL.has(key) && !(key === 'code' && value['what'] === 'refused') && !(key === 'handle' && value['what'] !== 'refused'))
          t.ok(read(without), `${key} may be left out`);
        else t.throws(() => read(without), { code: /^LR_(MESSAGE|DOWN_SHAPE|FRAGMENT_META)$/ }, `${key} of ${note}`);
      }
      const statement = value['statement'] as Members | undefined;
      for (const key of Object.keys(statement ?? {})) {
        const without = bytes({ ...value, statement: { ...statement, [key]: undefined } });
        if (OPTIONAL.has(key)) t.ok(read(without), `${key} of the statement may be left out`);
        else t.throws(() => read(without), { code: /^LR_D/ }, `${key} of the statement`);
      }
    }
  });

t.test('the bounds that the document names are those of the readers', async (t) => {
  for (const [name, limit] of [
    ['status', 16_384],
    ['hello', 4096],
    ['manifest', 131_072],
    ['ack', 131_072],
  ] as const) {
    const text = vector(name).cases[0]?.text ?? '';
    const padded = (length: number): Buffer => Buffer.from(text.padEnd(length, ' '));
    const read = READERS[name] as (payload: Buffer) => unknown;
    t.ok(read(padded(limit)), `${name} of ${limit} bytes`);
    t.throws(() => read(padded(limit + 1)), { code: /^LR_(MESSAGE_BYTES|DOWN_SHAPE)$/ });
  }
});

/** The golden messages in `vectors/`, written and read by the code; and docs/asyncapi.yaml, which must describe them and nothing else. */

import { createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import { loadConfig } from '@longroof/base/config';
import { systemDisk } from '@longroof/base/disk';
import t from 'tap';
import Schema from 'typebox/schema';
import { CHUNK_HEADER_BYTES, CHUNK_PAYLOAD_BYTES_MAX, FRAGMENT_BYTES_MAX, readChunk, writeChunkHeader } from './chunk.js';
import { checkFragmentMeta, decodeFragmentBox, encodeFragmentBox, type FragmentMeta } from './fragment.js';
import { GAP_CAUSES } from './gap.js';
import {
  BATCH_BYTES_MAX,
  BATCH_RECORDS_MAX,
  checkpointBytes,
  decodeBatch,
  encodeBatch,
  JOURNAL_TYPES,
  type JournalBatch,
  type JournalRecord,
  recordHash,
  recordText,
  verifyBytes,
} from './journal.js';
import {
  encodeLivePiece,
  encodeLiveRefusal,
  LIVE_CAMERAS_MAX,
  LIVE_FOR_MS_MAX,
  LIVE_PIECE_BYTES_MAX,
  LIVE_REFUSALS,
  type LivePiece,
  readLiveMessage,
} from './live.js';
import { merklePath, merkleRoot, merkleVerify } from './merkle.js';
import { HOLDS_MAX, MESSAGE_BYTES_MAX, PULLS_MAX, type Signed } from './messages.js';
import { STALL_MS_MAX, STALL_MS_MIN } from './settings.js';
import { verifyStatement } from './signed.js';
import { DOWN, parseTopic, UP, unitPrefix } from './topics.js';
import { TRACK_POINTS_MAX } from './track.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
type Tree = { [key: string]: Tree } & unknown;

interface Vector {
  message: string;
  topic: string;
  qos: number;
  retain: boolean;
  key?: string;
  cases: { note: string; value: never; text: string; hex: string }[];
}

function vector<T = Vector>(name: string): T {
  return JSON.parse(fs.readFileSync(path.join(ROOT, 'protocol/vectors', `${name}.json`), 'utf8')) as T;
}

const { config: document } = loadConfig(systemDisk, path.join(ROOT, 'docs/asyncapi.yaml'), { read: (value) => value as Tree });
const schemas = document['components']!['schemas'] as Tree;

/** Against a schema of the document. */
function fits(name: string, value: unknown): boolean {
  return Schema.Check({ $ref: `#/components/schemas/${name}`, components: { schemas } } as never, value as never);
}

const SCHEMA_OF: Readonly<Record<string, string>> = {
  status: 'Status',
  hello: 'Hello',
  manifest: 'Manifest',
  journal: 'JournalBatch',
  ack: 'Ack',
  receipt: 'SignedReceipt',
  desired: 'SignedDesired',
};

/** Records whose body has a schema of its own. */
const BODIES = [
  ['genesis', 'GenesisBody'],
  ['run', 'RunBody'],
  ['track', 'TrackBody'],
  ['event', 'EventBody'],
  ['catalog', 'CatalogBody'],
  ['gap', 'GapBody'],
  ['clock', 'ClockBody'],
  ['loss', 'DisposalBody'],
  ['hold', 'HoldBody'],
  ['done', 'DoneBody'],
  ['checkpoint', 'CheckpointBody'],
] as const;

t.test('the document has the channels of the code, with its bounds and words', async (t) => {
  const channels = document['channels'] as Tree;
  t.same(Object.keys(channels).sort(), [...UP, ...DOWN, 'live'].sort());
  for (const [name, channel] of Object.entries(channels)) {
    const address = (channel['address'] as unknown as string)
      .replace('{part}', unitPrefix('wagon-7').split('/')[2] ?? '')
      .replace('{unit}', 'wagon-7')
      .replace('{camera}', 'front');
    const isUp = (UP as readonly string[]).includes(name);
    const parsed = name === 'live' ? { live: 'front' } : { [isUp ? 'up' : 'down']: name };
    t.same(parseTopic(address), { unit: 'wagon-7', ...parsed }, name);
    const { topic, qos, retain } = vector(name);
    t.same({ topic, qos, retain }, { topic: address, ...(channel['bindings']!['mqtt'] as object) }, `${name}: as in its vector`);
  }
  const bound = (name: string): number => channels[name]!['x-max-bytes'] as unknown as number;
  t.equal(bound('journal'), BATCH_BYTES_MAX);
  for (const name of ['chunk', 'live']) t.equal(bound(name), CHUNK_HEADER_BYTES + CHUNK_PAYLOAD_BYTES_MAX);
  for (const name of ['manifest', ...DOWN]) t.equal(bound(name), MESSAGE_BYTES_MAX, name);
  t.match(JSON.stringify(document['components']!['messages']!['chunk']), new RegExp(`${CHUNK_PAYLOAD_BYTES_MAX}.*${FRAGMENT_BYTES_MAX}`));
  const at = (...keys: string[]): unknown => keys.reduce<Tree>((tree, key) => tree[key] as Tree, schemas);
  t.same(at('Record', 'properties', 'type', 'enum'), [...JOURNAL_TYPES]);
  t.same(at('GapCause', 'enum'), [...GAP_CAUSES]);
  t.equal(at('JournalBatch', 'properties', 'records', 'maxItems'), BATCH_RECORDS_MAX);
  t.equal(at('TrackBody', 'properties', 'points', 'maxItems'), TRACK_POINTS_MAX);
  t.equal(at('Desired', 'properties', 'pulls', 'maxItems'), PULLS_MAX);
  t.equal(at('Desired', 'properties', 'live', 'maxItems'), LIVE_CAMERAS_MAX);
  t.equal(at('Desired', 'properties', 'live', 'items', 'properties', 'forMs', 'maximum'), LIVE_FOR_MS_MAX);
  t.same(at('LiveHead', 'oneOf', '1', 'properties', 'refused', 'enum'), [...LIVE_REFUSALS]);
  t.match(JSON.stringify(document['components']!['messages']!['live']), new RegExp(String(LIVE_PIECE_BYTES_MAX)));
  t.equal(at('Desired', 'properties', 'holds', 'maxItems'), HOLDS_MAX);
  const stall = at('Settings', 'properties', 'cameras', 'additionalProperties', 'properties', 'stallMs');
  t.match(stall, { minimum: STALL_MS_MIN, maximum: STALL_MS_MAX });
  const meta = vector('fragment-box').cases[0]?.value as unknown as Record<string, unknown>;
  for (const key of at('FragmentMeta', 'required') as string[])
    t.throws(() => checkFragmentMeta({ ...meta, [key]: undefined }), { code: 'LR_FRAGMENT_META' }, `${key} is needed`);
});

t.test('every JSON message: its bytes, and the document knows each of its members', async (t) => {
  for (const name of ['status', 'hello', 'manifest', 'ack', 'receipt', 'desired']) {
    const { cases, key } = vector(name);
    const schema = SCHEMA_OF[name] as string;
    for (const { note, value, text } of cases) {
      t.equal(canonicalJson(value as Json), text, `${name}: ${note}`);
      t.same(JSON.parse(text), value);
      t.ok(fits(schema, value), `${name} fits its schema: ${note}`);
      t.notOk(fits(schema, { ...(value as object), more: 1 }), 'and with one member more it does not');
      if (!key) continue;
      t.ok(verifyStatement(createPublicKey(key), value as Signed<unknown>), 'its signature fits');
      const changed = { ...(value as Signed<object>), statement: { ...(value as Signed<object>).statement, epoch: 'f'.repeat(32) } };
      t.notOk(verifyStatement(createPublicKey(key), changed));
    }
  }
  const kinds = new Set(vector('ack').cases.map(({ value }) => (value as { what: string }).what));
  t.equal((schemas['Ack']!['oneOf'] as unknown as unknown[]).length, kinds.size, 'an ack of every kind');
});

/** Every member that a schema names, also inside others, as paths: `pulls.urgent`. */
function membersOf(name: string, path: string[] = [], seen: readonly string[] = []): string[] {
  const walk = (schema: Tree, at: string[]): string[] => {
    const ref = (schema['$ref'] as unknown as string | undefined)?.split('/').at(-1);
    if (ref !== undefined) return seen.includes(ref) ? [] : membersOf(ref, at, [...seen, ref]);
    const inner = ['items', 'additionalProperties'].flatMap((key) => (typeof schema[key] === 'object' ? walk(schema[key], at) : []));
    const some = ['oneOf', 'anyOf'].flatMap((key) => ((schema[key] ?? []) as unknown as Tree[]).flatMap((one) => walk(one, at)));
    const own = Object.entries(schema['properties'] ?? {}).flatMap(([key, value]) => [
      [...at, key].join('.'),
      ...walk(value, [...at, key]),
    ]);
    return [...own, ...inner, ...some];
  };
  return walk(schemas[name] as Tree, path);
}

/** The members of a value in the same words; those of arrays, and of objects whose keys are names, without an index. */
function valueMembers(value: unknown, schemaPaths: ReadonlySet<string>, at: string[] = []): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => valueMembers(one, schemaPaths, at));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const named = [...at, key];
    return schemaPaths.has(named.join('.'))
      ? [named.join('.'), ...valueMembers(inner, schemaPaths, named)]
      : valueMembers(inner, schemaPaths, at);
  });
}

t.test('every kind of message has a golden one, and every member of it stands in one', async (t) => {
  t.same(
    [...UP, ...DOWN].filter((name) => !fs.existsSync(path.join(ROOT, 'protocol/vectors', `${name}.json`))),
    [],
  );
  for (const name of ['status', 'hello', 'manifest', 'ack', 'receipt', 'desired']) {
    const named = new Set(membersOf(SCHEMA_OF[name] as string));
    const shown = new Set(vector(name).cases.flatMap(({ value }) => valueMembers(value, named)));
    t.same(
      [...named].filter((member) => !shown.has(member)),
      [],
      name,
    );
  }
  const records = vector('journal').cases.flatMap(({ value }) => (value as JournalBatch).records);
  for (const [type, schema] of BODIES) {
    const named = new Set(membersOf(schema));
    const shown = new Set(records.filter((record) => record.type === type).flatMap(({ body }) => valueMembers(body, named)));
    t.same(
      [...named].filter((member) => !shown.has(member)),
      [],
      `journal: ${type}`,
    );
  }
  const whats = (name: string) => new Set(vector(name).cases.map(({ value }) => (value as Signed<{ what: string }>).statement.what));
  t.same(whats('receipt'), new Set(['longroof-stored-1', 'longroof-countersigned-1']));
  t.same(whats('desired'), new Set(['longroof-desired-1']));
});

t.test('journal: records, their hashes, a batch and a checkpoint', async (t) => {
  type Journal = Omit<Vector, 'cases'> & {
    unit: string;
    journalKey: string;
    cases: { value: JournalBatch; text: string; gzip: string }[];
    lines: { text: string; sha256: string }[];
    checkpoint: { text: string };
  };
  const { unit, journalKey, cases, lines, checkpoint } = vector<Journal>('journal');
  for (const { value, text, gzip } of cases) {
    t.same(decodeBatch(Buffer.from(gzip, 'base64')), value);
    t.equal(gunzipSync(encodeBatch(value)).toString('utf8'), text, 'the same JSON; how gzip packs it is its own business');
    t.ok(fits('JournalBatch', JSON.parse(text)));
    t.ok(value.records.every((record) => fits('Record', record)));
  }
  const [{ value }, { value: next }] = cases as [Journal['cases'][0], Journal['cases'][0]];
  t.equal(next.records[0]?.prev, value.head, 'a batch goes on where the one before it ended');
  t.same([...new Set(value.records.map((record) => record.type))].sort(), [...JOURNAL_TYPES].sort(), 'every type');
  for (const [index, record] of value.records.entries()) {
    t.equal(recordText(record), lines[index]?.text, record.type);
    t.equal(recordHash(record), lines[index]?.sha256);
    t.equal(sha256Hex(lines[index]?.text ?? ''), lines[index]?.sha256);
    t.equal(value.records[index + 1]?.prev ?? value.head, lines[index]?.sha256);
    t.ok(fits('Record', record), `${record.type} fits its schema`);
  }
  for (const body of [{ cause: 'the weather' }, { camera: 'Front' }, { durationMs: undefined }]) {
    const gap = value.records.find((record) => record.type === 'gap');
    t.notOk(fits('Record', JSON.parse(JSON.stringify({ ...gap, body: { ...gap?.body, ...body } }))), JSON.stringify(body));
  }
  const [last] = value.records.slice(-1) as [JournalRecord<'checkpoint'>];
  const { head, signature } = last.body;
  t.equal(checkpointBytes(unit, value.epoch, last.seq - 1, head).toString('utf8'), checkpoint.text);
  t.ok(verifyBytes(journalKey, Buffer.from(checkpoint.text), signature));
});

t.test('chunk, metadata box, Merkle tree: byte by byte', async (t) => {
  for (const { hex, payload, note, handle, offset, total } of vector<{
    cases: (Vector['cases'][0] & { payload: string; handle: number; offset: number; total: number })[];
  }>('chunk').cases) {
    const bytes = Buffer.from(hex, 'hex');
    t.match(readChunk(bytes), { handle, offset, total, payload: Buffer.from(payload, 'hex') }, note);
    const head = Buffer.alloc(CHUNK_HEADER_BYTES);
    writeChunkHeader(head, { handle, offset, total });
    t.equal(head.toString('hex') + payload, hex);
  }
  for (const { value, hex } of vector('fragment-box').cases) {
    t.equal(encodeFragmentBox(value as FragmentMeta).toString('hex'), hex);
    t.same(decodeFragmentBox(Buffer.from(hex, 'hex')), value);
  }
  for (const { leaves, root, paths } of vector<{ cases: { leaves: string[]; root: string; paths: string[][] }[] }>('merkle').cases) {
    const own = leaves.map((leaf) => Buffer.from(leaf, 'hex'));
    t.equal(merkleRoot(own).toString('hex'), root);
    for (const [index, steps] of paths.entries()) {
      t.same(
        merklePath(own, index).map((step) => step.toString('hex')),
        steps,
      );
      const walked = steps.map((step) => Buffer.from(step, 'hex'));
      t.ok(merkleVerify(own[index] as Buffer, index, own.length, walked, Buffer.from(root, 'hex')));
    }
  }
});

t.test('live: pieces and refusals, byte by byte, and nothing that is cut or changed', async (t) => {
  const { cases } = vector<{ cases: { note: string; hex: string; head: Record<string, unknown>; init: string; media: string }[] }>('live');
  for (const { note, hex, head, init, media } of cases) {
    const bytes = Buffer.from(hex, 'hex');
    t.ok(fits('LiveHead', head), note);
    const message = readLiveMessage(bytes);
    if ('refused' in message) {
      t.same(message, head);
      t.equal(encodeLiveRefusal(message.camera, message.refused).toString('hex'), hex);
      continue;
    }
    t.same({ meta: message.meta, wall: message.wall, initBytes: message.init?.length ?? 0 }, head);
    t.equal(Buffer.from(message.media).toString('hex'), media);
    t.equal(Buffer.from(message.init ?? []).toString('hex'), init);
    const { meta, wall } = head as unknown as LivePiece;
    const again = { meta, wall, media: Buffer.from(media, 'hex'), init: init === '' ? undefined : Buffer.from(init, 'hex') };
    t.equal(encodeLivePiece(again).toString('hex'), hex);
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      // A byte of the head may change into another head that is right; those of the footage cannot.
      if (at >= bytes.length - media.length / 2) t.throws(() => readLiveMessage(changed), { code: 'LR_LIVE_PIECE' });
      t.throws(() => readLiveMessage(bytes.subarray(0, at)), { code: /^LR_(LIVE_PIECE|FRAGMENT_META)$/ });
    }
  }
});

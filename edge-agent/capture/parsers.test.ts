/**
 * Whatever bytes a camera sends, the parsers end, stay within their bounds and fail with a fault of theirs; and valid bytes come out
 * as they went in, however the network cuts them.
 */
import { Fault } from '@longroof/base/errors';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { ByteArena } from './arena.js';
import { readAudioConfig } from './codec/aac.js';
import { h264 } from './codec/h264.js';
import { h265 } from './codec/h265.js';
import { ParameterSets } from './codec/parameter-sets.js';
import { Mp4Reader } from './ffmpeg/mp4-reader.js';
import { AudioReceiver } from './rtp/audio-receiver.js';
import { readSenderReport } from './rtp/rtcp.js';
import { SequenceCounter } from './rtp/sequence.js';
import { VideoReceiver } from './rtp/video-receiver.js';
import { InterleavedReader } from './rtsp/interleaved.js';
import { BODY_BYTES_MAX, HEAD_BYTES_MAX, parseHead } from './rtsp/message.js';
import { parseSdp } from './rtsp/sdp.js';

const seed = testSeed();
const random = seededRandom(seed);
t.comment(`seed ${seed}`);

/** Runs it; true when it went through, false when it failed with a fault that is no bug of ours. Anything else fails the test. */
function survives(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof Fault && error.kind !== 'internal') return false;
    throw error;
  }
}

function mutate(bytes: Buffer, from: Random): Buffer {
  const out = Buffer.from(bytes);
  for (let i = from.int(1, 8); i > 0; i--) {
    const at = from.int(0, Math.max(1, out.length));
    const how = from.int(0, 4);
    if (how === 0 && out.length > 0) out[at] = from.int(0, 256);
    else if (how === 1) out.fill(from.pick([0, 0x24, 0xff, 0x0a]), at, Math.min(out.length, at + from.int(1, 20)));
    else if (how === 2) out.copyWithin(at, from.int(0, out.length || 1));
    else if (how === 3) return Buffer.concat([out.subarray(0, at), from.bytes(from.int(0, 40)), out.subarray(at)]);
  }
  return out.subarray(0, from.next() < 0.2 ? from.int(0, out.length + 1) : out.length);
}

/** Hands bytes over in pieces of any size, from one buffer that is used again, as the socket does. */
function feed(reader: InterleavedReader, bytes: Buffer, from: Random): void {
  const shared = Buffer.alloc(65_536);
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, from.next() < 0.3 ? from.int(1, 8) : from.int(1, 5000));
    bytes.copy(shared, 0, at, at + length);
    reader.push(shared, length);
    shared.fill(0xee, 0, length);
    at += length;
  }
}

interface Heard {
  events: string[];
  reader: InterleavedReader;
}

/** What every packet of these streams begins with: RTP 2, payload type 96. */
const RTP_START = Buffer.from([0x80, 0x60]);

function listen(): Heard {
  const events: string[] = [];
  const reader = new InterleavedReader({
    established: true,
    packet: (channel, bytes, start, end) => events.push(`${channel}:${bytes.toString('hex', start, end)}`),
    message: (message) => events.push(`${message.status}${message.method} ${message.body}`),
    accepts: (_channel, bytes, start, end) => end === start || (bytes[start] as number) >> 6 === 2,
    certain: (channel, bytes, start, length) => channel < 4 && length >= 12 && bytes.readUInt16BE(start) === RTP_START.readUInt16BE(),
  });
  return { events, reader };
}

function framed(channel: number, payload: Buffer): Buffer {
  const head = Buffer.from([0x24, channel, 0, 0]);
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** A stream of packets and messages, and the events that it must give. */
function makeStream(from: Random, items: number): { bytes: Buffer; events: string[] } {
  const parts: Buffer[] = [];
  const events: string[] = [];
  for (let i = 0; i < items; i++) {
    if (from.next() < 0.8) {
      const payload = Buffer.concat([RTP_START, from.bytes(from.int(10, from.next() < 0.1 ? 3000 : 60))]);
      const channel = from.int(0, 4);
      parts.push(framed(channel, payload));
      events.push(`${channel}:${payload.toString('hex')}`);
    } else {
      const body = 'x'.repeat(from.int(0, 30));
      const line = from.next() < 0.5 ? 'RTSP/1.0 200 OK' : 'OPTIONS * RTSP/1.0';
      const end = from.next() < 0.8 ? '\r\n' : '\n';
      parts.push(Buffer.from(`${[line, `CSeq: ${i}`, `Content-Length: ${body.length}`, '', ''].join(end)}${body}`));
      events.push(`${line.startsWith('RTSP') ? '200' : '0OPTIONS'} ${body}`);
    }
  }
  return { bytes: Buffer.concat(parts), events };
}

t.test('interleaved: however the stream is cut, the same packets and messages come out', async (t) => {
  for (let round = 0; round < fuzzCases(300); round++) {
    const { bytes, events } = makeStream(random, 20);
    const heard = listen();
    feed(heard.reader, bytes, random);
    if (JSON.stringify(heard.events) !== JSON.stringify(events)) t.same(heard.events, events, `round ${round}`);
    if (heard.reader.garbageBytes !== 0) t.equal(heard.reader.garbageBytes, 0, `round ${round}`);
  }
});

t.test('interleaved: after garbage it finds back, and what follows is whole', async (t) => {
  for (let round = 0; round < fuzzCases(300); round++) {
    const before = makeStream(random, 5);
    const after = makeStream(random, 10);
    // A packet follows first: a message might be mistaken for part of the garbage by its own text.
    const marker = framed(0, Buffer.concat([RTP_START, Buffer.alloc(100, 7)]));
    const noise = random.bytes(random.int(1, 300));
    noise[0] = 0x01;
    // Noise that holds a packet of this session by chance is no noise: a hundred thousand rounds of it come to that in one run of seventy.
    for (let at = noise.indexOf(RTP_START); at >= 0; at = noise.indexOf(RTP_START)) noise[at] = 0x01;
    const heard = listen();
    feed(heard.reader, Buffer.concat([before.bytes, noise, marker, after.bytes]), random);
    const tail = heard.events.slice(-after.events.length);
    if (JSON.stringify(tail) !== JSON.stringify(after.events)) t.same(tail, after.events, `round ${round}`);
    if (heard.reader.garbageBytes < 1) t.fail(`round ${round}: garbage was not counted`);
  }
});

t.test('interleaved: broken streams end in a fault or go on, within bounds', async (t) => {
  let through = 0;
  for (let round = 0; round < fuzzCases(1000); round++) {
    const bytes = random.next() < 0.2 ? random.bytes(random.int(0, 2000)) : mutate(makeStream(random, 12).bytes, random);
    if (survives(() => feed(listen().reader, bytes, random))) through += 1;
  }
  t.ok(through > 0, `${through} went through`);
  const line = Buffer.from(`X: ${'a'.repeat(1000)}\r\n`);
  const endless = listen();
  endless.reader.push(Buffer.from('RTSP/1.0 200 OK\r\n'), 17);
  let lines = 0;
  t.throws(
    () => {
      for (; lines < 10_000; lines++) endless.reader.push(line, line.length);
    },
    { code: 'LR_RTSP_HEADERS' },
  );
  t.ok(lines * line.length <= HEAD_BYTES_MAX + 2 * line.length, `given up after ${lines} lines`);
  const zeros = Buffer.alloc(60_000, 1);
  const garbage = listen();
  t.throws(
    () => {
      for (let i = 0; i < 100; i++) garbage.reader.push(zeros, zeros.length);
    },
    { code: 'LR_RTSP_GARBAGE' },
  );
});

t.test('heads and descriptions: any text is read or refused', async (t) => {
  const head =
    'RTSP/1.0 401 Unauthorized\r\nCSeq: 3\r\nWWW-Authenticate: Digest realm="a", nonce="b"\r\nwww-authenticate: Basic realm="a"\r\n folded\r\nbroken line\r\nContent-Length: 7';
  const parsed = parseHead(head);
  t.same(
    [parsed.status, parsed.contentLength, parsed.headers.get('www-authenticate')],
    [401, 7, ['Digest realm="a", nonce="b"', 'Basic realm="a" folded']],
  );
  t.throws(() => parseHead('HTTP/1.1 200 OK'), { code: 'LR_RTSP_NOT_RTSP' });
  t.throws(() => parseHead(`RTSP/1.0 200 OK\r\nContent-Length: ${BODY_BYTES_MAX + 1}`), { code: 'LR_RTSP_BODY' });
  const sdp = [
    'v=0',
    'o=- 1 1 IN IP4 1.2.3.4',
    's=x',
    'a=control:*',
    'm=application 0 RTP/AVP 107',
    'a=rtpmap:107 vnd.onvif.metadata/90000',
    'm=video 0 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
    'a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z01ADNoFBn58BEAAAAMAQAAADIPFCqg=,aO88gA==',
    'a=control:trackID=1',
    'm=audio 0 RTP/AVP 97',
    'a=rtpmap:97 mpeg4-generic/48000/2',
    'a=fmtp:97 streamtype=5; mode=AAC-hbr; sizelength=13;indexlength=3;indexdeltalength=3;config=1190',
    'a=control:trackID=2',
    'm=video 0 RTP/AVP 26',
  ].join('\r\n');
  const described = parseSdp(sdp);
  t.same(
    described.media.map(({ codec, encoding, control, channels }) => [codec, encoding, control, channels]),
    [
      ['h264', 'H264', 'trackID=1', 1],
      ['aac', 'mpeg4-generic', 'trackID=2', 2],
      [undefined, 'JPEG', undefined, 1],
    ],
  );
  t.equal(described.media[0]?.parameterSets.length, 2);
  t.throws(() => parseSdp('<html></html>'), { code: 'LR_RTSP_SDP' });
  for (let round = 0; round < fuzzCases(2000); round++) {
    const text = mutate(Buffer.from(random.pick([head, sdp])), random).toString('latin1');
    survives(() => parseHead(text));
    survives(() => parseSdp(text));
  }
});

/** RTP packets of a few units with a single NAL unit each, an aggregate, or fragments. */
function makePackets(codec: typeof h264 | typeof h265, from: Random, sequence: number): Buffer[] {
  const packets: Buffer[] = [];
  const two = codec.headerBytes === 2;
  let number = sequence;
  for (let unit = 0; unit < 6; unit++) {
    const payloads: Buffer[] = [];
    const type = unit === 0 ? (two ? 19 : 5) : 1;
    const head = two ? Buffer.from([type << 1, 1]) : Buffer.from([0x60 | type]);
    const body = Buffer.concat([Buffer.from([0x88]), from.bytes(from.int(3, 200))]);
    const how = from.int(0, 3);
    if (how === 0) payloads.push(Buffer.concat([head, body]));
    else if (how === 1) {
      const nal = Buffer.concat([head, body]);
      const length = Buffer.from([nal.length >> 8, nal.length & 255]);
      payloads.push(Buffer.concat([two ? Buffer.from([96, 1]) : Buffer.from([24]), length, nal, length, nal]));
    } else {
      const indicator = two ? Buffer.from([98, 1]) : Buffer.from([0x60 | 28]);
      const cut = from.int(1, body.length);
      payloads.push(Buffer.concat([indicator, Buffer.from([0x80 | type]), body.subarray(0, cut)]));
      payloads.push(Buffer.concat([indicator, Buffer.from([0x40 | type]), body.subarray(cut)]));
    }
    for (const [index, payload] of payloads.entries()) {
      const header = Buffer.alloc(12);
      header[0] = 0x80;
      header[1] = (index === payloads.length - 1 ? 0x80 : 0) | 96;
      header.writeUInt16BE(number++ & 0xffff, 2);
      header.writeUInt32BE(unit * 3600, 4);
      packets.push(Buffer.concat([header, payload]));
    }
  }
  return packets;
}

t.test('video: each unit is whole NAL units behind their lengths, from valid, lossy and broken packets alike', async (t) => {
  let units = 0;
  for (let round = 0; round < fuzzCases(600); round++) {
    const codec = random.pick([h264, h265]);
    const arena = new ByteArena(undefined, 256);
    const receiver = new VideoReceiver({
      codec,
      payloadType: 96,
      clockRate: 90_000,
      parameterSets: [],
      arena: () => arena,
      discontinuity: () => undefined,
      unit: ({ unit }) => {
        units += 1;
        let at = arena.length - unit.bytes;
        while (at < arena.length) {
          if (at + 4 > arena.length) break;
          at += 4 + arena.buffer.readUInt32BE(at);
        }
        if (at !== arena.length) t.fail(`round ${round}: lengths lead ${at - arena.length} bytes past the unit`);
        if (random.next() < 0.5) arena.take(arena.length - (random.next() < 0.5 ? unit.bytes : 0));
      },
    });
    const broken = random.next();
    for (const packet of makePackets(codec, random, random.int(0, 65_536))) {
      if (random.next() < 0.1) continue;
      const bytes = random.next() < broken ? mutate(packet, random) : packet;
      if (bytes.length > 0) receiver.packet(bytes, 0, bytes.length, round);
    }
    receiver.end();
  }
  t.ok(units > 0, `${units} units`);
});

t.test('sound: frames of any packets stay inside what was sent', async (t) => {
  let frames = 0;
  for (let round = 0; round < fuzzCases(600); round++) {
    const arena = new ByteArena(undefined, 256);
    const receiver = new AudioReceiver({
      payloadType: 97,
      clockRate: 48_000,
      frameTicks: 1024,
      sizeLength: 13,
      indexLength: 3,
      indexDeltaLength: 3,
      arena: () => arena,
      discontinuity: () => undefined,
      frame: (frame) => {
        frames += 1;
        if (frame.bytes > arena.length || frame.bytes > 8191) t.fail(`round ${round}: ${frame.bytes} bytes`);
        arena.take(arena.length);
      },
    });
    for (let i = 0; i < 10; i++) {
      const sizes = Array.from({ length: random.int(1, 4) }, () => random.int(1, 50));
      const header = Buffer.alloc(14 + 2 * sizes.length);
      header[0] = 0x80;
      header[1] = 0x80 | 97;
      header.writeUInt16BE(i, 2);
      header.writeUInt32BE(i * 1024, 4);
      header.writeUInt16BE(16 * sizes.length, 12);
      for (const [index, size] of sizes.entries()) header.writeUInt16BE(size << 3, 14 + 2 * index);
      const packet = Buffer.concat([header, ...sizes.map((size) => random.bytes(size))]);
      const bytes = random.next() < 0.5 ? mutate(packet, random) : packet;
      if (bytes.length > 0) receiver.packet(bytes, 0, bytes.length, round);
    }
    receiver.end();
  }
  t.ok(frames > 0, `${frames} frames`);
});

t.test('parameter sets, audio configurations, reports and boxes: any bytes', async (t) => {
  const sps = Buffer.from('674d400cda05067e7c04400000030040000 00c83c50aa8'.replace(' ', ''), 'hex');
  const sets = new ParameterSets(h264);
  t.ok(sets.take(sps));
  t.notOk(sets.take(Buffer.from(sps)), 'the same bytes are no change');
  t.match(sets.facts, { width: 320, height: 180, reorderFrames: 0 });
  for (let round = 0; round < fuzzCases(2000); round++) {
    const bytes = random.next() < 0.5 ? mutate(sps, random) : random.bytes(random.int(0, 80));
    for (const codec of [h264, h265]) new ParameterSets(codec).take(Buffer.concat([Buffer.from([codec === h264 ? 0x67 : 66]), bytes]));
    readAudioConfig(bytes);
    if (bytes.length >= 8) readSenderReport(bytes, 0, bytes.length);
    survives(() => {
      const reader = new Mp4Reader({ tracks: () => undefined, sample: () => undefined });
      reader.push(randomBoxes(random, 3));
      reader.push(bytes);
    });
  }
});

/** Boxes of the right names with any contents. */
function randomBoxes(from: Random, depth: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = from.int(1, 4); i > 0; i--) {
    const type = from.pick(['moov', 'trak', 'mdia', 'mdhd', 'tkhd', 'stsd', 'avc1', 'moof', 'traf', 'tfhd', 'tfdt', 'trun', 'mdat']);
    const payload = depth > 0 && from.next() < 0.6 ? randomBoxes(from, depth - 1) : from.bytes(from.int(0, 60));
    const head = Buffer.alloc(8);
    head.writeUInt32BE(from.next() < 0.95 ? 8 + payload.length : from.int(0, 100));
    head.write(type, 4, 'latin1');
    parts.push(head, payload);
  }
  return Buffer.concat(parts);
}

t.test('sequence numbers: what is missing is counted exactly, over the wrap', async (t) => {
  for (let round = 0; round < fuzzCases(100); round++) {
    const counter = new SequenceCounter();
    let sequence = random.int(0, 65_536);
    let missing = 0;
    let counted = counter.next(sequence);
    for (let i = 0; i < 1000; i++) {
      const skip = random.next() < 0.05 ? random.int(1, 3000) : 0;
      missing += skip;
      sequence = (sequence + 1 + skip) & 0xffff;
      counted += counter.next(sequence);
      if (random.next() < 0.01) counter.next(sequence);
    }
    if (counted !== missing) t.equal(counted, missing, `round ${round}`);
  }
});

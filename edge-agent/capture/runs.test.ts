/** Packets taken many at a time come to what they come to one by one, whatever lies between them. */
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { ByteArena } from './arena.js';
import { h264 } from './codec/h264.js';
import { h265 } from './codec/h265.js';
import type { VideoCodec } from './codec/video.js';
import { VideoReceiver } from './rtp/video-receiver.js';
import { InterleavedReader } from './rtsp/interleaved.js';

const seed = testSeed();

/** What becomes of interleaved packets, unit by unit, and how many of them were taken as part of a run. */
function receive(codec: VideoCodec, stream: Buffer, runs: boolean): { heard: string[]; taken: number } {
  const heard: string[] = [];
  const arena = new ByteArena(undefined, 256);
  let taken = 0;
  const receiver: VideoReceiver = new VideoReceiver({
    codec,
    payloadType: 96,
    clockRate: 90_000,
    parameterSets: [],
    arena: () => arena,
    discontinuity: () => heard.push('discontinuity'),
    unit: ({ unit, ticks, lostPackets }) => {
      const bytes = arena.take(arena.length).toString('hex');
      heard.push([ticks, lostPackets, unit.key, unit.damaged, unit.pictureBegins, bytes].join(' '));
    },
  });
  const reader = new InterleavedReader({
    established: true,
    packet: (channel, bytes, start, end) => {
      if (channel === 0) receiver.packet(bytes, start, end, 1);
    },
    message: () => undefined,
    accepts: (_channel, bytes, start, end) => end === start || (bytes[start] as number) >> 6 === 2,
    certain: () => true,
    ...(runs
      ? {
          takeRun: (channel: number, bytes: Buffer, at: number, end: number) => {
            const next = channel === 0 ? receiver.takeRun(channel, bytes, at, end) : at;
            taken += next > at ? 1 : 0;
            return next;
          },
        }
      : {}),
  });
  reader.push(stream, stream.length);
  receiver.end();
  return { heard, taken };
}

/** Pictures of one to some fragments, of which some are lost, repeated, of another source, padded, extended or on another channel. */
function makeStream(codec: VideoCodec, from: Random): Buffer {
  const parts: Buffer[] = [];
  const two = codec.headerBytes === 2;
  const oddity = from.next() * 0.2;
  let sequence = from.int(0, 65_536);
  let ssrc = 7;
  for (let picture = 0; picture < 12; picture++) {
    const fragments = from.int(2, 30);
    const type = picture % 6 === 0 ? (two ? 19 : 5) : 1;
    for (let i = 0; i < fragments; i++) {
      const flags = (i === 0 ? 0x80 : 0) | (i === fragments - 1 ? 0x40 : 0) | type;
      const head = two ? [98, 1, flags] : [0x60 | 28, flags];
      const packet = Buffer.concat([Buffer.alloc(12), Buffer.from(head), Buffer.from([0x88]), from.bytes(from.int(0, 40))]);
      packet[0] = 0x80;
      packet[1] = (i === fragments - 1 ? 0x80 : 0) | 96;
      packet.writeUInt16BE(sequence++ & 0xffff, 2);
      packet.writeUInt32BE(picture * 3600, 4);
      packet.writeUInt32BE(ssrc, 8);
      let channel = 0;
      if (from.next() < oddity) {
        const what = from.int(0, 8);
        if (what === 0) continue;
        else if (what === 1) sequence -= 1;
        else if (what === 2) ssrc += 1;
        else if (what === 3) packet[0] = 0xa0;
        else if (what === 4) packet[0] = 0x90;
        else if (what === 5) channel = 2;
        else if (what === 6) packet[from.int(0, packet.length)] = from.int(0, 256);
        else packet.writeUInt32BE(picture * 3600 + from.int(0, 2), 4);
      }
      parts.push(Buffer.from([0x24, channel, packet.length >> 8, packet.length & 255]), packet);
    }
  }
  return Buffer.concat(parts);
}

t.test('runs of plain packets', async (t) => {
  const random = seededRandom(seed);
  let runs = 0;
  let damaged = 0;
  for (let round = 0; round < fuzzCases(500); round++) {
    const codec = random.pick([h264, h265]);
    const stream = makeStream(codec, random);
    const many = receive(codec, stream, true);
    const each = receive(codec, stream, false);
    runs += many.taken;
    damaged += each.heard.filter((unit) => unit.split(' ')[3] === 'true').length;
    if (many.heard.join('\n') !== each.heard.join('\n')) {
      t.same(many.heard, each.heard, `round ${round}`);
      return;
    }
  }
  t.ok(runs > 1000, `${runs} runs`);
  t.ok(damaged > 100, `${damaged} damaged units among what was compared`);
});

t.comment(`seed ${seed}`);

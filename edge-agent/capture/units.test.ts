/** Where access units begin and end, and what goes into each: cameras that set markers and timestamps in ways of their own. */
import t from 'tap';
import { ByteArena } from './arena.js';
import { h264 } from './codec/h264.js';
import { VideoReceiver } from './rtp/video-receiver.js';

interface HeardUnit {
  /** Types of its NAL units, in order. */
  types: number[];
  ticks: number;
  key: boolean;
  damaged: boolean;
  setsChanged: boolean;
}

/** Feeds H.264 packets given as [timestamp, marker, NAL unit], with any part of the arena taken between units. */
function receiveH264(packets: readonly (readonly [number, boolean, readonly number[]])[]): HeardUnit[] {
  const heard: HeardUnit[] = [];
  const arena = new ByteArena(undefined, 64);
  const receiver = new VideoReceiver({
    codec: h264,
    payloadType: 96,
    clockRate: 90_000,
    parameterSets: [],
    arena: () => arena,
    discontinuity: () => undefined,
    unit: ({ unit, ticks }) => {
      const types: number[] = [];
      for (let at = arena.length - unit.bytes; at < arena.length; at += 4 + arena.buffer.readUInt32BE(at))
        types.push((arena.buffer[at + 4] as number) & 31);
      heard.push({ types, ticks, key: unit.key, damaged: unit.damaged, setsChanged: unit.setsChanged });
      arena.take(arena.length - unit.bytes);
      arena.take(arena.length);
    },
  });
  for (const [sequence, [timestamp, marker, nal]] of packets.entries()) {
    const packet = Buffer.alloc(12 + nal.length);
    packet[0] = 0x80;
    packet[1] = (marker ? 0x80 : 0) | 96;
    packet.writeUInt16BE(sequence, 2);
    packet.writeUInt32BE(timestamp, 4);
    packet.set(nal, 12);
    receiver.packet(packet, 0, packet.length, timestamp / 90);
  }
  receiver.end();
  if (arena.length > 0) throw new Error(`${arena.length} bytes were left behind`);
  return heard;
}

/** Slices of a picture: the first begins with first_mb_in_slice 0, a single 1 bit. */
const slice = (type: number, first: boolean): number[] => [0x60 | type, first ? 0x88 : 0x41, 1, 2, 3];
const SPS = [...Buffer.from('674d400cda05067e7c0440000003004000000c83c50aa8', 'hex')];
const PPS = [0x68, 0xef, 0x3c, 0x80];
const DELIMITER = [9, 0xf0];

t.test('video: no unit without picture data; sets that came alone go in front of the next picture', async (t) => {
  const whole = (types: number[], ticks: number, more: Partial<HeardUnit> = {}): HeardUnit => ({
    ...{ types, ticks, key: types.includes(5), damaged: false, setsChanged: false },
    ...more,
  });
  t.same(
    receiveH264([
      [0, false, SPS],
      [0, false, PPS],
      [0, true, slice(5, true)],
      [3600, true, slice(1, true)],
      [7200, false, DELIMITER],
      [7200, false, SPS],
    ]),
    [whole([7, 8, 5], 0, { setsChanged: true }), whole([1], 3600)],
    'the session ends behind a delimiter and a set: nothing more comes',
  );
  t.same(
    receiveH264([
      [0, true, SPS],
      [100, true, PPS],
      [200, true, slice(5, true)],
      [3800, true, slice(1, true)],
      [3900, true, DELIMITER],
      [7400, false, DELIMITER],
      [7400, true, slice(1, true)],
    ]),
    [whole([7, 8, 5], 200, { setsChanged: true }), whole([1], 3800), whole([9, 1], 7400)],
    'sets with timestamps of their own; a delimiter alone in front of another',
  );
});

t.test('video: several slices with a marker on each are one unit by their timestamp, fields too', async (t) => {
  const packets: [number, boolean, number[]][] = [];
  for (let frame = 0; frame < 40; frame++) {
    const key = frame % 20 === 0;
    if (key) for (const set of [SPS, PPS]) packets.push([frame * 3600, true, set]);
    // Only key frames are cut into slices, and into two fields that each begin at 0.
    for (let part = 0; part < (key ? 4 : 1); part++) packets.push([frame * 3600, true, slice(key ? 5 : 1, part % 2 === 0)]);
  }
  const heard = receiveH264(packets);
  t.equal(heard.length, 40);
  t.same(
    heard.filter((unit) => unit.key).map((unit) => unit.types),
    [
      [7, 8, 5, 5, 5, 5],
      [7, 8, 5, 5, 5, 5],
    ],
  );
  t.notOk(heard.some((unit) => unit.damaged));
});

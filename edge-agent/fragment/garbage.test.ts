/** Readers of boxes and of parameter sets end with an answer or a Fault `corrupt`, whatever the bytes. */
import { Fault } from '@longroof/base/errors';
import { findBoxes, readBoxes, readBoxHeader } from '@longroof/base/iso-box';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { h264 } from '../capture/codec/h264.js';
import { h265 } from '../capture/codec/h265.js';
import { makeInit } from './init.js';
import { AAC, AVC_SETS, HEVC_SPS, trackOf } from './test-media.js';

const seed = testSeed();
t.comment(`seed ${seed}`);

/** Changes, cuts or doubles a few bytes. */
function spoil(random: Random, bytes: Buffer): Buffer {
  const out = Buffer.from(random.next() < 0.3 ? bytes.subarray(0, random.int(0, bytes.length + 1)) : bytes);
  for (let n = random.int(0, 6); n > 0 && out.length > 0; n--) out[random.int(0, out.length)] = random.int(0, 256);
  return out;
}

/** Runs it; a Fault of kind `corrupt` is a fine answer, anything else that is thrown is not. */
function answers(run: () => void): string | undefined {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Fault && error.kind === 'corrupt')) return String(error);
  }
  return undefined;
}

t.test('readers of boxes and parameter sets answer to garbage', async (t) => {
  const random = seededRandom(seed ^ 0x5eed);
  const cases = fuzzCases(3000);
  const file = Buffer.from(makeInit([trackOf(AVC_SETS), AAC]).bytes);
  const paths = ['moov/trak/mdia/minf/stbl/stsd/avc1/avcC', 'moov/trak/mdia/mdhd', 'moof/traf/trun', 'moov/mvex/trex'];
  let failed: string | undefined;
  for (let i = 0; i < cases && !failed; i++) {
    const noise = random.bytes(random.int(0, 64));
    const boxes = random.next() < 0.3 ? noise : spoil(random, file);
    const avc = random.next() < 0.3 ? noise : spoil(random, AVC_SETS[0] as Buffer);
    const sps = random.next() < 0.3 ? noise : spoil(random, HEVC_SPS);
    failed =
      answers(() => {
        for (const box of readBoxes(boxes)) if (box.offset + box.bytes > boxes.length || box.bytes < 8) throw new Error('a box outside');
      }) ??
      answers(() => void readBoxHeader(boxes, random.int(0, boxes.length + 2))) ??
      answers(() => void findBoxes(boxes, random.pick(paths))) ??
      answers(() => void h264.readSequence(avc)) ??
      answers(() => void h265.readSequence(sps)) ??
      answers(() => void makeInit([trackOf([avc])])) ??
      answers(() => void makeInit([{ ...trackOf([sps]), codec: 'h265' }]));
    if (failed) failed = `case ${i}: ${failed}; ${boxes.toString('hex')} ${avc.toString('hex')} ${sps.toString('hex')}`;
  }
  t.equal(failed, undefined, `${cases} cases, seed ${seed}`);
});

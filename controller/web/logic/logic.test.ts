import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { barsOf, type CoverageLike, groupedGaps, pieceAt, type Row, recordedShare, rowsOf, sumOf, ticksOf } from './coverage.js';
import { agoText, bytesText, inputMs, inputText, lengthText, localDateTime, percentText, untilText, utcText } from './format.js';
import { follow, readPieces } from './live-pieces.js';
import { mediaAt, readPlaylist, stretches, wallAt } from './wall-map.js';

const START = Date.UTC(2026, 10, 24, 14, 0, 0);
const at = (seconds: number): string => new Date(START + seconds * 1000).toISOString();
const clock = { source: 'gnss', errorMs: 100 };

const coverage: CoverageLike = {
  cameras: [
    { camera: 'rear', rendition: 'original', footage: [], gaps: [{ from: at(0), to: at(60), cause: 'power-cut' }] },
    {
      camera: 'front',
      rendition: 'original',
      footage: [
        { from: at(30), to: at(40), where: 'wagon', bytes: 1000, clock: { source: 'gnss', errorMs: 400 } },
        { from: at(0), to: at(30), where: 'wagon', bytes: 3000, clock },
        { from: at(42), to: at(50), where: 'disposed', bytes: 800, clock },
      ],
      gaps: [
        { from: at(40), to: at(42), cause: 'camera-stalled', detail: 'silence' },
        { from: at(50), to: at(60), cause: 'not-yet-reported' },
      ],
    },
  ],
};
const span = { fromMs: START, toMs: START + 60_000 };
const front = (): Row => rowsOf(coverage)[0]!;

t.test('rows: neighbours of one kind become one stretch, and a time says what is there', async (t) => {
  t.same(
    rowsOf(coverage).map((row) => row.camera),
    ['front', 'rear'],
  );
  t.equal(front().pieces.length, 4);
  t.match(pieceAt(front(), START + 35_000), { kind: 'footage', where: 'wagon', bytes: 4000, clock: { errorMs: 400 } });
  t.match(pieceAt(front(), START + 41_000), { kind: 'gap', cause: 'camera-stalled', detail: 'silence' });
  t.match(pieceAt(front(), START + 39_900, 500), { kind: 'gap' }, 'a gap is hit from nearby');
  t.match(pieceAt(front(), START + 51_000, 20_000), { kind: 'gap', cause: 'camera-stalled' }, 'also from time not reported yet');
  t.match(pieceAt(front(), START + 51_000), { kind: 'gap', cause: 'not-yet-reported' });
  t.equal(pieceAt(front(), START + 70_000), undefined);
  t.equal(pieceAt(front(), START - 1), undefined);
});

t.test('sums: footage that is gone counts as missing, for its cause; what is not reported yet is no loss', async (t) => {
  const sum = sumOf(front(), span);
  t.match(sum, { footageMs: 40_000, bytes: 4000, gapMs: 20_000 });
  t.same(
    sum.gaps.map((gap) => gap.cause),
    ['camera-stalled', 'disposed', 'not-yet-reported'],
  );
  t.equal(sumOf(front(), { fromMs: START + 10_000, toMs: START + 20_000 }).bytes, 1000, 'bytes in proportion');
  t.equal(recordedShare(front(), span), 40 / 50);
  t.equal(recordedShare({ camera: 'x', rendition: 'original', pieces: [] }, span), undefined);
  const gap = (from: number, to: number, cause: string): Row['pieces'][number] => ({
    kind: 'gap',
    ...{ fromMs: START + from, toMs: START + to },
    cause,
  });
  const young: Row = { camera: 'x', rendition: 'original', pieces: [gap(0, 30_000, 'configuration'), gap(30_000, 33_000, 'starting')] };
  t.equal(recordedShare(young, span), 0);
  young.pieces.push(gap(33_000, 60_000, 'being-recorded'));
  t.equal(recordedShare(young, span), undefined, 'the first reel is open');
  t.same(
    groupedGaps([young], span).map(({ cause }) => cause),
    ['starting', 'configuration'],
  );
});

t.test('a gap of several cameras is told once, and the usual delay of reports not at all', async (t) => {
  const cut = { from: at(10), to: at(20), cause: 'power-cut' };
  const rows = rowsOf({
    cameras: [
      { camera: 'a', rendition: 'original', footage: [], gaps: [cut, { from: at(50), to: at(60), cause: 'not-yet-reported' }] },
      { camera: 'a', rendition: 'proxy', footage: [], gaps: [{ ...cut, from: at(10.5) }] },
      { camera: 'b', rendition: 'original', footage: [], gaps: [{ ...cut, cause: 'stopped' }] },
    ],
  });
  const gaps = groupedGaps(rows, span, 20_000);
  t.same(
    gaps.map((gap) => [gap.cause, gap.rows.length]),
    [
      ['power-cut', 2],
      ['stopped', 1],
    ],
  );
  t.equal(groupedGaps(rows, span).length, 3);
});

t.test('bars: within the drawing, gaps never too narrow to see, few whatever the input', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < fuzzCases(200); round++) {
    const width = random.int(50, 2000);
    const row: Row = { camera: 'x', rendition: 'original', pieces: [] };
    for (let fromMs = START - 5_000; fromMs < START + 70_000; ) {
      const toMs = fromMs + random.int(1, 4_000);
      if (random.int(0, 3) === 0) row.pieces.push({ kind: 'gap', fromMs, toMs, cause: 'stopped' });
      else row.pieces.push({ kind: 'footage', fromMs, toMs, where: 'wagon', bytes: 1, clock });
      fromMs = toMs;
    }
    const bars = barsOf(row, span, width);
    if (bars.some((bar) => bar.x < -1e-9 || bar.x + bar.width > width + 1e-6)) t.fail(`a bar leaves the drawing, round ${round}`);
    if (bars.some((bar) => bar.look === 'gap' && bar.width < 3)) t.fail(`a gap is too narrow, round ${round}`);
    if (bars.length > 2 * width) t.fail(`${bars.length} bars in ${width} px, round ${round}`);
  }
});

t.test('ticks stand at round local times', async (t) => {
  const { atMs, stepMs } = ticksOf({ fromMs: START + 61_000, toMs: START + 3_661_000 }, 10, 3.5 * 3_600_000);
  t.equal(stepMs, 10 * 60_000);
  t.same(atMs[0], START + 600_000);
  t.ok(atMs.every((ms) => (ms + 3.5 * 3_600_000) % stepMs === 0));
  t.ok(ticksOf({ fromMs: START, toMs: START + 7 * 86_400_000 }, 8, 0).atMs.length <= 8);
});

t.test('the clock under the picture leaps across a gap with the footage', async (t) => {
  const segments = readPlaylist(
    [
      '#EXTM3U',
      '#EXT-X-MAP:URI="i.mp4"',
      `#EXT-X-PROGRAM-DATE-TIME:${at(0)}`,
      '#EXTINF:2.000,',
      'a.m4s',
      '#EXTINF:2.000,',
      'b.m4s',
      '#EXT-X-DISCONTINUITY',
      `#EXT-X-PROGRAM-DATE-TIME:${at(100)}`,
      '#EXTINF:1.5,',
      'c.m4s',
      '',
    ].join('\r\n'),
  );
  t.same(
    segments.map((segment) => [segment.startS, segment.durationS, segment.utcMs - START]),
    [
      [0, 2, 0],
      [2, 2, 2000],
      [4, 1.5, 100_000],
    ],
  );
  t.equal(wallAt(segments, 3), START + 3000);
  t.equal(wallAt(segments, 4.5), START + 100_500);
  t.equal(wallAt(segments, 9), undefined);
  t.equal(wallAt([], 0), undefined);
  t.equal(mediaAt(segments, START + 1000), 1);
  t.equal(mediaAt(segments, START + 50_000), 4, 'within the gap: the footage after it');
  t.equal(mediaAt(segments, START + 200_000), undefined);
  t.same(stretches(segments), [
    { fromMs: START, toMs: START + 4000 },
    { fromMs: START + 100_000, toMs: START + 101_500 },
  ]);
  t.same(readPlaylist('#EXTM3U\n#EXTINF:x,\nq.m4s\nrubbish'), []);
});

t.test('what people read: both languages, UTC always comparable, only a whole is 100 %', async (t) => {
  t.equal(utcText(START), '2026-11-24 14:00:00 UTC');
  t.match(localDateTime(START, 'en'), /24 Nov 2026/);
  t.match(localDateTime(START, 'fa'), /[۰-۹]/);
  t.match(localDateTime(START, 'fa'), /۱۴۰۵/, "the reader's calendar");
  t.equal(percentText(0.99999, 'en'), '99.9%');
  t.equal(percentText(1, 'en'), '100%');
  t.equal(lengthText(3_720_000, 'en'), '1 hr 2 mins');
  t.equal(lengthText(59_999, 'en'), '1 min');
  t.equal(lengthText(0, 'en'), '0 ms');
  t.match(lengthText(120_000, 'fa'), /۲/);
  t.equal(bytesText(1_500_000, 'en'), '1.5 MB');
  t.equal(bytesText(12, 'en'), '12 bytes');
  t.equal(agoText(120_000, 'en'), '2 minutes ago');
  t.equal(untilText(120_000, 'en'), 'in 2 minutes');
  t.equal(inputMs(inputText(START)), START);
  t.equal(inputMs(''), undefined);
});

t.test('live pieces: read one behind the other, refused where they are cut off', async (t) => {
  const part = (bytes: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const piece = (number: number): Buffer =>
    Buffer.concat([part(Buffer.from(JSON.stringify({ number }))), part(Buffer.from('init')), part(Buffer.from(`media ${number}`))]);
  const bytes = new Uint8Array(Buffer.concat([piece(7), piece(8)])).buffer;
  const pieces = readPieces(bytes);
  t.same(
    pieces.map(({ head, media }) => [head.number, Buffer.from(media).toString()]),
    [
      [7, 'media 7'],
      [8, 'media 8'],
    ],
  );
  t.same(readPieces(new ArrayBuffer(0)), []);
  t.throws(() => readPieces(bytes.slice(0, bytes.byteLength - 1)), RangeError);
});

t.test('live: keeps to the newest picture, hurries a little behind it, and jumps where it is far behind', async (t) => {
  t.same(follow(10, 11, 1), { rate: 1 }, 'where it should be: the piece that has just come lies ahead');
  t.same(follow(10, 11.6, 1), { rate: 1.1 });
  t.same(follow(10, 20, 1), { rate: 1, jumpToS: 19 });
});

/** The live lane by itself, on a clock that is moved by hand: where it begins, what it leaves out, whom it lets go first, and how it ends. */
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { LiveStream } from '@longroof/controller/live/stream';
import { newCounters } from '@longroof/edge-agent/uplink/counters';
import { LiveLane, nextLive } from '@longroof/edge-agent/uplink/live-lane';
import { CHUNK_PAYLOAD_BYTES_SLOW, readChunk } from '@longroof/protocol/chunk';
import type { LiveRefusal } from '@longroof/protocol/live';
import type { StatusMessage } from '@longroof/protocol/messages';
import t from 'tap';
import { MemorySpool } from './memory-spool.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
const UNIT = 'wagon-1';
const SUB = { camera: 'front', rendition: 'proxy' as const };
const recording = { state: 'recording' as const };

/** A lane, and the centre's end of it: what was sent, as pieces. */
function scene() {
  const clock = new SimClock();
  const spool = new MemorySpool(clock, seededRandom(seed), UNIT);
  const counters = newCounters();
  const state = {
    streams: { front: recording, 'front.proxy': recording } as StatusMessage['streams'],
    refuse: undefined as LiveRefusal | undefined,
    journalUnsent: false,
    idles: 0,
  };
  const lane = new LiveLane({
    ...{ spool, clock, counters, log: silentLog },
    status: () => state.streams,
    journalUnsent: () => state.journalUnsent,
    onIdle: () => {
      state.idles += 1;
    },
    refuse: () => state.refuse,
  });
  const sent: { camera: string; payload: Buffer }[] = [];
  const acks: { handle: number; offset: number }[] = [];
  const shown = new LiveStream(UNIT, 'front');
  const line = {
    publishLive(camera: string, payload: Buffer): void {
      sent.push({ camera, payload });
      acks.push(shown.take(payload));
    },
  };
  /** A fragment becomes durable. */
  const record = async (stream = SUB as { camera: string; rendition: 'proxy' | 'original' }, independent = true, bytes = 4000) => {
    const fragment = spool.addFragment(stream, clock.utc(), bytes);
    fragment.meta.independent = independent;
    spool.durable([{ stream, seq: fragment.meta.seq, endMonoMs: clock.mono() }]);
    await clock.advance(10);
  };
  const answer = async (): Promise<void> => {
    for (const { handle, offset } of acks.splice(0)) lane.acknowledged(handle, offset);
    await clock.advance(10);
  };
  const settle = async (): Promise<void> => {
    do await answer();
    while (acks.length > 0);
  };
  return { clock, spool, counters, state, lane, sent, acks, shown, line, record, answer, settle };
}

const seqs = (shown: LiveStream): number[] => shown.since(0).map(({ piece }) => piece.meta.seq);

t.test('begins with the newest that decodes by itself, then follows; the sub-stream where there is one', async (t) => {
  const { lane, line, record, settle, shown, sent, clock, state } = scene();
  for (const independent of [true, false, true, false]) await record(SUB, independent);
  await record({ camera: 'front', rendition: 'original' });
  t.equal(sent.length, 0, 'nobody watches');
  lane.open(line, 1 << 20);
  lane.want([{ camera: 'front', forMs: 20_000 }]);
  await clock.advance(10);
  await settle();
  t.same(seqs(shown), [2, 3]);
  await record(SUB, true);
  await settle();
  t.same(seqs(shown), [4], 'a new viewer begins there');
  t.same(
    shown.since(2).map(({ piece }) => piece.meta.seq),
    [4],
    'who follows gets what is new',
  );
  t.equal(shown.since(2)[0]?.piece.meta.rendition, 'proxy');
  state.streams = { front: recording, 'front.proxy': { state: 'connecting' } };
  await record({ camera: 'front', rendition: 'original' });
  await settle();
  t.equal(shown.since(0)[0]?.piece.meta.rendition, 'original', 'the original while the sub-stream fails');
});

t.test('behind the journal, and footage waits for it', async (t) => {
  const { lane, line, record, settle, sent, clock, state } = scene();
  lane.open(line, 1 << 20);
  lane.want([{ camera: 'front', forMs: 20_000 }]);
  state.journalUnsent = true;
  await record(SUB, true, 100_000);
  t.equal(sent.length, 0, 'the journal first');
  state.journalUnsent = false;
  lane.pump();
  await clock.advance(10);
  t.ok(sent.length > 0 && sent.length <= 4, `within its window: ${sent.length} chunks`);
  t.equal(lane.unsent, true, 'footage waits');
  const before = state.idles;
  await settle();
  t.equal(lane.unsent, false);
  t.ok(state.idles > before, 'and is told when it may go on');
  t.ok(sent.every(({ payload }) => readChunk(payload).payload.length <= CHUNK_PAYLOAD_BYTES_SLOW));
});

t.test('on a link that is too slow pictures are left out, and nothing piles up', async (t) => {
  const { lane, line, record, answer, settle, shown, counters, acks } = scene();
  lane.open(line, 1 << 20);
  lane.want([{ camera: 'front', forMs: 60_000 }]);
  for (let second = 0; second < 20; second++) {
    await record(SUB, second % 2 === 0, 60_000);
    if (second % 4 === 3) await answer();
  }
  await settle();
  t.ok(counters.liveLeftOut > 2, `${counters.liveLeftOut} left out`);
  t.equal(acks.length, 0);
  t.ok(seqs(shown).at(-1)! >= 18, 'and it is at the newest again');
});

t.test('ends by itself: not asked again, taken back, the connection gone, no answer', async (t) => {
  const { lane, line, record, settle, sent, clock, counters } = scene();
  const watched = async (): Promise<boolean> => {
    const before = sent.length;
    await record();
    await settle();
    return sent.length > before;
  };
  lane.want([{ camera: 'front', forMs: 20_000 }]);
  t.equal(counters.liveCameras, 0, 'nothing without a connection');
  lane.open(line, 1 << 20);
  lane.want([{ camera: 'front', forMs: 20_000 }]);
  t.equal(await watched(), true);
  await clock.advance(15_000);
  lane.want([{ camera: 'front', forMs: 20_000 }]);
  await clock.advance(15_000);
  t.equal(await watched(), true, 'asked for again in time');
  await clock.advance(7_000);
  t.equal(await watched(), false, 'asked for no more');
  lane.want([{ camera: 'front', forMs: 20_000 }]);
  t.equal(await watched(), true);
  lane.want([]);
  t.equal(await watched(), false, 'taken back');
  lane.want([{ camera: 'front', forMs: 60_000 }]);
  lane.close();
  lane.open(line, 1 << 20);
  t.equal(await watched(), false, 'a new connection knows of nothing');
  lane.want([{ camera: 'front', forMs: 60_000 }]);
  for (let i = 0; i < 4; i++) await record(SUB, true, 60_000);
  const stuck = sent.length;
  await clock.advance(6_000);
  t.ok(sent.length > stuck, 'what is never acknowledged is not waited for');
});

t.test('says once why it shows nothing, and goes on when it may', async (t) => {
  const { lane, line, record, settle, shown, state, sent } = scene();
  lane.open(line, 1 << 20);
  lane.want([{ camera: 'roof', forMs: 20_000 }]);
  t.equal(sent.length, 1);
  lane.want([{ camera: 'front', forMs: 60_000 }]);
  state.refuse = 'LR_LIVE_BUDGET';
  await record();
  await settle();
  t.equal(shown.refused, 'LR_LIVE_BUDGET');
  const before = sent.length;
  await record();
  await settle();
  t.equal(sent.length, before, 'once');
  state.refuse = undefined;
  await record();
  await settle();
  t.equal(shown.refused, undefined);
  t.equal(seqs(shown).length > 0, true);
});

t.test('which is next', async (t) => {
  const { spool } = scene();
  const all = Array.from({ length: 8 }, (_, i) => {
    const fragment = spool.addFragment(SUB, i * 1000, 10);
    fragment.meta.independent = i % 3 === 0;
    return fragment;
  });
  t.equal(nextLive(all, undefined), all[6]);
  t.equal(nextLive(all.slice(1, 3), 0), all[1], 'the one that follows');
  t.equal(nextLive(all.slice(1), 0), all[6], 'too far behind');
  t.equal(nextLive(all.slice(4, 6), 2), undefined, 'a hole, and none that stands by itself');
  t.equal(nextLive([], 3), undefined);
});

/** Live view at the centre: the unit is told, its pieces reach whoever watches, by whichever process, and nobody is told of anything else. */

import { CHUNK_HEADER_BYTES, writeChunkHeader } from '@longroof/protocol/chunk';
import { encodeLivePiece, encodeLiveRefusal } from '@longroof/protocol/live';
import { liveTopic, partition } from '@longroof/protocol/topics';
import t from 'tap';
import { until } from '../peers/program.js';
import { type Centre, startCentre } from './centre.js';
import { INIT, ScriptedUnit } from './scripted-unit.js';

t.setTimeout(240_000);

const never = new AbortController().signal;

function show(unit: ScriptedUnit, camera: string, handle: number, piece: Buffer): void {
  const head = Buffer.alloc(CHUNK_HEADER_BYTES);
  writeChunkHeader(head, { handle, offset: 0, total: piece.length });
  unit.client?.publish(liveTopic(unit.unit, camera), Buffer.concat([head, piece]), { qos: 0 });
}

function pieceOf(unit: ScriptedUnit, seq: number, camera = 'front'): Buffer {
  const { meta, bytes } = unit.fragment(seq, Buffer.from(`picture ${seq}`), { camera });
  return encodeLivePiece({ meta, wall: meta.wall, init: seq === 0 ? INIT : undefined, media: bytes });
}

const told = (unit: ScriptedUnit): string[] => (unit.desired.at(-1)?.statement.live ?? []).map(({ camera }) => camera);

/** One that the process which shows it holds, and one that another holds, where there are two. */
async function twoUnits(centre: Centre): Promise<ScriptedUnit[]> {
  const names = ['wagon-1', 'wagon-2', 'wagon-3', 'wagon-4', 'wagon-5', 'wagon-6', 'wagon-7', 'wagon-8'];
  const low = names.find((name) => partition(name) < '80') as string;
  const high = names.find((name) => partition(name) >= '80') as string;
  const units = await Promise.all([low, high].map((name) => ScriptedUnit.create(centre, name)));
  for (const unit of units) await unit.join();
  return units;
}

t.test('a look from beginning to end', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const { live, store } = centre;
  live.start();
  for (const unit of await twoUnits(centre)) {
    const wanted = { unitId: unit.unit, camera: 'front', reason: 'complaint 12' };
    await t.rejects(live.begin('anna', { ...wanted, reason: '  ' }), { code: 'LR_VIEW_REASON' });
    await t.rejects(live.begin('anna', { ...wanted, camera: 'roof' }), { code: 'LR_CAMERA_UNKNOWN' });
    await t.rejects(live.begin('anna', { ...wanted, unitId: 'wagon-99' }), { code: 'LR_UNIT_UNKNOWN' });
    const look = await live.begin('anna', wanted);
    await until('the unit is told', () => told(unit).join() === 'front');
    // By another process the pieces come once the broker has granted them.
    let handle = 0;
    const first = await until('a piece comes', async () => {
      show(unit, 'front', ++handle, pieceOf(unit, 0));
      const [found] = await live.pieces(look.id, 'anna', 0, AbortSignal.timeout(300));
      return found;
    });
    t.equal(Buffer.from(first.piece.media).toString(), 'picture 0');
    t.same(Buffer.from(first.init), INIT);
    await until('it is acknowledged', () => unit.acks.find((ack) => ack.what === 'live'));
    await t.rejects(live.pieces(look.id, 'ben', 0, never), { code: 'LR_LIVE_OVER' }, 'nobody else takes it');
    show(unit, 'rear', 1, pieceOf(unit, 0, 'rear'));
    show(unit, 'front', ++handle, pieceOf(unit, 0, 'rear'));
    show(unit, 'front', ++handle, Buffer.from('no piece'));
    show(unit, 'front', ++handle, encodeLiveRefusal('front', 'LR_LIVE_BUDGET'));
    await t.rejects(
      until('the refusal comes', async () => void (await live.pieces(look.id, 'anna', first.number + 20, AbortSignal.timeout(300)))),
      { code: 'LR_LIVE_BUDGET' },
    );
    await live.end(look.id, 'anna');
    await until('the unit is told', () => unit.desired.at(-1)?.statement.live === undefined);
    await t.rejects(live.pieces(look.id, 'anna', 0, never), { code: 'LR_LIVE_OVER' });
    const audit = await store.db.selectFrom('audit').selectAll().where('subject', '=', `unit:${unit.unit}/front`).execute();
    t.same(
      audit.map(({ person, action, reason }) => [person, action, reason]),
      [
        ['anna', 'live', 'complaint 12'],
        ['anna', 'live-end', 'complaint 12'],
      ],
    );
    t.same(await store.db.selectFrom('fragment').select('seq').execute(), [], 'nothing was stored');
  }
});

t.test('who does not ask any more watches no more; a unit that comes again is told again', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const { live } = centre;
  live.start();
  const [unit] = (await twoUnits(centre)) as [ScriptedUnit];
  const look = await live.begin('anna', { unitId: unit.unit, camera: 'front', reason: 'complaint 12' });
  await until('the unit is told', () => told(unit).join() === 'front');
  await unit.cut();
  unit.desired.length = 0;
  await unit.join();
  await until('told again after hello', () => told(unit).join() === 'front');
  const before = unit.desired.length;
  const asking = setInterval(() => void live.pieces(look.id, 'anna', 0, never).catch(() => undefined), 1000);
  await until('and again while it lasts', () => unit.desired.length > before);
  clearInterval(asking);
  await until('until nobody asks', () => unit.desired.at(-1)?.statement.live === undefined);
  t.same(await live.list(), []);
});

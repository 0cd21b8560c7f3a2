/** Work of which one piece is done at a time: in order, urgent pieces first, and none for those who gave up waiting. */
import { Turns } from '@longroof/edge-agent/derive/turns';
import t from 'tap';

t.test('urgent ones go before those that wait, who gives up is passed over, a failure holds nobody up', async (t) => {
  const turns = new Turns();
  const done: string[] = [];
  const open: (() => void)[] = [];
  const never = new AbortController();
  const run = (name: string, urgent = false, signal = never.signal): Promise<void> =>
    turns.run(urgent, signal, async () => {
      done.push(name);
      await new Promise<void>((resolve) => open.push(resolve));
      if (name === 'fails') throw new Error(name);
    });
  const gone = new AbortController();
  const first = run('first');
  const all = [run('second'), run('fails', true), run('third'), run('also urgent', true)];
  const away = run('away', false, gone.signal);
  gone.abort();
  await t.rejects(away, { code: 'LR_CANCELLED' });
  await t.rejects(run('too late', true, gone.signal), { code: 'LR_CANCELLED' });
  const settled = Promise.allSettled([first, ...all]);
  for (let n = 0; n < 5; n += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(done.length, n + 1, 'one at a time');
    open[n]?.();
  }
  const states = (await settled).map(({ status }) => status);
  t.same(states, ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  t.same(done, ['first', 'fails', 'also urgent', 'second', 'third']);
});

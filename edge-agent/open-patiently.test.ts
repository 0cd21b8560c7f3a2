import { getEventListeners } from 'node:events';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import type { Fault } from '@longroof/base/errors';
import { type Log, silentLog } from '@longroof/base/log';
import type { GapBody } from '@longroof/protocol/journal';
import t, { type Test } from 'tap';
import { openPatiently } from './open-patiently.js';
import type { SpoolOptions } from './spool/open.js';
import type { Spool } from './spool/spool.js';
import { testKeyPem } from './spool/test-spool.js';

function refuse(code: string): void {
  process.env['LONGROOF_TEST_REFUSES'] = code;
}

/** An agent's start on a disk that refuses as it is told, with time that passes when it is told. */
class Start {
  /** Ahead of the worker's own clock only by what is advanced. */
  readonly clock = new SimClock(systemClock.mono(), systemClock.utc());
  readonly giveUp = new AbortController();
  readonly faults: Fault[] = [];
  readonly said: string[] = [];
  readonly opening: Promise<Spool>;
  cameras = ['front'];
  #failed: () => void = () => undefined;

  constructor(t: Test, quotaBytes = 64 * 2 ** 20) {
    const root = path.join(t.testdir({}), 'spool');
    const say = (fields: Record<string, unknown>, message: string): void =>
      void this.said.push(`${message}${fields['error'] ? ` ${(fields['error'] as Fault).code}` : ''}`);
    const log: Log = { ...silentLog, info: say, error: say };
    const options = (): SpoolOptions => ({
      ...{ path: root, quotaBytes, unit: 'wagon-7', journalKeyPem: testKeyPem, version: '1', configSha256: 'ab' },
      ...{ cameras: this.cameras.map((camera) => ({ camera, renditions: ['original'] })), clock: systemClock, log: silentLog },
      faults: { diskModule: new URL('./spool/test-refusing-disk.js', import.meta.url).href },
    });
    const failed = (fault: Fault): void => {
      this.faults.push(fault);
      this.#failed();
    };
    this.opening = openPatiently(options, { clock: this.clock, log, signal: this.giveUp.signal, failed });
    this.opening.catch(() => undefined);
  }

  /** Resolves when so many attempts have failed; each has its five seconds. */
  async attempts(count: number): Promise<void> {
    for (;;) {
      if (this.faults.length >= count) return;
      const failed = new Promise<void>((resolve) => {
        this.#failed = resolve;
      });
      await this.clock.advance(5000);
      if (this.faults.length < count) await Promise.race([failed, this.opening.then(() => undefined)]);
    }
  }

  /** Lets the wait between two attempts pass until the spool is open. */
  async opened(): Promise<Spool> {
    await this.clock.advance(5000);
    return this.opening;
  }
}

async function gapsOf(spool: Spool): Promise<GapBody[]> {
  const records = await spool.journal(0, 1e6);
  return records.filter((record) => record.type === 'gap').map((record) => record.body as GapBody);
}

t.test('S7: a disk that refuses at the start is waited for, each new fault is told once; S5: the wait is a gap', async (t) => {
  refuse('EROFS');
  const startMonoMs = systemClock.mono();
  const start = new Start(t);
  await start.attempts(3);
  start.cameras.push('rear');
  refuse('');
  const spool = await start.opened();
  t.same(
    start.faults.map(({ code, kind }) => [code, kind]),
    Array.from({ length: 3 }, () => ['LR_SYS_EROFS', 'read-only']),
  );
  t.match(start.said, [/^the spool cannot be opened.* LR_SYS_EROFS$/, /takes footage again/]);
  t.equal(start.said.length, 2);
  const gaps = await gapsOf(spool);
  t.match(gaps, [
    { camera: 'front', cause: 'disk-failed', detail: 'LR_SYS_EROFS' },
    { camera: 'rear', cause: 'disk-failed' },
  ]);
  for (const gap of gaps) t.ok(Math.abs(gap.fromMonoMs - startMonoMs) < 1000 && gap.durationMs > 0, 'from the start on');
  t.match((await spool.journal(0, 1e6)).find((record) => record.type === 'run')?.body, {
    cameras: [{ camera: 'front' }, { camera: 'rear' }],
  });
  spool.openStream({ camera: 'front', rendition: 'original' });
  await spool.close();
  t.equal(getEventListeners(start.giveUp.signal, 'abort').length, 0, 'no attempt leaves anything behind');
});

t.test('S7: a full disk and one with an error that has no name here are waited for too', async (t) => {
  refuse('ENOSPC');
  const start = new Start(t);
  await start.attempts(1);
  refuse('EUCLEAN');
  await start.attempts(2);
  refuse('');
  const spool = await start.opened();
  t.match(start.said, [/LR_SYS_ENOSPC$/, /LR_SYS_EUCLEAN$/, /again/]);
  const gaps = await gapsOf(spool);
  t.ok(gaps.length > 0 && gaps.every(({ cause }) => cause === 'disk-full' || cause === 'disk-failed'), JSON.stringify(gaps));
  await spool.close();
});

t.test('what waiting does not mend ends the start at once', async (t) => {
  refuse('EACCES');
  await t.rejects(new Start(t).opening, { code: 'LR_SYS_EACCES', kind: 'denied' });
  refuse('EBUG');
  await t.rejects(new Start(t).opening, { code: /^LR_/, message: /size/ }, 'a bug is no disk');
  refuse('');
  await t.rejects(new Start(t, 1000).opening, { code: 'LR_SPOOL_QUOTA' });
});

t.test('a stop while it waits, and one while the disk does not answer, ends it', async (t) => {
  refuse('EIO');
  const waiting = new Start(t);
  await waiting.attempts(1);
  waiting.giveUp.abort();
  await t.rejects(waiting.opening, { code: 'LR_CANCELLED', kind: 'cancelled' });
  refuse('EHANG');
  const hanging = new Start(t);
  hanging.giveUp.abort();
  await t.rejects(hanging.opening, { code: 'LR_CANCELLED' });
  t.same(hanging.faults, [], 'a stop is not the disk’s fault');
  refuse('');
});

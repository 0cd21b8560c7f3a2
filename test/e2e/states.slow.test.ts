/** What the page says in states that are rare or bad: away, refused, failed, unplayable, expired; in both languages, also on a phone. */
import fs from 'node:fs';
import path from 'node:path';
import type { PullShape, UnitShape } from '@longroof/controller/api/shapes';
import { GAP_CAUSES } from '@longroof/protocol/gap';
import t from 'tap';
import { until } from '../peers/program.js';
import { chromiumProgram, openViewer, says, textOf, type Viewer } from './browser.js';
import { type Canned, PAGE, startPageServer } from './page-server.js';

t.setTimeout(600_000);

const chromium = chromiumProgram();
const missing = !chromium
  ? 'no Chromium on this machine'
  : !fs.existsSync(path.join(PAGE, 'index.html'))
    ? 'the page is not built: npm run build -w controller'
    : false;

const NOW = Math.floor(Date.now() / 1000) * 1000;
const ago = (minutes: number): string => new Date(NOW - minutes * 60_000).toISOString();
const both: ('original' | 'proxy')[] = ['original', 'proxy'];
const unit: UnitShape = {
  id: 'wagon-1',
  online: true,
  state: 'degraded',
  lastSeen: ago(0),
  version: '1.2.3',
  epoch: '00'.repeat(16),
  cameras: [
    { id: 'front', state: 'recording', renditions: both },
    { id: 'rear', state: 'refused', code: 'LR_RTSP_AUTH', renditions: both },
  ],
  position: { latDeg: 35.68917, lonDeg: 51.38897, at: ago(0) },
  power: {
    ...{ mode: 'standby', reason: 'watch-spent', sentence: 'Standby.', at: ago(1), supplyV: 12.14 },
    ...{ left: { cameraHours: 8.4, errorCameraHours: 1.2 }, nextContact: ago(-30), shed: null },
  },
  journal: { next: 10, whole: true },
  refusals: [{ code: 'LR_CHUNK', count: 3, last: ago(5), message: 'chunk: payload length' }],
  alarms: [],
  configuration: null,
};
const away: UnitShape = { ...unit, id: 'wagon-2', online: false, state: 'offline', lastSeen: ago(120), position: null, refusals: [] };
const resting: UnitShape = {
  ...{ ...away, id: 'wagon-3', state: 'standby' },
  cameras: unit.cameras.map(({ id }) => ({ id, state: 'stopped', renditions: both })),
};
const pull: PullShape = {
  id: 'p-1',
  unitId: 'wagon-1',
  cameras: ['front'],
  from: ago(30),
  to: ago(20),
  quality: 'original',
  reason: 'Complaint',
  person: 'demo',
  urgent: false,
  state: 'done',
  created: ago(10),
  ended: ago(9),
  bytesDone: 1000,
  bytesTotal: 1000,
  parts: [{ camera: 'front', from: ago(30), to: ago(20), bytesDone: 1000, bytesTotal: 1000, codec: 'hvc1.1.6.L93.B0', mp4Parts: 2 }],
  missing: [],
};

function fill(api: Canned): void {
  api.session = { user: 'demo', role: 'staff', expires: ago(-60) };
  api.units = [unit, away];
  api.pulls = [pull];
  const clock = { source: 'gnss', errorMs: 200 };
  api.coverage = {
    unit: unit.id,
    from: ago(60),
    to: ago(0),
    cameras: unit.cameras.flatMap(({ id }) =>
      both.map((rendition) => ({
        camera: id,
        rendition,
        footage: [
          { from: ago(60), to: ago(40), where: 'wagon' as const, bytes: 60_000_000, clock },
          { from: ago(30), to: ago(0), where: 'wagon-and-centre' as const, bytes: 90_000_000, clock },
        ],
        gaps: [{ from: ago(40), to: ago(30), cause: id === 'front' ? 'power-cut' : 'a-cause-of-next-year' }],
      })),
    ),
    events: [{ kind: 'panic', at: ago(20), errorMs: 200, on: true, hold: { id: 'event-1', state: 'placed' } }],
  };
}

async function open(language: 'en' | 'fa' = 'en'): Promise<{ viewer: Viewer; api: Canned; address: string; close(): Promise<void> }> {
  const server = await startPageServer();
  const viewer = await openViewer(chromium ?? '', language);
  const close = async (): Promise<void> => {
    await viewer.close();
    await server.close();
  };
  return { viewer, api: server.api, address: server.address, close };
}

t.test(
  'signing in: a wrong password is said with its code, and the page is where it was after an expiry',
  { skip: missing, timeout: 300_000 },
  async (t) => {
    const { viewer, api, address, close } = await open();
    t.teardown(close);
    const { page } = viewer;
    await page.goto(`${address}/pulls`);
    await page.fill('input[name=user]', 'demo');
    await page.fill('input[name=password]', 'wrong');
    await page.click('button[type=submit]');
    await says(t, page.locator('[role=alert]'), /User name or password is wrong[\s\S]*LR_LOGIN/);
    await page.fill('input[name=password]', 'right');
    await page.click('button[type=submit]');
    await page.waitForSelector('text=No footage has been requested yet');
    t.match(page.url(), /\/pulls$/);
    api.session = undefined;
    await page.click('nav a[href="/"]');
    await page.waitForSelector('input[name=password]');
    t.same(viewer.complaints, []);
  },
);

t.test('the fleet in words; a centre that goes away and comes back', { skip: missing, timeout: 300_000 }, async (t) => {
  const { viewer, api, address, close } = await open();
  t.teardown(close);
  fill(api);
  api.units = [unit, resting, away];
  const { page } = viewer;
  await page.goto(address);
  const cards = page.locator('.unit-card');
  await cards.first().waitFor();
  await says(
    t,
    cards.nth(0),
    /wagon-1[\s\S]*Partly recording[\s\S]*1 of 2 record[\s\S]*rear[\s\S]*refuses our password[\s\S]*LR_RTSP_AUTH[\s\S]*refused 3 messages/,
  );
  await says(
    t,
    cards.nth(0),
    /Standby: its share of the energy budget is used · 12\.1 V · 8\.4 ± 1\.2 camera-hours left · can be reached next at/,
  );
  await says(t, cards.nth(1), /wagon-2[\s\S]*Out of reach[\s\S]*2 hours ago[\s\S]*No position known[\s\S]*it was to be reached at/);
  await says(
    t,
    cards.nth(2),
    /wagon-3[\s\S]*Standby[\s\S]*at rest to spare the battery[\s\S]*can be reached next at[\s\S]*\(in (30|29) minutes\)/,
  );
  t.equal(await cards.nth(2).locator('.not-recording, .degraded').count(), 0, 'nothing of it looks broken');
  await page.click('text=With trouble');
  await until('what is planned is no trouble', async () => (await cards.count()) === 2);
  await page.click('.tools >> text=All');
  await page.fill('input[type=search]', 'nothing like it');
  await page.waitForSelector('text=No wagon fits');
  await page.fill('input[type=search]', '2');
  await until('the search finds', async () => (await cards.count()) === 1);
  api.away = true;
  await page.waitForSelector('text=The centre does not answer', { timeout: 40_000 });
  t.equal(await cards.count(), 1, 'what was known stays in sight');
  api.away = false;
  await page.waitForSelector('text=The centre does not answer', { state: 'detached', timeout: 40_000 });
  t.same(viewer.complaints, []);
});

t.test('a wagon that exists twice, and settings that it refused', { skip: missing, timeout: 300_000 }, async (t) => {
  const { viewer, api, address, close } = await open();
  t.teardown(close);
  fill(api);
  const epoch = 'ab'.repeat(16);
  const alarm = { id: 'a-1', code: 'LR_EPOCH_RETURNED', message: 'as the centre says', epoch, count: 4, first: ago(60), last: ago(1) };
  const settings = { cameras: { rear: { record: false, stallMs: 8000 } } };
  const problem = { code: 'LR_SETTINGS_CAMERA', message: 'settings: this unit has no camera rear' };
  const asked = {
    id: 'c-1',
    state: 'refused' as const,
    settings,
    reason: 'the lens is out',
    person: 'max',
    asked: ago(9),
    answered: ago(8),
    problem,
  };
  api.units = [{ ...unit, alarms: [alarm], configuration: asked }, away];
  const { page } = viewer;
  await page.goto(address);
  await says(t, page.locator('.unit-card').nth(0), /may exist twice/);
  await page.goto(`${address}/units/wagon-1`);
  await says(t, page.locator('[role=alert]').first(), /may exist twice[\s\S]*live again[\s\S]*LR_EPOCH_RETURNED[\s\S]*4 times/);
  t.equal(await page.locator('input[name=alarm-reason]').count(), 0, 'not for staff to close');
  const section = page.locator('section[aria-label="Settings from the centre"]');
  await says(
    t,
    section,
    /max[\s\S]*the lens is out[\s\S]*rear[\s\S]*record: false, stallMs: 8000[\s\S]*has refused them[\s\S]*no camera rear[\s\S]*LR_SETTINGS_CAMERA/,
  );
  api.session = { user: 'max', role: 'manager', expires: ago(-60) };
  await page.reload();
  await page.fill('input[name=alarm-reason]', 'the old card was in the workshop');
  await page.click('text=Seen to');
  await until('it is said to the centre', () => api.asked.includes('POST /api/units/wagon-1/alarms/a-1/close'));
  t.same(viewer.complaints, []);
});

t.test(
  'the timeline: read and select by pointer and by keyboard, and a request that is refused',
  { skip: missing, timeout: 300_000 },
  async (t) => {
    const { viewer, api, address, close } = await open();
    t.teardown(close);
    fill(api);
    const { page } = viewer;
    await page.goto(`${address}/units/wagon-1`);
    await page.waitForSelector('.plot svg');
    const row = page.locator('.plot[data-camera=front][data-rendition=original]');
    const box = (await row.boundingBox())!;
    const x = (minutesAgo: number): number => box.x + box.width * (1 - minutesAgo / 60);
    await page.mouse.move(x(35), box.y + 8);
    await says(t, page.locator('.marks li.panic'), /Panic button; its footage is held/);
    await says(t, page.locator('[data-testid=readout]'), /No footage[\s\S]*10 mins[\s\S]*lost power/);
    await page.mouse.move(x(10), box.y + 8);
    await says(t, page.locator('[data-testid=readout]'), /in the wagon and at the centre[\s\S]*200 ms/);
    await page.mouse.move(x(45), box.y + 8);
    await page.mouse.down();
    await page.mouse.move(x(25), box.y + 8, { steps: 4 });
    await page.mouse.up();
    await says(t, page.locator('.selection-bar'), /Selected: (20|19) mins/);
    await row.focus();
    await page.keyboard.press('Escape');
    await page.keyboard.press('End');
    await says(t, page.locator('[data-testid=readout]'), /in the wagon and at the centre/, 'the last place of a span is one of it');
    await page.mouse.move(box.x + box.width, box.y + 8);
    await says(t, page.locator('[data-testid=readout]'), /in the wagon and at the centre/, 'also for the pointer');
    await page.keyboard.press('Home');
    for (let at = 0; at < 4; at++) await page.keyboard.press('Shift+ArrowRight');
    await says(t, page.locator('.selection-bar'), /Selected: 2 mins/);
    const listed = await textOf(page.locator('section[aria-label="Gaps in this span"]'));
    t.match(listed, /front[\s\S]*The wagon lost power/);
    t.match(listed, /a-cause-of-next-year/, 'a cause without words is shown as it came');
    await page.click('text=Request this footage');
    await says(t, page.locator('.preview'), /front, rear: 2 mins (1 sec )?of footage/);
    await page.fill('textarea[name=reason]', 'Complaint');
    await page.click('.mantine-Modal-content button[type=submit]');
    await says(t, page.locator('.mantine-Modal-content [role=alert]'), /no words for[\s\S]*LR_SOMETHING_NEW/);
    t.match(api.wanted[0], { unitId: 'wagon-1', cameras: ['front', 'rear'], quality: 'proxy', reason: 'Complaint' });
    t.same(viewer.complaints, []);
  },
);

t.test('pulls that wait, failed, or cannot be played here', { skip: missing, timeout: 300_000 }, async (t) => {
  const { viewer, api, address, close } = await open();
  t.teardown(close);
  fill(api);
  const { page } = viewer;
  await page.goto(`${address}/pulls/p-1`);
  await page.waitForSelector('text=cannot play H.265 originals');
  const downloads = await page.locator('a[download]').all();
  const links = await Promise.all(downloads.map(async (link) => (await link.getAttribute('href')) ?? ''));
  const withoutToken = links.map((href) => href.replace(/([?&])token=[^&]*&?/, '$1').replace(/[?&]$/, ''));
  const files = withoutToken.filter((href) => !href.endsWith('.zip'));
  t.same(files, ['/api/pulls/p-1/front.mp4', '/api/pulls/p-1/front.mp4?part=1'], 'a file for each part');
  t.same(
    withoutToken.filter((href) => href.endsWith('.zip')),
    ['/api/pulls/p-1/export.zip'],
    'and all of it as one export',
  );
  t.notOk(
    api.asked.some((one) => one.includes('playlist')),
    'nothing is fetched that cannot be shown',
  );
  api.pulls = [{ ...pull, state: 'waiting', waitingSince: ago(60), parts: [], bytesTotal: null, bytesDone: 0 }];
  await page.reload();
  await page.waitForSelector('text=goes on by itself when the wagon is back');
  api.pulls = [{ ...pull, state: 'failed', problem: { code: 'LR_PULL_SPAN', message: 'raw words' }, parts: [] }];
  await page.reload();
  await says(t, page.locator('[role=alert]'), /time span of the request is not allowed[\s\S]*shorter span[\s\S]*LR_PULL_SPAN/);
  t.equal(await page.locator('text=Nothing is missing').count(), 0, 'of one that failed nothing is claimed to be here');
  api.pulls = [{ ...pull, state: 'running', bytesDone: 400 }];
  await page.reload();
  await page.waitForSelector('text=Nothing will be missing');
  const missing = [{ camera: 'front', from: pull.from, to: pull.to, cause: 'power-saving' }];
  api.pulls = [{ ...pull, bytesDone: 0, bytesTotal: 0, parts: [], missing }];
  await page.reload();
  await says(t, page.locator('main'), /No footage[\s\S]*There is no footage of this time[\s\S]*saving its battery/);
  api.pulls = [{ ...pull, unitId: 'wagon-3', state: 'waiting', waitingSince: ago(60), parts: [], bytesTotal: null, bytesDone: 0 }];
  api.units = [resting];
  await page.reload();
  await page.waitForSelector('text=on standby since');
  await page.goto(`${address}/pulls/none`);
  await says(t, page.locator('[role=alert]'), /no such footage request[\s\S]*LR_PULL_UNKNOWN/);
  t.same(viewer.complaints, []);
});

for (const language of ['en', 'fa'] as const) {
  t.test(
    `every cause has words, and nothing runs over the edge of a phone: ${language}`,
    { skip: missing, timeout: 300_000 },
    async (t) => {
      const { viewer, api, address, close } = await open(language);
      t.teardown(close);
      fill(api);
      const causes = [...GAP_CAUSES, 'not-yet-reported', 'being-recorded'];
      const gap = (index: number): { from: string; to: string } => ({ from: ago(30 - index * 0.5), to: ago(29.8 - index * 0.5) });
      api.pulls = [{ ...pull, missing: causes.map((cause, index) => ({ camera: 'front', ...gap(index), cause })) }];
      const { page } = viewer;
      await page.setViewportSize({ width: 390, height: 844 });
      for (const where of ['/', '/units/wagon-1', '/pulls', '/pulls/p-1']) {
        await page.goto(address + where);
        await page.waitForSelector('.unit-card, .plot svg, .pull-row, .gap-list');
        const over = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
        t.ok(over <= 0, `${where} is as wide as the phone, over by ${over}`);
      }
      const words = await page.locator('.gap-list tbody tr td:nth-child(4)').allTextContents();
      t.equal(words.length, causes.length);
      const script = language === 'fa' ? /[\u0600-\u06FF]{3}/ : / \w+ /;
      for (const [index, text] of words.entries()) t.match(text, script, causes[index] ?? '');
      t.equal(new Set(words).size, causes.length, 'no two alike');
      t.same(viewer.complaints, []);
    },
  );
}

/** The evidence desk's pages: holds, requests to many wagons, receipts, restores, live view refused; in both languages, also on a phone. */
import fs from 'node:fs';
import path from 'node:path';
import type { HoldShape, LiveShape, PullShape, ReceiptShape, RestoreShape, UnitShape } from '@longroof/controller/api/shapes';
import t from 'tap';
import { until } from '../peers/program.js';
import { chromiumProgram, openViewer, says, type Viewer } from './browser.js';
import { type Canned, PAGE, startPageServer } from './page-server.js';

t.setTimeout(600_000);

const chromium = chromiumProgram();
const missing = !chromium
  ? 'no Chromium on this machine'
  : !fs.existsSync(path.join(PAGE, 'index.html'))
    ? 'the page is not built: npm run build -w controller'
    : false;
/** Where pictures of the pages are left for a person to look at; nowhere if it is not set. */
const PICTURES = process.env['LONGROOF_PICTURES'];

const NOW = Math.floor(Date.now() / 1000) * 1000;
const DAY = 24 * 60;
const ago = (minutes: number): string => new Date(NOW - minutes * 60_000).toISOString();
const both: ('original' | 'proxy')[] = ['original', 'proxy'];

const unit = (id: string, online: boolean): UnitShape => ({
  ...{ id, online, state: online ? 'recording' : 'offline', lastSeen: ago(online ? 0 : 190), version: '1.2.3', epoch: '00'.repeat(16) },
  cameras: ['front', 'rear', 'left', 'right'].map((camera) => ({ id: camera, state: online ? 'recording' : 'unknown', renditions: both })),
  position: { latDeg: 35.68917, lonDeg: 51.38897, at: ago(1) },
  ...{ journal: { next: 10, whole: true }, refusals: [], alarms: [], configuration: null, power: null },
});
const pull = (id: string, unitId: string, part: Partial<PullShape>): PullShape => ({
  ...{ id, unitId, cameras: ['front', 'rear'], from: ago(30), to: ago(20), quality: 'proxy', reason: 'Collision at the square' },
  ...{ person: 'demo', urgent: false, state: 'running', created: ago(2), bytesDone: 4_000_000, bytesTotal: 10_000_000, missing: [] },
  parts: [],
  ...part,
});
const hold = (id: string, part: Partial<HoldShape>): HoldShape => ({
  ...{ id, unitId: 'wagon-1', cameras: ['front', 'rear'], from: ago(3 * DAY), to: ago(3 * DAY - 20), owner: 'Evidence desk, Sara' },
  ...{ review: ago(-20 * DAY), reviewDue: false, made: false, reason: 'Complaint 2026-1182, until the hearing', person: 'demo' },
  ...{ state: 'placed', bytes: 48_000_000, created: ago(2 * DAY) },
  ...part,
});
const receipt: ReceiptShape = {
  statement: {
    ...{ what: 'longroof-answer-1', pullId: 'p-done', unit: 'wagon-1', cameras: ['front', 'rear'], rendition: 'proxy', rate: null },
    ...{ from: ago(30), to: ago(20), person: 'demo', reason: 'Collision at the square', caseNumber: null, answer: 'partial', code: null },
    ...{ fragments: 1180, bytes: 42_000_000, utcMs: NOW, missing: [{ camera: 'front', fromUtcMs: NOW, toUtcMs: NOW, cause: 'power-cut' }] },
  },
  ...{ keyId: 'ab'.repeat(32), signature: 'x'.repeat(86), certificate: 'PEM' },
};
const restore: RestoreShape = {
  ...{ storeEpoch: 'b', before: 'a', backup: ago(2 * DAY), restored: ago(DAY), lostPieces: 2, lostFragments: 121 },
  units: [
    {
      unitId: 'wagon-1',
      state: 'offered',
      lastSeen: ago(0),
      receipted: 900,
      offered: ago(600),
      stored: 890,
      storedBytes: 37_000_000,
      refused: 10,
    },
    { unitId: 'wagon-2', state: 'awaited', lastSeen: ago(2 * DAY) },
    { unitId: 'wagon-3', state: 'offering', lastSeen: ago(0), receipted: 400 },
  ],
  lost: [
    {
      ...{
        unitId: 'wagon-1',
        camera: 'front',
        quality: 'proxy',
        from: ago(40 * 60),
        to: ago(40 * 60 - 2),
        fragments: 120,
        bytes: 5_000_000,
      },
      ...{ gone: 'released', epoch: 'e', run: 1, seqFirst: 5, seqLast: 124 },
    },
    {
      ...{ unitId: 'wagon-1', camera: 'rear', quality: 'derived', from: null, to: null, fragments: 1, bytes: null },
      ...{ gone: 'expired', epoch: 'e', run: 1, seqFirst: 5, seqLast: 5 },
    },
  ],
};
const look: LiveShape = {
  ...{ id: '00000000-0000-4000-8000-000000000000', unitId: 'wagon-1', camera: 'front', person: 'sara', reason: 'A crowd at the gate' },
  ...{ begun: ago(2), endsBy: ago(-28) },
};

function fill(api: Canned): void {
  api.session = { user: 'demo', role: 'staff', expires: ago(-60) };
  api.units = [unit('wagon-1', true), unit('wagon-2', false), unit('wagon-3', true)];
  const all = { from: ago(30), to: ago(20), bytesDone: 1000, bytesTotal: 1000, codec: 'hvc1.1.6.L93.B0', mp4Parts: 1 };
  const ended = { state: 'done' as const, ended: ago(1), bytesDone: 10_000_000 };
  api.pulls = [
    pull('p-done', 'wagon-1', { ...ended, quality: 'original', parts: [{ camera: 'front', ...all }] }),
    pull('p-run', 'wagon-3', {}),
    pull('p-wait', 'wagon-2', { state: 'waiting', waitingSince: ago(190), bytesDone: 0, bytesTotal: null }),
  ];
  api.holds = [
    hold('h-1', {}),
    hold('h-2', { unitId: 'wagon-2', review: ago(DAY), reviewDue: true, owner: 'Captain Karimi', made: true }),
    hold('h-3', { unitId: 'wagon-3', state: 'queued', bytes: null }),
    hold('h-4', { state: 'refused', problem: 'LR_HOLD_ROOM', bytes: null, ended: ago(DAY) }),
  ];
  api.restores = [restore];
  const clock = { source: 'gnss', errorMs: 200 };
  const footage = [{ from: ago(60), to: ago(0), where: 'wagon' as const, bytes: 60_000_000, clock }];
  const cameras = ['front', 'rear', 'left', 'right'].map((camera) => ({ camera, rendition: 'original' as const, footage, gaps: [] }));
  api.coverage = { unit: 'wagon-1', from: ago(60), to: ago(0), cameras, events: [] };
  api.receipt = receipt;
}

async function open(language: 'en' | 'fa' = 'en'): Promise<{ viewer: Viewer; api: Canned; address: string; close(): Promise<void> }> {
  const server = await startPageServer();
  fill(server.api);
  const viewer = await openViewer(chromium ?? '', language);
  const close = async (): Promise<void> => {
    await viewer.close();
    await server.close();
  };
  return { viewer, api: server.api, address: server.address, close };
}

t.test('holds: who is overdue stands first; one is set, one is let go', { skip: missing, timeout: 300_000 }, async (t) => {
  const { viewer, api, address, close } = await open();
  t.teardown(close);
  const { page } = viewer;
  await page.goto(`${address}/holds`);
  const rows = page.locator('.hold-row');
  await says(t, rows.nth(0), /wagon-2[\s\S]*Captain Karimi[\s\S]*Review overdue/);
  t.equal(await rows.count(), 3, 'what was refused is not among those that stand');
  await page.click('.page-head >> text=All');
  await says(t, page.locator('.rows'), /LR_HOLD_ROOM/);
  await page.click('text=Set a hold');
  await page.click('.mantine-Modal-content button[type=submit]');
  await says(t, page.locator('.mantine-Modal-content'), /Give a reason/, 'no hold without a reason');
  await page.fill('.mantine-Modal-content textarea[name=reason]', 'Until the hearing');
  await page.fill('.mantine-Modal-content input[name=owner]', 'Captain Karimi');
  await page.click('.mantine-Modal-content button[type=submit]');
  await page.waitForSelector('.mantine-Modal-content', { state: 'detached' });
  t.match(api.wanted[0], {
    unitId: 'wagon-1',
    cameras: ['front', 'rear', 'left', 'right'],
    owner: 'Captain Karimi',
    reason: 'Until the hearing',
  });
  await rows.nth(0).locator('text=Let go').click();
  await page.fill('.mantine-Modal-content textarea[name=reason]', 'The case is closed');
  await page.click('.mantine-Modal-content button[type=submit]');
  await until('the wagon is told', () => api.asked.includes('POST /api/holds/h-2/lift'));
  await says(t, page.locator('.rows'), /Being let go/);
  t.same(viewer.complaints, []);
});

t.test(
  'many wagons at once: chosen, asked, followed; who could not be asked has a receipt',
  { skip: missing, timeout: 300_000 },
  async (t) => {
    const { viewer, api, address, close } = await open();
    t.teardown(close);
    api.refuses = { 'wagon-1': 'LR_UNIT_UNKNOWN' };
    const { page } = viewer;
    await page.goto(`${address}/pulls`);
    await page.click('text=Request from many wagons');
    await page.click('text=Choose all shown');
    await says(t, page.locator('main'), /3 chosen[\s\S]*1 of them out of reach/);
    await page.fill('textarea[name=reason]', 'Collision at the square');
    await page.click('button[type=submit]');
    await page.waitForURL(/\/together\/p-run,p-wait$/);
    t.match(api.wanted[0], { unitIds: ['wagon-1', 'wagon-2', 'wagon-3'], quality: 'proxy', reason: 'Collision at the square' });
    await says(t, page.locator('[data-testid=together]'), /0 of 2 answered · 1 wait/);
    await says(t, page.locator('main'), /could not be asked[\s\S]*wagon-1[\s\S]*LR_UNIT_UNKNOWN/);
    api.pulls = api.pulls.map((one) => (one.id === 'p-run' ? { ...one, state: 'done', ended: ago(0), bytesDone: 10_000_000 } : one));
    await says(t, page.locator('[data-testid=together]'), /1 of 2 answered/);
    await page.reload();
    await says(t, page.locator('main'), /could not be asked[\s\S]*wagon-1/, 'also when it is loaded again');
    await page.click('text=Signed receipt of this refusal');
    await says(t, page.locator('[data-testid=receipt]'), /wagon-1[\s\S]*Collision at the square/);
    t.same(viewer.complaints, []);
  },
);

t.test('a receipt in words and as a file; the low-rate copy of what cannot be played', { skip: missing, timeout: 300_000 }, async (t) => {
  const { viewer, api, address, close } = await open();
  t.teardown(close);
  const { page } = viewer;
  await page.goto(`${address}/pulls/p-done`);
  await page.click('text=Signed receipt');
  await says(t, page.locator('[data-testid=receipt]'), /Granted in part[\s\S]*1,180 fragments[\s\S]*power cut/);
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('text=Download the receipt')]);
  t.same(JSON.parse(fs.readFileSync(await file.path(), 'utf8')), receipt, 'the file is what the centre signed');
  await page.keyboard.press('Escape');
  await page.click('button:has-text("Request the low-rate copy")');
  await until('it is asked for', () => api.wanted.length === 1);
  t.match(api.wanted[0], { unitId: 'wagon-1', cameras: ['front'], from: ago(30), to: ago(20), quality: 'proxy' });
  await says(t, page.locator('[role=alert]').last(), /span of the request is not allowed/);
  api.pulls = [...api.pulls, pull('p-copy', 'wagon-1', { state: 'done', ended: ago(0) })];
  await page.goto(`${address}/pulls/p-done`);
  await page.click('button:has-text("Watch the low-rate copy")');
  await page.waitForURL(/\/pulls\/p-copy$/);
  t.same(viewer.complaints, []);
});

t.test('the restore report says what came back and what did not', { skip: missing, timeout: 300_000 }, async (t) => {
  const { viewer, api, address, close } = await open();
  t.teardown(close);
  const { page } = viewer;
  await page.goto(`${address}/restores`);
  await says(t, page.locator('main'), /Came back[\s\S]*890 fragments, 37 MB[\s\S]*Did not come back[\s\S]*121 fragments, in 2 places/);
  await says(t, page.locator('main'), /wagon-1[\s\S]*10 refused[\s\S]*wagon-2[\s\S]*not heard since[\s\S]*released after the backup/);
  api.restores = [];
  await page.reload();
  await says(t, page.locator('main'), /never restored/);
  t.same(viewer.complaints, []);
});

t.test('live view that cannot be: away, the budget used up, and who else watches', { skip: missing, timeout: 300_000 }, async (t) => {
  const { viewer, api, address, close } = await open();
  t.teardown(close);
  api.lives = [look];
  const { page } = viewer;
  await page.goto(`${address}/units/wagon-2`);
  await says(t, page.locator('section.live'), /out of reach/);
  t.equal(await page.locator('section.live .page-head button.mantine-Button-root').isDisabled(), true);
  await page.goto(`${address}/units/wagon-1`);
  await says(t, page.locator('.watchers'), /sara watches front live[\s\S]*A crowd at the gate/);
  await page.click('section.live .page-head button.mantine-Button-root');
  await page.fill('textarea[name=reason]', 'Why not');
  await page.click('.mantine-Modal-content button[type=submit]');
  await page.waitForSelector('video[data-testid=live]');
  api.liveRefused = 'LR_LIVE_BUDGET';
  await says(t, page.locator('section.live'), /used up its data budget of this month[\s\S]*free link/);
  api.liveRefused = 'LR_LIVE_OVER';
  await says(t, page.locator('section.live [role=alert]'), /This look is over/);
  await page.click('section.live >> text=Stop watching');
  t.same(viewer.complaints, []);
});

const PLACES = ['/', '/units/wagon-1', '/pulls', '/pulls/p-done', '/holds', '/request', '/together/p-done,p-run,p-wait', '/restores'];

for (const [language, width, height] of [
  ['en', 1280, 900],
  ['fa', 390, 844],
] as const) {
  t.test(`nothing runs over the edge: ${language}, ${width} wide`, { skip: missing, timeout: 300_000 }, async (t) => {
    const { viewer, api, address, close } = await open(language);
    t.teardown(close);
    api.lives = [look];
    const { page } = viewer;
    await page.setViewportSize({ width, height });
    for (const [index, where] of PLACES.entries()) {
      await page.goto(address + where);
      await page.waitForSelector('.unit-card, section.live, .pull-row, .hold-row, .choices, .stacks, .gap-list, section');
      const over = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
      t.ok(over <= 0, `${where} is as wide as the window, over by ${over}`);
      if (PICTURES) await page.screenshot({ path: path.join(PICTURES, `${language}-${index}.png`), fullPage: true });
    }
    for (const [name, where, button] of [
      ['hold', '/holds', '.page-head .tools button.mantine-Button-root'],
      ['receipt', '/pulls/p-done', 'section .mantine-Button-root >> nth=-1'],
      ['live', '/units/wagon-1', 'section.live .page-head button.mantine-Button-root'],
    ] as const) {
      await page.goto(address + where);
      await page.click(button);
      await page.waitForSelector('.mantine-Modal-content');
      const inside = await page.evaluate<number>(
        `(() => { const box = document.querySelector('.mantine-Modal-content'); return box.scrollWidth - box.clientWidth; })()`,
      );
      t.ok(inside <= 0, `the dialog of ${name} fits`);
      if (PICTURES) await page.screenshot({ path: path.join(PICTURES, `${language}-${name}.png`) });
    }
    t.same(viewer.complaints, []);
  });
}

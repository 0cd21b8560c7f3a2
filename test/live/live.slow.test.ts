/**
 * Live view with the real programs and a real browser: from the click to the picture, from the camera to the screen, who is entered for it,
 * and that it ends by itself. Prints what it measured.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { LiveShape } from '@longroof/controller/api/shapes';
import Database from 'better-sqlite3';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { client, recorded } from '../custody/client.js';
import { chromiumProgram, openViewer, pictureOf, says } from '../e2e/browser.js';
import { makeMedia, SMALL } from '../peers/media.js';
import { until } from '../peers/program.js';
import { type Stack, startStack } from '../peers/stack.js';
import { ROOT } from '../peers/wagon.js';

t.setTimeout(600_000);

const chromium = chromiumProgram();
const missing = !chromium
  ? 'no Chromium on this machine'
  : !fs.existsSync(path.join(ROOT, 'controller/web/dist/index.html'))
    ? 'the page is not built: npm run build -w controller'
    : false;

/** The goal is 2 s; a machine that does much beside it is slow without being wrong. */
const PICTURE_MS_MAX = 4_000;
const DELAY_MS_MAX = 5_000;
const ROUNDS = 5;
/** Where pictures of the page are left for a person to look at; nowhere if it is not set. */
const PICTURES = process.env['LONGROOF_PICTURES'];

interface Audit {
  person: string;
  action: string;
  subject: string;
  reason: string | null;
  detail_json: string;
}

function audit(stack: Stack): Audit[] {
  const db = new Database(path.join(stack.folder, 'data', 'longroof.db'), { readonly: true });
  try {
    return db.prepare(`SELECT * FROM audit WHERE action LIKE 'live%' ORDER BY seq`).all() as Audit[];
  } finally {
    db.close();
  }
}

/** Key frames two seconds apart; one camera without a sub-stream. */
async function startWagon(): Promise<Stack> {
  const main = await makeMedia({ ...SMALL, width: 640, height: 360, gopS: 2, bitRate: 1_000_000 });
  const sub = await makeMedia({ ...SMALL, gopS: 2 });
  return startStack({
    mounts: { front: { files: [main] }, 'front/sub': { files: [sub] }, rear: { files: [main] } },
    people: ['demo', 'sara'],
  });
}

async function openWagon(page: Page, stack: Stack): Promise<void> {
  await page.goto(`${stack.address}/units/${stack.unit}`);
  await page.fill('input[name=user]', 'demo');
  await page.fill('input[name=password]', stack.password);
  await page.click('button[type=submit]');
  await page.waitForSelector('section.live');
}

/** Milliseconds from the click that begins it to the first picture on the screen, by the browser's own clock. */
async function clickToPicture(page: Page, reason: string): Promise<number> {
  await page.click('section.live .page-head button.mantine-Button-root');
  await page.fill('.mantine-Modal-content textarea[name=reason]', reason);
  await page.evaluate(`void (window.live = new Promise((resolve) => {
    let clickedMs = 0;
    addEventListener('click', () => { clickedMs = performance.now(); }, { capture: true, once: true });
    const look = () => {
      const video = document.querySelector('video[data-testid=live]');
      if (!video) return requestAnimationFrame(look);
      video.requestVideoFrameCallback((nowMs) => resolve(nowMs - clickedMs));
    };
    look();
  }))`);
  await page.click('.mantine-Modal-content button[type=submit]');
  return page.evaluate<number>('window.live');
}

/** Milliseconds from a frame's time at the camera to when the page shows it, each for a second of watching. */
async function delays(page: Page, seconds: number): Promise<number[]> {
  return page.evaluate<number[]>(`new Promise((resolve) => {
    const found = [];
    const clock = document.querySelector('section.live [data-testid=wall-clock]');
    const watch = new MutationObserver(() => found.push(Date.now() - Date.parse(clock.dataset.utc)));
    watch.observe(clock, { attributes: true, attributeFilter: ['data-utc'] });
    setTimeout(() => { watch.disconnect(); resolve(found); }, ${seconds * 1000});
  })`);
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const shown = (stack: Stack): string => stack.agent().output();
const times = (text: string, word: string): number => text.split(word).length - 1;

async function measures(t: Test, page: Page, stack: Stack): Promise<void> {
  const clicks: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    clicks.push(await clickToPicture(page, `Looking at the square, ${round}`));
    if (round < ROUNDS - 1) await page.click('section.live .page-head button.mantine-Button-root');
  }
  const found = await delays(page, 8);
  const picture = await pictureOf(page);
  t.ok(
    picture.mean > 16 && picture.spread > 8,
    `a picture, not black: mean ${picture.mean.toFixed(0)}, spread ${picture.spread.toFixed(0)}`,
  );
  t.comment(`click to picture: ${clicks.map((ms) => ms.toFixed(0)).join(', ')} ms, median ${median(clicks).toFixed(0)} ms`);
  t.comment(`camera to screen: median ${median(found)} ms, ${Math.min(...found)} to ${Math.max(...found)} ms, ${found.length} readings`);
  t.ok(median(clicks) < PICTURE_MS_MAX, 'the picture comes soon after the click');
  t.ok(found.length > 20, `the picture moves: ${found.length} readings in 8 s`);
  t.ok(median(found) < DELAY_MS_MAX, 'and is of now');
  t.equal(times(shown(stack), 'shown live') >= ROUNDS, true, 'the wagon was told each time');
}

t.test('a camera is watched live, with a reason, and only while somebody watches', { skip: missing, timeout: 600_000 }, async (t) => {
  const stack = await startWagon();
  const viewer = await openViewer(chromium ?? '');
  const { page } = viewer;
  t.teardown(async () => {
    await viewer.close();
    await stack.close();
  });
  const ask = await client(stack);
  await recorded(stack, ask, 4);
  await openWagon(page, stack);
  await measures(t, page, stack);
  await says(t, page.locator('section.live'), /Low-rate copy/, 'the sub-stream is shown');
  const [look] = ((await (await ask('live')).json()) as { looks: LiveShape[] }).looks;
  t.match(look, { unitId: stack.unit, camera: 'front', person: 'demo', reason: 'Looking at the square, 4' });

  await t.test('a second person is told who watches, and cannot take the picture', async (t) => {
    const other = await client(stack, 'sara');
    t.equal((await other(`live/${look?.id}/pieces?after=0`)).status, 409);
    t.equal(((await (await other('live')).json()) as { looks: unknown[] }).looks.length, 1);
  });

  await t.test('a camera without a sub-stream is shown in its original', async (t) => {
    await page.click('section.live .cameras >> text=rear');
    const ms = await clickToPicture(page, 'The car behind');
    t.comment(`click to picture, original: ${ms.toFixed(0)} ms`);
    await says(t, page.locator('section.live'), /Original/);
    await page.waitForSelector('.on-air');
    if (PICTURES) await page.screenshot({ path: path.join(PICTURES, 'live.png'), fullPage: true });
  });

  await t.test('a browser that dies ends it within seconds, and the chain says who watched, why, and until when', async (t) => {
    const before = times(shown(stack), 'no longer shown live');
    const diedMs = performance.now();
    await viewer.close();
    await until('the wagon stops', () => times(shown(stack), 'no longer shown live') > before);
    t.comment(`the wagon stopped ${((performance.now() - diedMs) / 1000).toFixed(1)} s after the browser was gone`);
    const rows = audit(stack);
    const begun = rows.filter(({ action }) => action === 'live');
    const ended = rows.filter(({ action }) => action === 'live-end');
    t.equal(begun.length, ROUNDS + 1);
    await until('every look has an end', () => audit(stack).filter(({ action }) => action === 'live-end').length === begun.length);
    t.match(begun.at(-1), { person: 'demo', subject: `unit:${stack.unit}/rear`, reason: 'The car behind' });
    t.match(ended[0]?.detail_json, /"why":"closed"/);
  });

  await t.test('nothing of it counts as stored', async (t) => {
    const db = new Database(path.join(stack.folder, 'data', 'longroof.db'), { readonly: true });
    t.same(db.prepare('SELECT count(*) AS n FROM fragment').get(), { n: 0 });
    db.close();
  });
  t.same(viewer.complaints, [], 'no error of a script, no breach of the content policy');
});

t.test('an absent wagon says so at once; a centre that dies leaves no wagon sending', { skip: missing, timeout: 600_000 }, async (t) => {
  const stack = await startWagon();
  t.teardown(() => stack.close());
  const ask = await client(stack);
  await recorded(stack, ask, 3);
  t.equal((await ask(`units/${stack.unit}/live`, { camera: 'front', reason: ' ' })).status, 400, 'no look without a reason');
  t.equal((await ask(`units/${stack.unit}/live`, { camera: 'roof', reason: 'Because' })).status, 404);
  const look = (await (await ask(`units/${stack.unit}/live`, { camera: 'front', reason: 'Because' })).json()) as LiveShape;
  const pieces = await ask(`live/${look.id}/pieces?after=0`);
  t.equal(pieces.status, 200);
  t.ok((await pieces.arrayBuffer()).byteLength > 1000, 'a piece comes');
  await until('the wagon shows it', () => times(shown(stack), 'shown live') > 0);
  await stack.controller().stop('SIGKILL');
  await until('the end of the connection ends it', () => /no connection to the controller/.test(shown(stack)));
  await stack.startController();
  const again = await client(stack);
  await until('a look whose centre died is closed in the chain', () =>
    audit(stack).some(({ detail_json }) => /centre-lost/.test(detail_json)),
  );
  await stack.agent().stop();
  await until(
    'the wagon is known to be away',
    async () => ((await (await again(`units/${stack.unit}`)).json()) as { online: boolean }).online === false,
  );
  const refused = await again(`units/${stack.unit}/live`, { camera: 'front', reason: 'Because' });
  t.equal(refused.status, 503);
  t.match(await refused.json(), { code: 'LR_LIVE_OFFLINE' });
});

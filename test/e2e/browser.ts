/** A headless Chromium for the page's tests. The page's language and time zone are set, so that what is read is the same everywhere. */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import type { Test } from 'tap';

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Generous: a busy machine is slow to draw. */
const SAYS_WITHIN_MS = 60_000;

export function chromiumProgram(): string | undefined {
  return EXECUTABLES.find((file) => fs.existsSync(file));
}

export interface Viewer {
  page: Page;
  context: BrowserContext;
  /** What the page complained about: scripts' errors and breaches of the content policy. */
  complaints: string[];
  close(): Promise<void>;
}

export async function openViewer(executablePath: string, language: 'en' | 'fa' = 'en'): Promise<Viewer> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', timezoneId: 'Asia/Tehran' });
  // As text: it runs in the page, whose globals are not those of this program.
  await context.addInitScript(`localStorage.setItem('longroof-language', '${language}')`);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (/Content.Security.Policy|Content Security Policy/i.test(message.text())) complaints.push(message.text());
  });
  return { page, context, complaints, close: () => browser.close() };
}

/** All text of an element, also what is scrolled out of sight; waits until it is there. */
export async function textOf(what: Locator): Promise<string> {
  return (await what.textContent()) ?? '';
}

/** Passes once the element's text fits; fails with the text it has after a minute. */
export async function says(t: Test, what: Locator, pattern: RegExp, why = `says ${pattern}`): Promise<void> {
  const endMs = performance.now() + SAYS_WITHIN_MS;
  let text = await textOf(what);
  while (!pattern.test(text) && performance.now() < endMs) {
    await delay(50);
    text = await textOf(what);
  }
  t.match(text, pattern, why);
}

/** Mean brightness 0..255 and its spread over the picture that the video shows now; a black frame has neither. */
export function pictureOf(page: Page): Promise<{ mean: number; spread: number }> {
  // As text, for the same reason.
  return page.evaluate<{ mean: number; spread: number }>(`(() => {
    const canvas = document.createElement('canvas');
    canvas.width = 64;
    canvas.height = 36;
    const context = canvas.getContext('2d');
    context.drawImage(document.querySelector('video'), 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const levels = [];
    for (let at = 0; at < data.length; at += 4) levels.push((data[at] + data[at + 1] + data[at + 2]) / 3);
    const mean = levels.reduce((sum, level) => sum + level, 0) / levels.length;
    const spread = Math.sqrt(levels.reduce((sum, level) => sum + (level - mean) ** 2, 0) / levels.length);
    return { mean, spread };
  })()`);
}

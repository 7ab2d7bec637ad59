// Whoever sees, hears or types differently gets the same page.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import type { AxeResults } from 'axe-core';
import { englishText, expect, test } from '../fixtures.js';
import { STATES, THEMES, WIDTHS, show } from '../states.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What WCAG 2.2 asks for at level AA, as axe-core can tell. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** Whatever axe-core finds wrong with the page as it is. */
async function wrong(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(
    (values) =>
      (Reflect.get(window, 'axe') as { run: (options: unknown) => Promise<AxeResults> }).run({
        runOnly: { type: 'tag', values },
        resultTypes: ['violations'],
      }),
    RULES,
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

test.describe('axe-core finds nothing wrong with the page', () => {
  for (const state of STATES) {
    test.describe(state.name, () => {
      test.use({ serverOptions: state.server ?? {} });
      test(`${state.name}, light and dark, narrow and wide`, async ({ babelwire, page, context, server, complaints }) => {
        complaints.networkMayFail = true;
        await state.bring({ babelwire, page, context, server });
        for (const theme of THEMES) {
          for (const width of WIDTHS) {
            await show(page, theme, width);
            expect(await wrong(page), `${theme}, ${width} px`).toEqual([]);
            const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            expect(beyond, `${width} px: nothing has to be scrolled sideways`).toBeLessThanOrEqual(0);
          }
        }
        if (state.complains) complaints.all.length = 0;
      });
    });
  }

  test('and it would find something', async ({ babelwire, page }) => {
    await babelwire.open();
    await page.evaluate(() => {
      const chip = document.querySelector<HTMLElement>('.chip');
      if (chip) chip.style.color = '#ddd';
      document.querySelector('select')?.closest('label')?.replaceWith(document.createElement('select'));
    });
    const found = (await wrong(page)).join();
    expect(found).toContain('color-contrast');
    expect(found).toContain('select-name');
  });
});

/** What was said, and when, in milliseconds. */
interface Said {
  text: string;
  at: number;
}

test('whoever listens hears that each file starts and how it ends, once, and the connection', async ({
  babelwire,
  page,
  server,
  complaints,
}) => {
  complaints.networkMayFail = true;
  await page.addInitScript(() => {
    const transcript: Record<'news' | 'connection', Said[]> = { news: [], connection: [] };
    Reflect.set(window, 'transcript', transcript);
    const note = (said: Said[], text: string | null | undefined) => {
      const words = text?.trim();
      if (words && said.at(-1)?.text !== words) said.push({ text: words, at: performance.now() });
    };
    let empty = true;
    new MutationObserver(() => {
      const news = document.getElementById('announcer')?.textContent;
      // The same words again are news when there was nothing in between.
      if (!news) empty = true;
      else if (empty) {
        empty = false;
        transcript.news.push({ text: news.trim(), at: performance.now() });
      } else note(transcript.news, news);
      note(transcript.connection, document.querySelector('[role=status]')?.textContent);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  const said = async (region: 'news' | 'connection') =>
    page.evaluate((name) => (Reflect.get(window, 'transcript') as Record<string, Said[]>)[name] ?? [], region);
  const quiet = async () => {
    await expect(page.locator('#announcer')).toBeEmpty();
  };

  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'book.txt', text: englishText(20) });
  await babelwire.button('Open book.txt').click();
  await babelwire.isDone('book.txt');
  await quiet();
  await babelwire.choose({ name: 'picture.txt', text: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3, 255, 0, 0, 254]) });
  await expect(babelwire.file('picture.txt')).toContainText(/text/i);
  await quiet();
  await server.kill();
  await expect(babelwire.status).toHaveText(/^\s*(Reconnecting|Connecting)/);
  await server.start();
  await babelwire.isConnected();

  const news = await said('news');
  const of = (name: string) => news.map(({ text }) => text).filter((text) => text.startsWith(name));
  expect(of('book.txt'), 'start and end, and nothing of the text').toEqual([
    'book.txt: started',
    expect.stringMatching(/^book\.txt: Done/),
  ]);
  const picture = of('picture.txt');
  const started = picture.filter((text) => text.endsWith('started')).length;
  expect(started, 'no start is heard twice').toBeLessThanOrEqual(1);
  expect(picture.slice(started), 'the failure is heard once').toHaveLength(1);
  expect(news, 'nothing else is said').toHaveLength(2 + picture.length);
  for (const [place, { text, at }] of news.entries()) {
    const before = news[place - 1];
    if (before) expect(at - before.at, `a second before “${text}”`).toBeGreaterThanOrEqual(950);
  }
  const connection = (await said('connection')).map(({ text }) => text);
  expect(connection[0]).toBe('Connecting');
  expect(connection[1]).toBe('Connected');
  expect(connection.at(-1)).toBe('Connected');
  expect(new Set(connection), 'no count-down is told').toEqual(new Set(['Connecting', 'Connected', 'Reconnecting']));
});

test('text that streams in is in no live region', async ({ babelwire, page, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'book.txt', text: englishText(40) });
  await babelwire.button('Open book.txt').click();
  await expect(babelwire.reader.locator('[lang=es]').first()).not.toBeEmpty();
  expect((await server.translation('book.txt')).status).toBe('translating');
  const live = page
    .locator('[aria-live], [role=status], [role=alert], [role=log], output')
    .filter({ has: page.locator('[lang=es], progress') });
  await expect(live).toHaveCount(0);
  const inside = babelwire.reader.locator(
    'xpath=ancestor-or-self::*[@aria-live or @role="status" or @role="alert" or @role="log"]',
  );
  await expect(inside).toHaveCount(0);
});

// A text of 50 MB in the reader: how soon it is there, and how much memory it takes to read it.

import { expect, test } from '@playwright/test';
import { Text, memory, paragraphs, watchFirstText, watchMemory } from '../../e2e/reader-text.js';
import { Server } from '../../e2e/server.js';
import { note, round } from '../report.js';

test('50 MB are read from any place', async ({ page }) => {
  const server = await Server.start({ translator: 'pseudo', more: ['--pseudo-delay-ms', '0'] });
  try {
    const all = paragraphs(150_000, 330);
    const bytes = Buffer.from(all.join('\n'));
    expect(bytes.length).toBeGreaterThan(50_000_000);
    await watchMemory(page);
    await page.goto(server.origin);
    await expect(page.locator(':root')).toHaveAttribute('data-connection', 'open');
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Performance.enable');
    const firstText = await watchFirstText(page);
    await server.upload('large.txt', bytes, 'en', 'en-XA');
    await expect(page.getByRole('button', { name: 'Open large.txt' })).toBeVisible();
    const before = await memory(page, devtools);

    const text = new Text(page);
    const opened = await page.evaluate(() => performance.now());
    await page.getByRole('button', { name: 'Open large.txt' }).click();
    await text.hasSource();
    const { arrived, shown } = await firstText();
    note({ what: '50 MB text: from its arrival to its first sight', value: round(shown - arrived, 0), unit: 'ms', atMost: 300 });
    note({ what: '50 MB text: from opening it to its first sight', value: round(shown - opened, 0), unit: 'ms' });

    let slowest = 0;
    for (let place = 0; place <= 40; place++) {
      const began = Date.now();
      const seen = await text.dragTo(((place * 13) % 41) / 40);
      slowest = Math.max(slowest, Date.now() - began);
      for (const { row, source } of seen) expect(source, `row ${row}`).toBe(all[row]);
    }
    note({ what: '50 MB text, dragged to any place while it is translated: until it is shown, the slowest', value: slowest, unit: 'ms' });
    expect((await text.dragTo(1)).at(-1)?.row, 'the end is the end').toBe(all.length - 1);
    await text.hasTranslation();
    const grown = (await memory(page, devtools)) - before;
    note({ what: '50 MB text: growth of the page\'s memory, heap and wasm', value: round(grown / 1e6, 1), unit: 'MB', atMost: 80 });

    await expect
      .poll(async () => (await server.translation('large.txt')).status, { timeout: 600_000 })
      .toBe('done');
    await text.box.focus();
    await page.keyboard.press('Control+f');
    const words = `paragraph ${all.length / 2}:`;
    const began = Date.now();
    await page.keyboard.type(words);
    const find = page.getByRole('search').filter({ hasText: /1 of 1(?!\d)/ });
    await expect(find).toBeVisible({ timeout: 60_000 });
    await expect(page.locator('mark')).toBeInViewport();
    note({ what: '50 MB text: found in its midst', value: Date.now() - began, unit: 'ms', atMost: 5000 });
  } finally {
    await server.dispose();
  }
});

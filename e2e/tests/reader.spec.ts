// The reader: texts of any size, read while they are being translated.

import { readFileSync } from 'node:fs';
import { type Babelwire, expect, test } from '../fixtures.js';
import { type Shown, Text, memory, paragraphs, watchFirstText, watchMemory } from '../reader-text.js';
import type { Server } from '../server.js';

async function open(babelwire: Babelwire, name: string): Promise<Text> {
  await babelwire.button(`Open ${name}`).click();
  await expect(babelwire.reader.getByRole('heading', { name })).toBeVisible();
  return new Text(babelwire.page);
}

async function translated(server: Server, name: string, text: string): Promise<string> {
  const { id } = await server.upload(name, Buffer.from(text), 'en', 'en-XA');
  await expect.poll(async () => (await server.translation(name)).status, { timeout: 60_000 }).toBe('done');
  return id;
}

test.describe('with a slow engine', () => {
  test.use({ serverOptions: { translator: 'pseudo', more: ['--pseudo-delay-ms', '60'] } });

  test('text that arrives moves neither what is read nor the focus', async ({ babelwire, server }) => {
    const { page } = babelwire;
    await babelwire.open();
    await server.upload('slow.txt', Buffer.from(paragraphs(9000).join('\n\n')), 'en', 'en-XA');
    const text = await open(babelwire, 'slow.txt');
    await text.dragTo(0.4);
    await text.hasTranslation();
    await text.box.focus();
    const before = (await text.seen()).find(({ top }) => top >= 0) as Shown;
    const translations = () => server.translation('slow.txt').then(({ done }) => done);
    const done = await translations();
    for (let looks = 0; looks < 20; looks++) {
      const now = (await text.rows()).find(({ row }) => row === before.row) as Shown;
      expect(Math.abs(now.top - before.top), 'pixels').toBeLessThanOrEqual(1);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
    await expect.poll(translations, { message: 'more was translated meanwhile' }).toBeGreaterThan(done + 200);
    const now = (await text.rows()).find(({ row }) => row === before.row) as Shown;
    expect(Math.abs(now.top - before.top), 'pixels').toBeLessThanOrEqual(1);
    await expect(text.box).toBeFocused();
    expect((await server.translation('slow.txt')).status, 'all this was while it was translated').toBe('translating');
  });

  test('what is looked at is translated first', async ({ babelwire, server }) => {
    await babelwire.open();
    const { id } = await server.upload('order.txt', Buffer.from(paragraphs(9000).join('\n\n')), 'en', 'en-XA');
    const text = await open(babelwire, 'order.txt');
    await text.hasTranslation();
    await text.dragTo(0.8);
    await text.hasTranslation();
    const [looked] = await text.seen();
    expect(looked?.row).toBeGreaterThan(6000);
    const { rows } = (await (await server.rest(`translations/${id}/rows?from=5000&limit=100`)).json()) as {
      rows: { text: string | null }[];
    };
    expect(rows.length).toBe(100);
    expect(rows.filter(({ text }) => text !== null), 'earlier rows wait').toEqual([]);
  });

  test('who wants the newest text is taken along until they scroll away', async ({ babelwire, server }) => {
    await babelwire.open();
    await server.upload('newest.txt', Buffer.from(paragraphs(9000).join('\n\n')), 'en', 'en-XA');
    const text = await open(babelwire, 'newest.txt');
    await text.hasTranslation();
    const jump = babelwire.reader.getByRole('button', { name: 'Jump to newest' });
    await jump.click();
    await expect(jump).toHaveCount(0);
    const first = async () => (await text.seen())[0]?.row ?? 0;
    const begun = await first();
    await expect.poll(first).toBeGreaterThan(begun + 20);
    await text.box.hover();
    await babelwire.page.mouse.wheel(0, -600);
    await expect(jump).toBeVisible();
    await text.hasTranslation();
    const place = (await text.seen()).find(({ top }) => top >= 0) as Shown;
    const done = (await server.translation('newest.txt')).done;
    await expect.poll(async () => (await server.translation('newest.txt')).done).toBeGreaterThan(done + 200);
    const now = (await text.rows()).find(({ row }) => row === place.row) as Shown;
    expect(Math.abs(now.top - place.top), 'pixels').toBeLessThanOrEqual(1);
  });

  test('a translation that was stopped can be saved as far as it got', async ({ babelwire, server }) => {
    const { page } = babelwire;
    await babelwire.open();
    const all = paragraphs(6000);
    await server.upload('stopped.txt', Buffer.from(all.join('\n')), 'en', 'en-XA');
    const text = await open(babelwire, 'stopped.txt');
    await text.hasTranslation();
    await babelwire.button('Cancel stopped.txt').click();
    await expect(babelwire.button('Cancel stopped.txt')).toHaveCount(0);
    const reader = babelwire.reader;
    await reader.locator('summary', { hasText: 'Save' }).click();
    const coming = page.waitForEvent('download');
    await reader.getByRole('link', { name: 'Download what is done' }).click();
    const lines = readFileSync(await (await coming).path(), 'utf8').split('\n');
    expect(lines.length).toBe(all.length);
    expect(lines[0]).not.toBe(all[0]);
    expect(lines.at(-1)).toBe(all.at(-1));
  });
});

test.describe('with a quick engine', () => {
  test.use({ serverOptions: { translator: 'pseudo', more: ['--pseudo-delay-ms', '0'] } });

  test('a text of many megabytes is read from any place at once, with little memory', async ({ babelwire, server }) => {
    test.slow();
    const { page } = babelwire;
    // A server built for tests reads some 2,000 paragraphs a second: this is what it prepares in
    // a good moment. `cargo xtask bench` does the same with 50 MB.
    const all = paragraphs(14_000, 1700);
    const bytes = Buffer.from(all.join('\n'));
    expect(bytes.length).toBeGreaterThan(20_000_000);
    await watchMemory(page);
    await babelwire.open();
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Performance.enable');
    const firstText = await watchFirstText(page);
    await server.upload('large.txt', bytes, 'en', 'en-XA');
    await expect(babelwire.button('Open large.txt')).toBeVisible();
    const before = await memory(page, devtools);
    const text = await open(babelwire, 'large.txt');
    await text.hasSource();
    const isExact = (seen: Shown[]) => {
      for (const { row, source } of seen) expect(source, `row ${row}`).toBe(all[row]);
    };
    isExact(await text.rows());
    const { arrived, shown } = await firstText();
    expect(arrived, 'its arrival was seen').toBeGreaterThan(0);
    expect(shown - arrived, 'ms from arrival to sight').toBeLessThan(300);

    const middle = await text.dragTo(0.5);
    isExact(middle);
    expect(Math.abs((middle[0]?.row ?? 0) - all.length / 2)).toBeLessThan(all.length / 50);
    const end = await text.dragTo(1);
    isExact(end);
    expect(end.at(-1)?.row, 'the end is the end').toBe(all.length - 1);
    for (let place = 0; place <= 20; place++) isExact(await text.dragTo(((place * 7) % 21) / 21));
    expect(await page.locator('.pair').count()).toBeLessThan(300);
    await text.hasTranslation();
    const grown = (await memory(page, devtools)) - before;
    expect(grown / 1e6, 'MB').toBeLessThan(80);
  });

  test('the keyboard leads through a long text', async ({ babelwire, server }) => {
    const { page } = babelwire;
    await translated(server, 'keys.txt', paragraphs(3000).join('\n\n'));
    await babelwire.open();
    const text = await open(babelwire, 'keys.txt');
    await text.hasTranslation();
    await page.keyboard.press('Tab');
    await text.box.focus();
    const place = async (key: string) => {
      await page.keyboard.press(key);
      await text.box.evaluate(async (box) => {
        // Scrolling by keys is smooth: it has ended when nothing moves for some frames.
        for (let still = 0, last = -1; still < 10; still = box.scrollTop === last ? still + 1 : 0) {
          last = box.scrollTop;
          await new Promise((resolve) => requestAnimationFrame(resolve));
        }
      });
      await text.hasTranslation();
      return text.seen();
    };
    expect((await place('End')).at(-1)?.row).toBe(2999);
    const last = (await place('PageUp')).at(-1)?.row ?? 0;
    expect(last).toBeLessThan(2999);
    expect(last).toBeGreaterThan(2980);
    expect((await place('Home'))[0]?.row).toBe(0);
    expect((await place('PageDown'))[0]?.row).toBeGreaterThan(0);
    await expect(text.box).toBeFocused();
  });

  test('what is looked for is found far down, marked, and gone to by keys', async ({ babelwire, server }) => {
    const { page } = babelwire;
    const all = paragraphs(5000);
    all[3000] = 'Here is a Heron.';
    all[4100] = 'Two herons, one heron more.';
    await translated(server, 'find.txt', all.join('\n\n'));
    await babelwire.open();
    const text = await open(babelwire, 'find.txt');
    await text.hasTranslation();
    await text.box.focus();
    await page.keyboard.press('Control+f');
    const field = babelwire.reader.getByRole('textbox', { name: 'Find in document' });
    await expect(field).toBeFocused();
    await page.keyboard.type('HERON');
    const find = babelwire.reader.getByRole('search');
    await expect(find).toContainText('1 of 2');
    await expect(page.locator('mark')).toHaveText(['Heron']);
    await expect(page.locator('mark')).toBeInViewport();
    await page.keyboard.press('Enter');
    await expect(find).toContainText('2 of 2');
    await expect(page.locator('mark')).toHaveText(['heron', 'heron']);
    await page.keyboard.press('Shift+Enter');
    await expect(find).toContainText('1 of 2');
    await expect(page.locator('mark')).toHaveText(['Heron']);
    await expect(field, 'the focus stays where one types').toBeFocused();
    await page.keyboard.press('Escape');
    await expect(field).toHaveCount(0);
    await expect(text.box, 'and goes back to where it was').toBeFocused();
  });

  test('a paragraph of a hundred thousand letters does not stand in the way', async ({ babelwire, server }) => {
    const long = `${'letters and letters '.repeat(5000)}the end of it`;
    await translated(server, 'line.txt', `Before.\n\n${long.replaceAll(' ', '_')}\n\nAfter.\n`);
    await babelwire.open();
    const text = await open(babelwire, 'line.txt');
    await text.hasTranslation();
    const longest = async () => Math.max(...(await text.rows()).map(({ source }) => source.length));
    expect(await longest()).toBeLessThan(2300);
    const all = babelwire.reader.getByRole('button', { name: 'Show all of it' }).first();
    if ((await all.count()) > 0) {
      await all.click();
      expect(await longest()).toBeGreaterThan(2300);
    }
  });

  test('both sides can be had as one file that needs nothing else', async ({ babelwire, server }) => {
    const { page } = babelwire;
    await translated(server, 'sides.txt', 'One <b>house</b>.\n\nTwo houses.\n');
    await babelwire.open();
    await open(babelwire, 'sides.txt');
    await babelwire.reader.locator('summary', { hasText: 'Save' }).click();
    const coming = page.waitForEvent('download');
    await babelwire.reader.getByRole('link', { name: 'Both side by side' }).click();
    const download = await coming;
    expect(download.suggestedFilename()).toMatch(/^sides.*\.html$/);
    const html = readFileSync(await download.path(), 'utf8');
    expect(html).toContain('One &lt;b&gt;house&lt;/b&gt;.');
    expect(html).not.toContain('<script');
  });

  test('the translation can be copied', async ({ babelwire, server, context }) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const id = await translated(server, 'copy.txt', paragraphs(300).join('\n\n'));
    await babelwire.open();
    await open(babelwire, 'copy.txt');
    await babelwire.reader.getByRole('button', { name: 'Copy' }).click();
    await expect(babelwire.reader.getByRole('button', { name: 'Copied' })).toBeVisible();
    const copied = await babelwire.page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe((await server.result(id)).toString('utf8'));
  });
});

test.describe('with an engine that refuses something', () => {
  test.use({ serverOptions: { translator: 'pseudo', more: ['--pseudo-delay-ms', '0', '--pseudo-refuses', 'heron'] } });

  test('the proof leads to what is suspicious, and it is translated again', async ({ babelwire, server }) => {
    const all = paragraphs(3000);
    all[2000] = 'A heron that nobody could translate.';
    await translated(server, 'proof.txt', all.join('\n\n'));
    await babelwire.open();
    const text = await open(babelwire, 'proof.txt');
    await text.hasSource();
    await babelwire.reader.getByRole('button', { name: 'Proof' }).click();
    const proof = babelwire.reader.getByRole('region', { name: 'Proof' });
    await expect(proof).toContainText('3,000 paragraphs in, 3,000 out.');
    await expect(proof).toContainText('1 paragraph is worth a look');
    const link = proof.getByRole('link', { name: 'Paragraph 2,001' });
    await link.click();
    const row = babelwire.reader.getByRole('listitem').filter({ hasText: 'A heron that nobody' });
    await expect(row).toBeInViewport();
    await expect(row, 'who follows a link is where it leads').toBeFocused();
    await expect(row).toContainText('could not be translated');
    await proof.getByRole('button', { name: 'Translate this again' }).click();
    await expect(row.locator('.into')).toContainText('ĥéŕóń');
    await expect(proof).toContainText('No paragraph stands out.');
  });
});

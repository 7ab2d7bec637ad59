// Every translation has an address of its own.

import { expect, test, Babelwire } from '../fixtures.js';
import type { Server } from '../server.js';

async function finished(server: Server, name: string, text: string): Promise<string> {
  const made = await server.upload(name, Buffer.from(text));
  await expect.poll(async () => (await server.translation(name)).status, { timeout: 60_000 }).toBe('done');
  return made.id;
}

function heading(babelwire: Babelwire, name: string) {
  return babelwire.reader.getByRole('heading', { name });
}

test('a link opens its translation in a new tab, whose title says what it is', async ({ babelwire, server, context }) => {
  await finished(server, 'other.txt', 'The other tree.\n');
  const id = await finished(server, 'linked.txt', 'The green tree.\n');
  await babelwire.open();
  await babelwire.button('Open linked.txt').click();
  await expect(babelwire.page).toHaveURL(new RegExp(`#/t/${id}$`));
  const link = babelwire.page.url();

  const tab = new Babelwire(await context.newPage(), server);
  await tab.page.goto(link);
  await expect(heading(tab, 'linked.txt')).toBeVisible();
  await expect(tab.reader).toContainText('The green tree.');
  await expect(tab.page).toHaveTitle('linked.txt – Babelwire');
  await expect(tab.page).toHaveURL(link);
});

test('Back leads to the list, however many translations were read, and Forward back again', async ({
  babelwire,
  server,
}) => {
  await finished(server, 'one.txt', 'One tree.\n');
  const id = await finished(server, 'two.txt', 'Two trees.\n');
  await babelwire.open();
  const { page } = babelwire;
  const before = await page.evaluate(() => history.length);
  await babelwire.button('Open one.txt').click();
  await expect(heading(babelwire, 'one.txt')).toBeVisible();
  await babelwire.button('Open two.txt').click();
  await expect(heading(babelwire, 'two.txt')).toBeVisible();
  await expect(page).toHaveURL(new RegExp(`#/t/${id}$`));
  expect(await page.evaluate(() => history.length)).toBe(before + 1);

  await page.goBack();
  await expect(babelwire.reader).toHaveCount(0);
  await expect(page).toHaveTitle('Babelwire');
  await page.goForward();
  await expect(heading(babelwire, 'two.txt')).toBeVisible();
  await expect(page).toHaveTitle('two.txt – Babelwire');
});

test('closing is a step back, and what is opened right after stays open', async ({ babelwire, server }) => {
  await finished(server, 'one.txt', 'One tree.\n');
  const id = await finished(server, 'two.txt', 'Two trees.\n');
  await babelwire.open();
  const { page } = babelwire;
  await babelwire.button('Open one.txt').click();
  await expect(heading(babelwire, 'one.txt')).toBeVisible();
  const length = await page.evaluate(() => history.length);
  // In one go: the step back takes a moment.
  await page.evaluate(() => {
    const press = (name: string) =>
      [...document.querySelectorAll('button')]
        .find((button) => (button.getAttribute('aria-label') ?? button.textContent) === name)
        ?.click();
    press('Close');
    requestAnimationFrame(() => requestAnimationFrame(() => press('Open two.txt')));
  });
  await expect(heading(babelwire, 'two.txt')).toBeVisible();
  await expect(page).toHaveURL(new RegExp(`#/t/${id}$`));
  expect(await page.evaluate(() => history.length)).toBe(length);
  await babelwire.button('Close').click();
  await expect(babelwire.reader).toHaveCount(0);
  await expect(page).not.toHaveURL(/#\/t\//);
});

test('a link to what is not there says so in words, and the list is there', async ({ babelwire, server }) => {
  await finished(server, 'here.txt', 'The green tree.\n');
  await babelwire.page.goto(`${server.origin}/#/t/no-such-translation`);
  await expect(babelwire.page.getByRole('alert').filter({ hasText: 'is not here' })).toBeVisible();
  await expect(babelwire.file('here.txt')).toBeVisible();
  await expect(babelwire.page).not.toHaveURL(/#\/t\//);
});

// Nothing is ever lost: not by a reload, not by a server that is gone, not by a browser that ends.

import type { Page } from '@playwright/test';
import { Babelwire, englishText, expect, test } from '../fixtures.js';

function kept(babelwire: Babelwire, name: string) {
  return babelwire.file(name).getByText('Kept on this device');
}

/** Has no file's bytes go through, until the answer is called. */
async function holdUploads(page: Page): Promise<() => Promise<void>> {
  await page.route('**/*', async (route) => {
    // Never answered.
    if (route.request().method() !== 'PUT') await route.fallback();
  });
  return () => page.unroute('**/*');
}

test('a finished text can be read and downloaded when the server is gone', async ({
  babelwire,
  server,
  complaints,
}) => {
  complaints.networkMayFail = true;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const text = englishText();
  await babelwire.choose({ name: 'kept.txt', text });
  await babelwire.isDone('kept.txt');
  const result = await server.result((await server.translation('kept.txt')).id);
  await expect(kept(babelwire, 'kept.txt')).toBeVisible();

  await server.kill();
  await expect(babelwire.status).toHaveText(/^\s*Reconnecting/);
  await babelwire.button('Open kept.txt').click();
  await expect(babelwire.reader).toContainText('Apache License');
  await expect(babelwire.reader).toContainText(/Licencia/i);
  const download = await babelwire.download('kept.txt');
  expect(download.bytes.equals(result)).toBe(true);
  expect(download.filename).toBe('kept.es.txt');
});

test('a kept text can be forgotten, and stays forgotten', async ({ babelwire }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose(
    { name: 'secret.txt', text: 'The green tree.\n' },
    { name: 'open.txt', text: 'The red tree.\n' },
  );
  await expect(kept(babelwire, 'secret.txt')).toBeVisible();
  await expect(kept(babelwire, 'open.txt')).toBeVisible();
  await babelwire.button('Forget secret.txt').click();
  await expect(kept(babelwire, 'secret.txt')).toHaveCount(0);

  await babelwire.page.reload();
  await babelwire.isConnected();
  await expect(kept(babelwire, 'open.txt')).toBeVisible();
  await babelwire.choose({ name: 'later.txt', text: 'The blue tree.\n' });
  await expect(kept(babelwire, 'later.txt')).toBeVisible();
  // It had its turn before that one, and did not take it.
  await expect(kept(babelwire, 'secret.txt')).toHaveCount(0);
});

test('everything can be forgotten at once, in every tab, and nothing more is kept', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'a.txt', text: 'The green tree.\n' }, { name: 'b.txt', text: 'The red tree.\n' });
  await expect(kept(babelwire, 'a.txt')).toBeVisible();
  await expect(kept(babelwire, 'b.txt')).toBeVisible();
  const { page } = babelwire;
  await page.getByText(/Kept on this device: 2 texts/).click();
  const other = new Babelwire(await page.context().newPage(), server);
  await other.open();
  await expect(kept(other, 'a.txt')).toBeVisible();
  await babelwire.button('Forget everything').click();
  await expect(kept(babelwire, 'a.txt')).toHaveCount(0);
  await expect(kept(other, 'a.txt')).toHaveCount(0);
  await other.choose({ name: 'c.txt', text: 'The blue tree.\n' });
  await other.isDone('c.txt');
  await expect(page.getByRole('checkbox', { name: /Keep finished texts/ })).not.toBeChecked();
  await page.reload();
  await babelwire.isDone('a.txt');
  await page.getByText(/Kept on this device: 0 texts/).click();
  await expect(page.getByRole('checkbox', { name: /Keep finished texts/ })).not.toBeChecked();
  expect(await page.evaluate(keptBodies)).toEqual([]);
});

test('a reload keeps what is read, the view and the place', async ({ babelwire }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'long.txt', text: englishText(3) });
  await babelwire.isDone('long.txt');
  await babelwire.button('Open long.txt').click();
  await babelwire.view('Source');
  const place = babelwire.reader.getByText('2.20 ', { exact: false }).first();
  await babelwire.reader.getByText(/^1\.1 /).first().waitFor();
  const text = babelwire.reader.getByRole('group', { name: 'Text' });
  await text.hover();
  await expect(async () => {
    await babelwire.page.mouse.wheel(0, 600);
    await expect(place).toBeInViewport({ timeout: 200 });
  }).toPass({ timeout: 30_000 });
  // Until the reader has settled there.
  await expect
    .poll(() => babelwire.page.evaluate(() => localStorage.getItem('babelwire.places')))
    .toMatch(/ \d\d+$/);

  await babelwire.page.reload();
  await expect(babelwire.reader.getByRole('heading', { name: 'long.txt' })).toBeVisible();
  await expect(babelwire.page.getByRole('radio', { name: 'Source', exact: true })).toBeChecked();
  await expect(place).toBeInViewport();
});

for (const [how, again] of [
  ['a reload', async (page: Page) => void (await page.reload())],
  [
    'a tab that ends',
    async (page: Page) => {
      const url = page.url();
      const next = await page.context().newPage();
      await page.close();
      await next.goto(url);
    },
  ],
] as const) {
  test(`an upload survives ${how}, and goes on by itself`, async ({ babelwire, server, complaints, context }) => {
    complaints.networkMayFail = true;
    await babelwire.open();
    await babelwire.languages('en', 'es');
    await holdUploads(babelwire.page);
    const text = 'The green tree.\n\nThe red house.\n';
    await babelwire.choose({ name: 'cut-off.txt', text });
    await expect(babelwire.progress('cut-off.txt')).toBeVisible();
    await expect
      .poll(async () => (await server.translations()).map(({ status }) => status))
      .toEqual(['awaiting-upload']);
    // Until the device has it.
    await expect.poll(() => babelwire.page.evaluate(unsentFiles)).toBe(1);
    await babelwire.page.unrouteAll({ behavior: 'ignoreErrors' });

    await again(babelwire.page);
    const after = new Babelwire(context.pages().at(-1) ?? babelwire.page, server);
    await after.isDone('cut-off.txt');
    expect((await after.download('cut-off.txt')).bytes.toString('utf8').split('\n')).toHaveLength(4);
    expect((await server.translations()).filter(({ name }) => name === 'cut-off.txt')).toHaveLength(1);
    await expect.poll(() => after.page.evaluate(unsentFiles)).toBe(0);
  });
}

/** How many files the device keeps that are not sent, announced ones only. */
async function unsentFiles(): Promise<number> {
  const [found] = await indexedDB.databases();
  const database = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open(found?.name ?? '');
    request.onsuccess = () => resolve(request.result);
  });
  const all = database.transaction('unsent').objectStore('unsent').getAll();
  const records = await new Promise<{ id?: string; file?: File }[]>(
    (resolve) => (all.onsuccess = () => resolve(all.result as { id?: string; file?: File }[])),
  );
  database.close();
  return records.filter(({ id }) => id !== undefined).length;
}

test('a file too large to be kept says after a reload what to do', async ({
  babelwire,
  server,
  complaints,
}) => {
  test.slow();
  complaints.networkMayFail = true;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await holdUploads(babelwire.page);
  const large = { name: 'large.txt', text: Buffer.alloc(20_000_001, 'The green tree.\n') };
  await babelwire.choose(large);
  await expect.poll(async () => (await server.translations()).length).toBe(1);
  await expect.poll(() => babelwire.page.evaluate(unsentFiles)).toBe(1);
  await babelwire.page.unrouteAll({ behavior: 'ignoreErrors' });

  await babelwire.page.reload();
  const row = babelwire.file('large.txt');
  await expect(row).toContainText('This page was reloaded before it was sent. Choose it again.');
  await expect(babelwire.button('Retry large.txt')).toHaveCount(0);
  await babelwire.button('Delete large.txt').click();
  await expect(row).toHaveCount(0);
  await expect.poll(() => babelwire.page.evaluate(unsentFiles)).toBe(0);
});

test('what is deleted on another device is not kept on this one', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'gone.txt', text: 'The green tree.\n' });
  await expect(kept(babelwire, 'gone.txt')).toBeVisible();
  await babelwire.page.goto('about:blank');
  await server.rest(`translations/${(await server.translation('gone.txt')).id}`, { method: 'DELETE' });
  await server.upload('other.txt', Buffer.from('The red tree.\n'));
  await babelwire.open();
  await expect(babelwire.file('other.txt')).toBeVisible();
  await expect(babelwire.file('gone.txt')).toHaveCount(0);
  await expect(kept(babelwire, 'other.txt')).toBeVisible();
  await expect.poll(async () => (await babelwire.page.evaluate(keptBodies)).length).toBe(1);
});

/** The ids of the texts that the device keeps. */
async function keptBodies(): Promise<IDBValidKey[]> {
  const [found] = await indexedDB.databases();
  const database = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open(found?.name ?? '');
    request.onsuccess = () => resolve(request.result);
  });
  const all = database.transaction('bodies').objectStore('bodies').getAllKeys();
  const keys = await new Promise<IDBValidKey[]>((resolve) => (all.onsuccess = () => resolve(all.result)));
  database.close();
  return keys;
}

test.describe('with the page itself kept by its worker', () => {
  test.use({ serviceWorkers: 'allow' });

  test('a week later and without a network, the page opens with what it has kept', async ({
    babelwire,
    server,
    complaints,
  }) => {
    test.slow();
    complaints.networkMayFail = true;
    const { page } = babelwire;
    await babelwire.open();
    await babelwire.languages('en', 'es');
    await babelwire.choose({ name: 'kept.txt', text: 'The green tree.\n\nThe red house.\n' });
    await expect(kept(babelwire, 'kept.txt')).toBeVisible();
    // The page itself is kept by its worker, all of it from the second visit on.
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await page.reload();
    await babelwire.isDone('kept.txt');
    await expect
      .poll(() =>
        page.evaluate(async () => {
          const names = (await (await caches.open('babelwire')).keys()).map(({ url }) => url);
          return names.some((name) => name.includes('/desk-'));
        }),
      )
      .toBe(true);

    await server.kill();
    await page.reload();
    await expect(babelwire.status).toHaveText(/^\s*(Connecting|Reconnecting)/);
    await expect(kept(babelwire, 'kept.txt')).toBeVisible();
    await babelwire.button('Open kept.txt').click();
    await expect(babelwire.reader).toContainText('The red house.');
    const id = page.url().split('#/t/')[1];
    await page.reload();
    await expect(page).toHaveURL(new RegExp(`#/t/${id}$`));
    await expect(babelwire.reader.getByRole('heading', { name: 'kept.txt' })).toBeVisible();
    await expect(babelwire.reader).toContainText('The red house.');

    await server.start();
    await babelwire.isConnected();
    await babelwire.isDone('kept.txt');
  });
});

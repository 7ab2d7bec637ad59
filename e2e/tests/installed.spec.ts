// The page without a network, and the page after an update.

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { Babelwire, expect, test } from '../fixtures.js';
import { Server } from '../server.js';

test.use({ serviceWorkers: 'allow' });

/** Until a visit like the next one can do without the server. */
async function isKept(page: Page): Promise<void> {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  // The second visit has fetched what the first did without.
  await expect
    .poll(() => page.evaluate(async () => (await (await caches.open('babelwire')).keys()).map((request) => request.url)))
    .toContainEqual(expect.stringMatching(/\/desk-[0-9a-f]+\.wasm$/));
}

test('a page that was visited opens without a server, and goes on when it is back', async ({ babelwire, server, complaints }) => {
  complaints.networkMayFail = true;
  const { page } = babelwire;
  await babelwire.open();
  await isKept(page);
  await server.stop();
  await page.reload();
  await expect(page.getByRole('heading', { level: 1, name: 'Babelwire' })).toBeVisible();
  await expect(babelwire.status).toHaveText(/^\s*(Connecting|Reconnecting|You are offline)/);
  await expect(babelwire.button('Choose text files')).toBeEnabled();
  await server.start();
  await babelwire.isConnected();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'again.txt', text: 'The house again.\n' });
  await babelwire.isDone('again.txt');
});

test('a new version is there at the very next visit', async ({ context, complaints }) => {
  const ui = await mkdtemp(join(tmpdir(), 'babelwire-ui-'));
  await cp(process.env.BABELWIRE_UI ?? '', ui, { recursive: true });
  const server = await Server.start({ ui });
  try {
    const babelwire = new Babelwire(await context.newPage(), server);
    await babelwire.open();
    await isKept(babelwire.page);
    const index = join(ui, 'index.html');
    const html = await readFile(index, 'utf8');
    await rm(`${index}.br`);
    await writeFile(index, html.replace('<title>', '<meta name="version" content="2"><title>'));
    await babelwire.page.reload();
    await expect(babelwire.page.locator('meta[name=version]')).toHaveAttribute('content', '2');
    await babelwire.isConnected();
    expect(complaints.all).toEqual([]);
  } finally {
    await server.dispose();
    await rm(ui, { recursive: true, force: true });
  }
});

test('the page can be installed', async ({ babelwire }) => {
  const { page } = babelwire;
  await babelwire.open();
  const manifest = await page.evaluate(async () => {
    const href = document.querySelector<HTMLLinkElement>('link[rel=manifest]')?.href ?? '';
    const manifest = (await (await fetch(href)).json()) as { name: string; icons: { src: string }[] };
    const icon = await fetch(new URL(manifest.icons[0]?.src ?? '', href));
    return { name: manifest.name, icon: icon.headers.get('content-type') };
  });
  expect(manifest).toEqual({ name: 'Babelwire', icon: 'image/svg+xml' });
  // What Chromium itself has to say against it.
  const devtools = await page.context().newCDPSession(page);
  const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
  // Playwright's contexts are private windows.
  expect(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')).toEqual([]);
});

// A backend that takes only who has signed in: what one person has, no other sees; and a sign-in
// that ends takes nothing with it.

import { readFileSync } from 'node:fs';
import type { BrowserContext, Page } from '@playwright/test';
import type { Babelwire } from '../fixtures.js';
import { AUDIENCE } from '../identity.js';
import { claims, expect, say, test, tokenOf } from '../sign-in.js';

const HOUSE = { name: 'house.txt', text: 'The white house.\n\nThe old tree.\n' };

/** Opens the page and signs in. */
async function signIn(babelwire: Babelwire, name: string): Promise<void> {
  const { page, server } = babelwire;
  await page.goto(server.origin);
  await babelwire.button('Sign in').click();
  await say(page, name);
  await babelwire.isConnected();
}

async function translated(babelwire: Babelwire, file = HOUSE): Promise<void> {
  await babelwire.languages('en', 'es');
  await babelwire.choose(file);
  await babelwire.isDone(file.name);
}

/** What is asked of the backend, with the authorization that goes with it. */
function requests(page: Page, origin: string): { path: string; authorization: string | undefined }[] {
  const seen: { path: string; authorization: string | undefined }[] = [];
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin) return;
    seen.push({ path: url.pathname, authorization: request.headers()['authorization'] });
  });
  return seen;
}

/** The names of what this browser keeps of translations, and how much is in each. */
async function kept(page: Page): Promise<Record<string, number>> {
  return page.evaluate(async () => {
    const sums: Record<string, number> = {};
    for (const { name } of await indexedDB.databases()) {
      const opened = indexedDB.open(name ?? '');
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        opened.onsuccess = () => resolve(opened.result);
        opened.onerror = () => reject(opened.error);
      });
      let sum = 0;
      for (const store of database.objectStoreNames) {
        const counted = database.transaction(store).objectStore(store).count();
        sum += await new Promise<number>((resolve) => (counted.onsuccess = () => resolve(counted.result)));
      }
      database.close();
      sums[name ?? ''] = sum;
    }
    return sums;
  });
}

async function tab(context: BrowserContext, babelwire: Babelwire): Promise<Babelwire> {
  const Page = babelwire.constructor as new (page: Page, server: Babelwire['server']) => Babelwire;
  return new Page(await context.newPage(), babelwire.server);
}

test('nothing is asked of the backend before somebody has signed in', async ({ babelwire, server }) => {
  const { page } = babelwire;
  const seen = requests(page, server.origin);
  let sockets = 0;
  page.on('websocket', () => (sockets += 1));
  await page.goto(server.origin);
  await expect(babelwire.button('Sign in')).toBeVisible();
  await expect(babelwire.status).toHaveText(/^\s*Disconnected/);
  await expect(page.locator(':root')).toHaveAttribute('data-connection', 'closed');
  await expect(babelwire.button('Choose text files')).toHaveCount(0);
  await expect(babelwire.button('Sign out')).toHaveCount(0);
  await expect(babelwire.button('Try now')).toHaveCount(0);
  expect(seen.map(({ path }) => path).filter((path) => path.startsWith('/api'))).toEqual([]);
  expect(sockets).toBe(0);
});

test('somebody signs in by keyboard alone, has a file translated, reads it and takes it away', async ({ babelwire, identity, server }) => {
  const { page } = babelwire;
  const seen = requests(page, server.origin);
  await page.goto(server.origin);
  await expect(babelwire.button('Sign in')).toBeVisible();
  for (let at = 0; at < 10; at += 1) {
    await page.keyboard.press('Tab');
    if (await babelwire.button('Sign in').evaluate((button) => button === document.activeElement)) break;
  }
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Name' }).focus();
  await page.keyboard.type('ada');
  await page.keyboard.press('Enter');
  await babelwire.isConnected();

  expect(page.url()).toBe(`${server.origin}/`);
  const token = await tokenOf(page);
  expect(claims(token)).toMatchObject({ sub: 'ada', iss: identity.issuer, aud: AUDIENCE });
  expect(await page.evaluate(() => sessionStorage.getItem('babelwire.signing-in'))).toBeNull();
  // Nothing of it stays when the browser is closed.
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('ey');

  await translated(babelwire);
  await babelwire.button('Open house.txt').click();
  await expect(babelwire.reader).toContainText(/casa/i);

  const link = babelwire.button('Download house.txt');
  for (const key of ['Enter', ' ']) {
    const coming = page.waitForEvent('download');
    await link.focus();
    await page.keyboard.press(key);
    const download = await coming;
    expect(download.suggestedFilename()).toBe('house.es.txt');
    expect(readFileSync(await download.path(), 'utf8')).toMatch(/casa/i);
  }
  await babelwire.reader.getByText('Save', { exact: true }).click();
  const coming = page.waitForEvent('download');
  await babelwire.reader.getByRole('link', { name: 'Both side by side' }).click();
  const both = await coming;
  expect(both.suggestedFilename()).toMatch(/\.html$/);
  expect(readFileSync(await both.path(), 'utf8')).toContain('The white house.');

  const rest = seen.filter(({ path }) => path.startsWith('/api/') && !path.startsWith('/api/objects/'));
  expect(rest.length).toBeGreaterThan(3);
  for (const { path, authorization } of rest) expect(authorization, path).toBe(`Bearer ${token}`);
  const others = seen.filter((one) => !rest.includes(one));
  expect(others.some(({ path }) => path.startsWith('/api/objects/'))).toBe(true);
  for (const { path, authorization } of others) expect(authorization, path).toBeUndefined();

  // The tab knows them still.
  await page.reload();
  await babelwire.isConnected();
  await expect(babelwire.reader).toContainText(/casa/i);
});

test('a download that leads to an object store of another origin takes no token there', async ({ babelwire, identity }) => {
  await signIn(babelwire, 'ada');
  await translated(babelwire);
  const { page } = babelwire;
  const location = identity.store('A text from the store.\n');
  await page.route(/\/result$/, (route) => route.fulfill({ status: 307, headers: { location } }));
  const download = await babelwire.download('house.txt');
  expect(download.bytes.toString()).toBe('A text from the store.\n');
  // Its Content-Disposition is not for pages of other origins.
  expect(download.filename).toBe('house.es.txt');
  expect(identity.fetched).toEqual([undefined]);
});

test('a download that fails says so', async ({ babelwire, complaints }) => {
  complaints.networkMayFail = true;
  await signIn(babelwire, 'ada');
  await translated(babelwire);
  const { page } = babelwire;
  await page.route(/\/result$/, (route) => route.abort());
  await babelwire.button('Download house.txt').click();
  await expect(page.getByRole('alert')).toContainText('“house.txt” could not be downloaded. The server can\'t be reached');
});

test('what one person has, another one neither sees nor hears of', async ({ babelwire, another }) => {
  await signIn(babelwire, 'ada');
  await signIn(another, 'grace');
  await another.openConsole();
  await translated(babelwire);
  await translated(another, { name: 'garden.txt', text: 'The green garden.\n' });
  await expect(another.file('garden.txt')).toBeVisible();
  await expect(another.file('house.txt')).toHaveCount(0);
  await expect(another.frames).toContainText('garden.txt');
  await expect(another.frames).not.toContainText('house.txt');
  await another.page.reload();
  await another.isConnected();
  await expect(another.file('garden.txt')).toBeVisible();
  await expect(another.file('house.txt')).toHaveCount(0);
});

test('two people in two tabs of one browser have a connection each', async ({ babelwire, context }) => {
  await signIn(babelwire, 'ada');
  const other = await tab(context, babelwire);
  // The identity provider would know this browser as Ada.
  await context.clearCookies();
  await other.page.goto(babelwire.server.origin);
  await other.button('Sign in').click();
  await say(other.page, 'grace');
  await other.isConnected();
  expect(claims(await tokenOf(other.page))).toMatchObject({ sub: 'grace' });

  await other.openConsole();
  await translated(babelwire);
  await translated(other, { name: 'garden.txt', text: 'The green garden.\n' });
  await expect(babelwire.file('house.txt')).toBeVisible();
  await expect(babelwire.file('garden.txt')).toHaveCount(0);
  await expect(other.file('house.txt')).toHaveCount(0);
  await expect(other.frames).not.toContainText('house.txt');
});

test('whoever signs out in one tab is signed out in all, and nobody else is', async ({ babelwire, context }) => {
  await signIn(babelwire, 'ada');
  const [also, other] = [await tab(context, babelwire), await tab(context, babelwire)];
  await also.page.goto(babelwire.server.origin);
  // The identity provider knows this browser.
  await also.button('Sign in').click();
  await also.isConnected();
  await context.clearCookies();
  await signIn(other, 'grace');
  await also.button('Sign out').click();
  await expect(babelwire.button('Sign in')).toBeVisible();
  expect(await tokenOf(babelwire.page)).toBe('');
  await expect(other.button('Sign out')).toBeVisible();
  await translated(other);
});

test('a link to a translation leads there by way of signing in', async ({ babelwire, server, context }) => {
  await signIn(babelwire, 'ada');
  await translated(babelwire);
  await babelwire.button('Open house.txt').click();
  await expect(babelwire.reader).toContainText(/casa/i);
  const link = babelwire.page.url();
  const other = await tab(context, babelwire);
  await other.page.goto(link);
  await other.button('Sign in').click();
  await expect(other.reader).toContainText(/casa/i);
  expect(other.page.url()).toBe(link);
  expect(link.startsWith(`${server.origin}/#/t/`)).toBe(true);
});

test.describe('with tokens that last four seconds', () => {
  test.use({ identityOptions: { lifetime: 4 } });

  test('they are renewed unseen, for requests and for dials', async ({ babelwire, identity, complaints }) => {
    complaints.networkMayFail = true;
    await signIn(babelwire, 'ada');
    const { page } = babelwire;
    const first = await tokenOf(page);
    await expect.poll(() => identity.asked['refresh_token'] ?? 0, { timeout: 20_000 }).toBeGreaterThan(1);
    expect(await tokenOf(page)).not.toBe(first);
    // By now no backend takes the first token.
    const seen = requests(page, babelwire.server.origin);
    await translated(babelwire);
    expect(seen.filter(({ authorization }) => authorization === `Bearer ${first}`)).toEqual([]);
    await babelwire.server.kill();
    await expect(page.locator(':root')).not.toHaveAttribute('data-connection', 'open');
    await babelwire.server.start();
    await babelwire.isConnected();
    await expect(babelwire.button('Sign in')).toHaveCount(0);
  });

  test('a tab that is duplicated shares the sign-in, and neither ends the other\'s', async ({ babelwire, identity }) => {
    await signIn(babelwire, 'ada');
    const { page } = babelwire;
    // As a duplicated tab does, it begins with a copy of what the session has.
    const opening = page.waitForEvent('popup');
    await page.evaluate(() => void open(location.href));
    const twin = await opening;
    await expect(twin.locator(':root')).toHaveAttribute('data-connection', 'open');
    await expect.poll(async () => (await tokenOf(twin)) === (await tokenOf(page))).toBe(true);
    const before = identity.asked['refresh_token'] ?? 0;
    await expect.poll(() => identity.asked['refresh_token'] ?? 0, { timeout: 30_000 }).toBeGreaterThan(before + 2);
    expect(identity.refused).toEqual([]);
    await expect.poll(async () => (await tokenOf(twin)) === (await tokenOf(page))).toBe(true);
    for (const one of [page, twin]) await expect(one.getByRole('button', { name: 'Sign out' })).toBeVisible();
  });

  test('a provider that is out of order for a while ends nothing', async ({ babelwire, identity, complaints }) => {
    complaints.networkMayFail = true;
    await signIn(babelwire, 'ada');
    await translated(babelwire);
    const { page } = babelwire;
    identity.outOfOrder = true;
    // A token that was under way before may still come.
    await page.waitForResponse((response) => response.url() === `${identity.issuer}/token` && response.status() === 503);
    await expect(babelwire.button('Sign in')).toHaveCount(0);
    await expect(babelwire.file('house.txt')).toBeVisible();
    identity.outOfOrder = false;
    const download = await babelwire.download('house.txt');
    expect(download.bytes.toString()).toMatch(/casa/i);
  });

  test('a sign-in that is taken back says so, and nothing on the page is lost', async ({ babelwire, identity, complaints }) => {
    complaints.networkMayFail = true;
    await signIn(babelwire, 'ada');
    await translated(babelwire);
    await babelwire.button('Open house.txt').click();
    await expect(babelwire.reader).toContainText(/casa/i);
    const { page } = babelwire;
    // Again, because one that is being given out at the moment is taken back only afterwards.
    await expect(async () => {
      await identity.revoke();
      await expect(page.getByRole('alert')).toContainText(/^Your sign-in has ended/, { timeout: 6_000 });
    }).toPass({ timeout: 40_000 });
    await expect(babelwire.status).toHaveText(/^\s*Disconnected/);
    await expect(babelwire.button('Sign out')).toHaveCount(0);
    // What is read stays, and what is brought waits.
    await expect(babelwire.reader).toContainText(/casa/i);
    await babelwire.choose({ name: 'waiting.txt', text: 'The patient garden.\n' });
    await expect(babelwire.file('waiting.txt')).toBeVisible();
    await expect.poll(async () => Object.values(await kept(page)).some((sum) => sum > 0)).toBe(true);
    await babelwire.button('Sign in').click();
    await babelwire.isConnected();
    await babelwire.isDone('waiting.txt');
    await expect(babelwire.file('house.txt')).toBeVisible();
    await expect(babelwire.reader).toContainText(/casa/i);
  });
});

test.describe('without refresh tokens', () => {
  test.use({ identityOptions: { lifetime: 8, refresh: false } });

  test('a sign-in lasts as long as its token', async ({ babelwire, complaints }) => {
    complaints.networkMayFail = true;
    await signIn(babelwire, 'ada');
    await expect(babelwire.page.getByRole('alert')).toContainText(/^Your sign-in has ended/, { timeout: 20_000 });
    await babelwire.button('Sign in').click();
    await babelwire.isConnected();
  });
});

test('whoever signs out leaves nothing behind for whoever comes next', async ({ babelwire, identity }) => {
  await signIn(babelwire, 'ada');
  await translated(babelwire);
  const { page } = babelwire;
  await expect.poll(async () => Object.values(await kept(page)).some((sum) => sum > 0)).toBe(true);
  await babelwire.button('Sign out').click();
  await expect(page.getByRole('button', { name: 'Really sign out' })).toBeVisible();
  expect(new URL(page.url()).origin).toBe(identity.issuer);
  await page.getByRole('button', { name: 'Really sign out' }).click();
  await expect(page).toHaveTitle('Signed out');
  // Back, as far as it goes, leads to nothing of hers.
  await page.goBack();
  await page.goBack();
  await expect(babelwire.button('Sign in')).toBeVisible();
  await expect(babelwire.file('house.txt')).toHaveCount(0);
  await signIn(babelwire, 'grace');
  await expect(babelwire.file('house.txt')).toHaveCount(0);
  expect(Object.values(await kept(page)).filter((sum) => sum > 0)).toEqual([]);
  expect(claims(await tokenOf(page))).toMatchObject({ sub: 'grace' });
});

test('texts that one person left on the device are not shown to another, connection or not', async ({ babelwire, identity, complaints, context }) => {
  complaints.networkMayFail = true;
  await signIn(babelwire, 'ada');
  await translated(babelwire);
  const { page } = babelwire;
  await expect.poll(async () => Object.values(await kept(page)).some((sum) => sum > 0)).toBe(true);
  // She closes the tab without signing out; the identity provider forgets her.
  await page.evaluate(() => sessionStorage.clear());
  await context.clearCookies();
  await signIn(babelwire, 'grace');
  await expect(babelwire.button('Choose text files')).toBeVisible();
  await expect(babelwire.file('house.txt')).toHaveCount(0);
  await page.route('**/api/**', (route) => route.abort());
  await page.reload();
  await expect(babelwire.button('Sign out')).toBeVisible();
  await translationsAreKnown(page);
  await expect(babelwire.file('house.txt')).toHaveCount(0);
  expect(identity.asked['authorization_code']).toBe(2);
});

/** Waits until the page has said that it can't have the list: whatever the device keeps is shown by then. */
async function translationsAreKnown(page: Page): Promise<void> {
  await expect(page.getByText(/The list of files may be out of date/)).toBeVisible();
}

test('whoever changes their mind is asked again', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await page.goto(server.origin);
  await babelwire.button('Sign in').click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('alert')).toContainText('The sign-in was refused');
  expect(page.url()).toBe(`${server.origin}/`);
  await babelwire.button('Sign in').click();
  await say(page, 'ada');
  await babelwire.isConnected();
});

test('an answer that this tab has not asked for signs nobody in', async ({ babelwire, identity, server }) => {
  const { page } = babelwire;
  await page.goto(`${server.origin}/?code=stolen&state=forged&iss=${encodeURIComponent(identity.issuer)}`);
  await expect(page.getByRole('alert')).toContainText('The sign-in was not finished');
  expect(page.url()).toBe(`${server.origin}/`);
  expect(identity.asked['authorization_code'] ?? 0).toBe(0);
  await expect(babelwire.button('Sign in')).toBeVisible();
});

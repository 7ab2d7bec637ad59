// What fails, and what a person notices of it: as little as can be.

import { englishText, expect, test } from '../fixtures.js';

test('the server is killed in the middle, and the page shows the finished translation with no touch', async ({
  babelwire,
  server,
  complaints,
}) => {
  complaints.networkMayFail = true;
  const { page } = babelwire;
  await babelwire.open();
  await page.evaluate(() => Reflect.set(window, 'sameDocument', true));
  await babelwire.languages('en', 'es');
  const text = englishText(25);
  await babelwire.choose({ name: 'survivor.txt', text });
  await babelwire.button('Open survivor.txt').click();
  await babelwire.view('Translation');
  await expect(babelwire.reader).toContainText(/Licencia/i);
  expect((await server.translation('survivor.txt')).status).toBe('translating');

  await server.kill();
  await expect(babelwire.status).toHaveText(/^\s*(Reconnecting|Connecting)/);
  await expect(page.locator(':root')).toHaveAttribute('data-connection', /waiting|connecting/);
  await server.start();

  await babelwire.isConnected();
  await babelwire.isDone('survivor.txt');
  expect(await page.evaluate(() => Reflect.get(window, 'sameDocument') as unknown)).toBe(true);
  const translation = await server.translation('survivor.txt');
  const result = await server.result(translation.id);
  expect(result.toString('utf8').split('\n')).toHaveLength(text.split('\n').length);

  // The same bytes as a job that nobody disturbed.
  const calm = await server.upload('calm.txt', Buffer.from(text));
  await expect
    .poll(async () => (await server.translation('calm.txt')).status, { timeout: 60_000 })
    .toBe('done');
  expect(result.equals(await server.result(calm.id))).toBe(true);
});

test('what happens while the page is cut off is there when it is back', async ({
  babelwire,
  server,
  context,
  complaints,
}) => {
  complaints.networkMayFail = true;
  await babelwire.open();
  await server.upload('before.txt', Buffer.from('The first house.\n'));
  await babelwire.isDone('before.txt');

  await context.setOffline(true);
  await expect(babelwire.status).toHaveText(/^\s*You are offline/);
  await expect(babelwire.page.locator(':root')).toHaveAttribute('data-connection', 'offline');

  const gone = await server.translation('before.txt');
  await server.rest(`translations/${gone.id}`, { method: 'DELETE' });
  await server.upload('meanwhile.txt', Buffer.from('The second house.\n'));
  await expect.poll(async () => (await server.translation('meanwhile.txt')).status).toBe('done');

  await context.setOffline(false);
  await babelwire.isConnected();
  await babelwire.isDone('meanwhile.txt');
  await expect(babelwire.file('before.txt')).toHaveCount(0);
});

test('a server that stops says goodbye, and the page finds the next one', async ({
  babelwire,
  server,
  complaints,
}) => {
  complaints.networkMayFail = true;
  await babelwire.open();
  expect(await server.stop(), 'a clean end').toBe(0);
  await expect(babelwire.status).toHaveText(/^\s*(Reconnecting|Connecting)/);
  await server.start();
  await babelwire.isConnected();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'after.txt', text: 'The new house.\n' });
  await babelwire.isDone('after.txt');
});

test('a finished translation outlives the server', async ({ babelwire, server, complaints }) => {
  complaints.networkMayFail = true;
  const made = await server.upload('kept.txt', Buffer.from('The green tree.\n'));
  await expect.poll(async () => (await server.translation('kept.txt')).status).toBe('done');
  const before = await server.result(made.id);
  await server.kill();
  await server.start();
  await babelwire.open();
  await babelwire.isDone('kept.txt');
  expect((await babelwire.download('kept.txt')).bytes.equals(before)).toBe(true);
});

// The page with a backend that nobody made for it.

import { readFileSync } from 'node:fs';
import { ARCHIVE, ArticleBackend, FILES } from '../article-backend.js';
import { type Person, expect, hostPage, person, test } from './fixtures.js';

/** What the page tells of buckets. */
function news(someone: Person) {
  return someone.page.getByRole('region', { name: 'News' }).getByRole('listitem');
}

async function showsConsole(someone: Person): Promise<void> {
  if (!(await someone.console.isVisible())) await someone.openConsole();
}

test('with a WebSocket alone, the page is a live console', async ({ ada }) => {
  await ada.open();
  await expect(ada.page.getByRole('heading', { level: 1, name: 'Babelwire' })).toBeVisible();
  await expect(ada.button('Choose text files')).toBeHidden();
  await expect(ada.page.getByRole('region', { name: 'News' })).toBeVisible();
});

test('what one says, all hear, and nobody else', async ({ ada, bob, backend }) => {
  for (const someone of [ada, bob]) {
    await someone.open();
    await showsConsole(someone);
  }
  await ada.send('echomessage', 'Grüße, «all» 👋');
  for (const someone of [ada, bob]) {
    await expect(someone.frames.getByText('Grüße, «all» 👋', { exact: true })).toHaveCount(1);
  }
  await bob.page.close();
  // Whoever leaves is taken out of the table; ada stays.
  await expect.poll(() => backend.connections()).toHaveLength(1);
});

test('a file that comes to the bucket is news, and so is its end', async ({ ada, backend }) => {
  await ada.open();
  await backend.put(FILES, 'letters/café au lait.txt');
  await expect(news(ada).first()).toContainText('A new file has arrived: letters/café au lait.txt');
  await expect(news(ada).first()).toContainText(FILES);
  await backend.remove(FILES, 'letters/café au lait.txt');
  await expect(news(ada).first()).toContainText('letters/café au lait.txt was deleted');
  await expect(news(ada)).toHaveCount(2);
});

test('a notification with several records, as S3 writes it, is as many news', async ({ ada, backend }) => {
  await ada.open();
  const notification = readFileSync(new URL('../s3-notification.json', import.meta.url), 'utf8');
  await backend.invoke('news', JSON.parse(notification));
  await expect(news(ada)).toHaveCount(2);
  const told = ada.page.getByRole('region', { name: 'News' });
  await expect(told).toContainText('A new file has arrived: año nuevo/1+1=2 & 100%.txt');
  await expect(told).toContainText('old news.txt was deleted');
});

test('news of a shape that the page does not know is shown as it came', async ({ ada, backend }) => {
  await ada.open();
  await showsConsole(ada);
  await backend.put(ARCHIVE, 'raw.txt');
  await expect(ada.frames).toContainText('{"Records":[{');
  await expect(ada.frames).toContainText('"key":"raw.txt"');
  await backend.remove(ARCHIVE, 'raw.txt');
  await expect(ada.frames.getByText('ObjectRemoved:Delete: raw.txt', { exact: true })).toBeVisible();
  await expect(news(ada)).toHaveCount(0);
  await ada.isConnected();
});

test('an action without a route hurts nobody', async ({ ada }) => {
  await ada.open();
  await showsConsole(ada);
  await ada.send('no-such-action', '1');
  await ada.send('echomessage', 'still here');
  await expect(ada.frames.getByText('still here', { exact: true })).toBeVisible();
  await ada.isConnected();
});

test('silence on pings, from a backend that never answered one, is no verdict', async ({ ada }) => {
  const pings: string[] = [];
  let sockets = 0;
  ada.page.on('websocket', (socket) => {
    sockets += 1;
    socket.on('framesent', ({ payload }) => {
      if (payload.includes('"action":"ping"')) pings.push(payload.toString());
    });
  });
  await ada.page.clock.install();
  await ada.open();
  await showsConsole(ada);
  // Two minutes: the first ping after 5 s, its deadline 9 s later, then one a minute.
  for (let seconds = 0; seconds < 120; seconds += 1) await ada.page.clock.runFor(1_000);
  expect(pings.length).toBeGreaterThanOrEqual(2);
  await ada.isConnected();
  expect(sockets).toBe(1);
  await ada.send('echomessage', 'still here');
  await ada.page.clock.runFor(1_000);
  await expect(ada.frames.getByText('still here', { exact: true })).toBeVisible();
});

test('the page comes back when the backend does, and the dead leave the table', async ({
  context,
  complaints,
}) => {
  test.setTimeout(180_000);
  complaints.networkMayFail = true;
  const backend = await ArticleBackend.start();
  const host = await hostPage(backend.websocketUrl);
  try {
    const ada = await person(context, complaints, host);
    await ada.open();
    await showsConsole(ada);
    await expect.poll(() => backend.connections()).toHaveLength(1);
    const before = await backend.connections();
    await backend.kill();
    await expect(ada.status).not.toHaveText(/^\s*Connected/);
    await backend.start();
    // Nobody asks for it: the delays between dials grow, and are by lot.
    await expect(ada.status).toHaveText(/^\s*Connected/, { timeout: 60_000 });
    // The power cut left a connection in the table; whoever posts to it learns that it is gone.
    expect(await backend.connections()).toContain(before[0]);
    await ada.send('echomessage', 'back again');
    await expect(ada.frames.getByText('back again', { exact: true })).toBeVisible();
    await expect.poll(() => backend.connections()).toHaveLength(1);
    expect(await backend.connections()).not.toEqual(before);
    await backend.put(FILES, 'after.txt');
    await expect(news(ada).first()).toContainText('after.txt');
  } finally {
    await host.dispose();
    await backend.dispose();
  }
});

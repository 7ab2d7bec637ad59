// A page that nobody looks at, and a phone that must not fall asleep.

import type { Page } from '@playwright/test';
import { englishText, expect, test } from '../fixtures.js';

// Files that come while the page is hidden are long enough to be seen at work: one that is done when it
// is first heard of is no news.

/** Headless browsers show every page: this says what another tab in front would have the page see. */
async function hide(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    Object.defineProperty(document, 'visibilityState', {
      configurable: true,
      get: () => (hidden ? 'hidden' : 'visible'),
    });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

test('the title of a hidden page tells how many files are done, until somebody looks', async ({
  babelwire,
  server,
}) => {
  await server.upload('before.txt', Buffer.from('The old tree.\n'));
  await babelwire.open();
  await babelwire.isDone('before.txt');
  const { page } = babelwire;
  await expect(page).toHaveTitle('Babelwire');
  await hide(page, true);
  await server.upload('one.txt', Buffer.from(englishText(3)));
  await expect(page).toHaveTitle('(1 done) Babelwire');
  await server.upload('two.txt', Buffer.from(englishText(3)));
  await expect(page).toHaveTitle('(2 done) Babelwire');
  await hide(page, false);
  await expect(page).toHaveTitle('Babelwire');
});

test('where it is allowed, a notification tells of it, and pressing it opens the file', async ({
  babelwire,
  server,
  context,
}) => {
  await context.grantPermissions(['notifications'], { origin: server.origin });
  await context.addInitScript(() => {
    const shown: Notification[] = [];
    Reflect.set(window, 'shownNotifications', shown);
    const Real = window.Notification;
    window.Notification = class extends Real {
      constructor(title: string, options?: NotificationOptions) {
        super(title, options);
        shown.push(this);
      }
    };
  });
  const { page } = babelwire;
  const titles = () =>
    page.evaluate(() => (Reflect.get(window, 'shownNotifications') as Notification[]).map(({ title }) => title));
  await server.upload('seen.txt', Buffer.from('The old tree.\n'));
  await babelwire.open();
  await babelwire.isDone('seen.txt');
  expect(await titles(), 'whoever looks needs none').toEqual([]);
  await hide(page, true);
  await server.upload('unseen.txt', Buffer.from(englishText(4)));
  await expect.poll(titles).toEqual(['“unseen.txt” is translated']);
  await page.evaluate(() => {
    const [shown] = Reflect.get(window, 'shownNotifications') as Notification[];
    shown?.dispatchEvent(new Event('click'));
  });
  await hide(page, false);
  await expect(babelwire.reader.getByRole('heading', { name: 'unseen.txt' })).toBeVisible();
});

test('the screen stays on while a file is sent, and no longer', async ({ babelwire, context }) => {
  await context.addInitScript(() => {
    const held = { now: 0, ever: 0 };
    Reflect.set(window, 'wakeLocks', held);
    const request = navigator.wakeLock.request.bind(navigator.wakeLock);
    navigator.wakeLock.request = async (type) => {
      const lock = await request(type);
      held.now += 1;
      held.ever += 1;
      lock.addEventListener('release', () => (held.now -= 1));
      return lock;
    };
  });
  const { page } = babelwire;
  const held = () => page.evaluate(() => Reflect.get(window, 'wakeLocks') as { now: number; ever: number });
  let go = (): void => {};
  const gone = new Promise<void>((resolve) => (go = resolve));
  await page.route('**/*', async (route) => {
    if (route.request().method() === 'PUT') await gone;
    await route.continue();
  });
  await babelwire.open();
  await babelwire.languages('en', 'es');
  expect(await held()).toEqual({ now: 0, ever: 0 });
  await babelwire.choose({ name: 'slow.txt', text: 'The green tree.\n' });
  await expect.poll(held).toEqual({ now: 1, ever: 1 });
  go();
  await babelwire.isDone('slow.txt');
  await expect.poll(held).toEqual({ now: 0, ever: 1 });
});

test.describe('where only a worker may notify, as on Android', () => {
  test.use({ serviceWorkers: 'allow' });

  test('the notification is the worker’s', async ({ babelwire, server, context }) => {
    await context.grantPermissions(['notifications'], { origin: server.origin });
    await context.addInitScript(() => {
      window.Notification = class extends window.Notification {
        constructor(title: string) {
          super(title);
          throw new TypeError('Illegal constructor');
        }
      };
    });
    const { page } = babelwire;
    await babelwire.open();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await server.upload('first.txt', Buffer.from('The old tree.\n'));
    await babelwire.isDone('first.txt');
    await hide(page, true);
    await server.upload('unseen.txt', Buffer.from(englishText(4)));
    await expect
      .poll(() =>
        page.evaluate(async () => {
          const worker = await navigator.serviceWorker.ready;
          return (await worker.getNotifications()).map(({ title }) => title);
        }),
      )
      .toEqual(['“unseen.txt” is translated']);
  });
});

// What a first visit transfers, as the browser counts it.

import { expect, test } from '../fixtures.js';

/** As `cargo xtask check` has it. */
const BUDGET = 90_000;

test.describe('a first visit', () => {
  test.use({ serviceWorkers: 'allow' });

  test('transfers at most 90 KB, and none of what is only needed once there is a file', async ({ babelwire, context, server }) => {
    const { page } = babelwire;
    const files = new Map<string, number>();
    const counted: Promise<void>[] = [];
    // The worker's own requests count as well: it comes with the visit.
    context.on('requestfinished', (request) => {
      const path = new URL(request.url()).pathname;
      if (path.startsWith('/api/')) return;
      counted.push(
        request.sizes().then(
          ({ responseBodySize }) => void files.set(path, (files.get(path) ?? 0) + responseBodySize),
          () => undefined,
        ),
      );
    });
    await babelwire.open();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await Promise.all(counted);
    const sum = [...files.values()].reduce((sum, size) => sum + size, 0);
    expect(files.size, [...files.keys()].join(' ')).toBeGreaterThan(5);
    expect(sum, JSON.stringify([...files])).toBeLessThanOrEqual(BUDGET);
    expect([...files.keys()].filter((path) => /desk|extras|account|chunk|locales/.test(path))).toEqual([]);

    const desk = page.waitForResponse(/\/desk-[0-9a-f]+\.wasm$/);
    await babelwire.languages('en', 'es');
    await babelwire.choose({ name: 'first.txt', text: 'The first house.\n' });
    expect((await desk).ok()).toBe(true);
    await babelwire.isDone('first.txt');
    expect((await server.translation('first.txt')).status).toBe('done');
  });
});

test('a part of the page that does not come is asked for again, and the file waits for it', async ({ babelwire, complaints }) => {
  complaints.networkMayFail = true;
  const { page } = babelwire;
  let cut = true;
  await page.route(/\/desk-[0-9a-f]+\.wasm$/, (route) => (cut ? route.abort() : route.continue()));
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'patient.txt', text: 'The patient house.\n' });
  await expect(page.getByRole('alert')).toContainText(/could not be loaded/);
  cut = false;
  // Whatever happens next has it tried again.
  await babelwire.choose({ name: 'second.txt', text: 'The second house.\n' });
  await babelwire.isDone('patient.txt');
  await babelwire.isDone('second.txt');
});

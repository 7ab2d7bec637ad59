// A connection that is lost: how long until the next attempt, and a way not to wait for it.

import { expect, test } from '../fixtures.js';

test('the seconds to the next attempt are counted, and Try now does not wait for them', async ({
  babelwire,
  server,
  complaints,
}) => {
  test.slow();
  complaints.networkMayFail = true;
  await babelwire.open();
  const { page } = babelwire;
  await server.kill();
  await expect(babelwire.status).toHaveText(/^\s*Reconnecting/);
  const chip = page.locator('.chip');
  // The first attempts follow each other at once; after a few there is something to count.
  await expect(chip).toHaveText(/Reconnecting\s*in ([5-9]|\d\d) s/, { timeout: 60_000 });
  const seconds = async () => Number(/in (\d+) s/.exec((await chip.textContent()) ?? '')?.[1] ?? Number.NaN);
  const first = await seconds();
  await expect.poll(seconds).toBeLessThan(first);
  // Whoever listens hears that it reconnects, not every second of it.
  await expect(babelwire.status).toHaveText(/^\s*Reconnecting\s*$/);

  await server.start();
  await babelwire.button('Try now').click();
  await babelwire.isConnected();
  await expect(babelwire.button('Try now')).toHaveCount(0);
  await expect(chip).toHaveText(/^\s*Connected\s*$/);
});

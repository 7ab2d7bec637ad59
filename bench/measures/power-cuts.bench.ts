// A server that dies at ten random moments of one job.

import { expect, test } from '@playwright/test';
import { Server } from '../../e2e/server.js';
import { englishText, note, round } from '../report.js';

const CUTS = 10;

test('ten power cuts at random moments change no byte', async () => {
  const text = Buffer.from(englishText(300_000));
  const calm = await Server.start();
  let expected: Buffer;
  let whole: number;
  try {
    const began = Date.now();
    const { id } = await calm.upload('calm.txt', text);
    await expect
      .poll(async () => (await calm.translation('calm.txt')).status, { timeout: 600_000, intervals: [50] })
      .toBe('done');
    whole = Date.now() - began;
    expected = await calm.result(id);
  } finally {
    await calm.dispose();
  }

  const server = await Server.start();
  try {
    const { id } = await server.upload('cut.txt', text);
    const moments: number[] = [];
    // Anywhere in the job, in order, and a little later than it can be seen.
    const cuts = Array.from({ length: CUTS }, () => Math.random() * 0.95).sort((a, b) => a - b);
    for (const cut of cuts) {
      let now = await server.translation('cut.txt');
      while (now.status !== 'done' && now.done < cut * Math.max(now.total, 1)) {
        now = await server.translation('cut.txt');
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
      await server.kill();
      moments.push(now.status === 'done' ? 100 : Math.round((100 * now.done) / Math.max(now.total, 1)));
      await server.start();
    }
    await expect
      .poll(async () => (await server.translation('cut.txt')).status, { timeout: 600_000, intervals: [50] })
      .toBe('done');
    const result = await server.result(id);
    console.log(`    killed at ${moments.join(', ')} % of the job`);
    const cutsInside = moments.filter((percent) => percent < 100).length;
    expect(cutsInside, 'cuts before the job was done').toBeGreaterThanOrEqual(CUTS / 2);
    const differing = result.equals(expected) ? 0 : 1;
    note({ what: `kill -9 at ${cutsInside} random moments of a job of ${round(whole / 1000, 1)} s: results that differ`, value: differing, unit: 'of 1', atMost: 0 });
  } finally {
    await server.dispose();
  }
});

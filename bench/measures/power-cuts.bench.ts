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
    for (let cut = 0; cut < CUTS; cut++) {
      // Random moments of a job: sometimes at its first steps, sometimes far into it.
      const moment = Math.random() * (whole / CUTS) * 1.2;
      await new Promise((resolve) => setTimeout(resolve, moment));
      const { status, done, total } = await server.translation('cut.txt');
      await server.kill();
      moments.push(status === 'done' ? 100 : Math.round((100 * done) / Math.max(total, 1)));
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

// A megabyte of English into Spanish, as a person sees it.

import { expect, test } from '@playwright/test';
import { Server } from '../../e2e/server.js';
import { englishText, note, round } from '../report.js';

test('a megabyte of English becomes Spanish', async ({ page }) => {
  const server = await Server.start();
  try {
    const text = englishText(1_000_000);
    const size = Buffer.byteLength(text);
    let uploaded = 0;
    page.on('requestfinished', (request) => {
      if (request.method() === 'PUT') uploaded = Date.now();
    });
    const progress: { at: number; status: string; done: number; total: number }[] = [];
    let firstSegments = 0;
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        const frame = JSON.parse(payload.toString()) as {
          type?: string;
          translation?: { status: string; done: number; total: number };
        };
        if (frame.type === 'segments') firstSegments ||= Date.now();
        if (frame.type === 'translation' && frame.translation) {
          progress.push({ at: Date.now(), ...frame.translation });
        }
      }),
    );

    await page.goto(server.origin);
    await expect(page.locator(':root')).toHaveAttribute('data-connection', 'open');
    await page.getByRole('combobox', { name: 'Translate from' }).selectOption('en');
    await page.getByRole('combobox', { name: 'Translate into' }).selectOption('es');
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'kjv.txt', mimeType: 'text/plain', buffer: Buffer.from(text) });
    await page.getByRole('button', { name: 'Open kjv.txt' }).click();
    const reader = page.getByRole('region', { name: 'Reader' });
    await page.getByRole('radio', { name: 'Translation' }).check({ force: true });
    await reader.getByText(/ Dios /).first().waitFor({ timeout: 60_000 });
    const shown = Date.now();

    await expect(page.getByRole('button', { name: 'Download kjv.txt' })).toBeVisible({ timeout: 600_000 });
    const finished = Date.now();
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download kjv.txt' }).click();
    const { readFileSync } = await import('node:fs');
    const result = readFileSync(await (await coming).path(), 'utf8');

    note({ what: '1 MB English to Spanish: upload\'s end to the first segments on the socket', value: round((firstSegments - uploaded) / 1000), unit: 's', atMost: 2 });
    note({ what: '1 MB English to Spanish: upload\'s end to the first Spanish on the page', value: round((shown - uploaded) / 1000), unit: 's', atMost: 2 });
    const moves = progress.filter((move, index) => index === 0 || move.done !== progress[index - 1]?.done);
    const times = [uploaded, ...moves.map((move) => move.at), finished];
    const gaps = times.map((at, index) => (index === 0 ? 0 : at - (times[index - 1] ?? at)));
    const longest = gaps.indexOf(Math.max(...gaps));
    console.log(`    the longest time without progress came after move ${longest} of ${moves.length}`);
    note({ what: '1 MB English to Spanish: longest time without progress', value: round(Math.max(...gaps) / 1000), unit: 's', atMost: 1 });
    note({ what: '1 MB English to Spanish: upload\'s end to done', value: round((finished - uploaded) / 1000, 1), unit: 's' });
    note({ what: '1 MB English to Spanish: throughput end to end', value: round(size / 1000 / ((finished - uploaded) / 1000), 1), unit: 'KB/s' });

    // Every verse is where it was: verses are told by their numbers.
    const verse = (line: string) => /\d+:\d+/.exec(line)?.[0] ?? '';
    const [before, after] = [text.split('\n'), result.split('\n')];
    expect(after.length).toBe(before.length);
    const displaced = before.filter((line, index) => verse(line) !== verse(after[index] ?? '')).length;
    note({ what: '1 MB English to Spanish: paragraphs out of place', value: displaced, unit: `of ${before.filter(Boolean).length}`, atMost: 0 });
  } finally {
    await server.dispose();
  }
});

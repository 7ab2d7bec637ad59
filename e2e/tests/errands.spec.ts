// Cancel, retry, delete; what is refused, and how it is said.

import { englishText, expect, test } from '../fixtures.js';

test('a translation is cancelled, tried again, and comes to its end', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const text = englishText(20);
  await babelwire.choose({ name: 'long.txt', text });
  await expect.poll(async () => (await server.translations())[0]?.status).toBe('translating');
  await babelwire.button('Cancel long.txt').click();
  await expect(babelwire.file('long.txt')).toContainText(/Cancelled/);
  await expect(babelwire.progress('long.txt')).toHaveCount(0);
  await expect(babelwire.button('Cancel long.txt')).toHaveCount(0);
  expect((await server.translation('long.txt')).status).toBe('cancelled');

  await babelwire.button('Retry long.txt').click();
  await babelwire.isDone('long.txt');
  const translation = await server.translation('long.txt');
  const result = (await server.result(translation.id)).toString('utf8');
  expect(result.split('\n')).toHaveLength(text.split('\n').length);
});

test('a deleted file is gone from the page and from the server', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'short.txt', text: 'A short text.\n' });
  await babelwire.isDone('short.txt');
  const { id } = await server.translation('short.txt');
  await babelwire.button('Delete short.txt').click();
  // It can be undone for a moment.
  await expect(babelwire.file('short.txt')).toHaveCount(0);
  await expect.poll(() => server.translations()).toEqual([]);
  expect((await fetch(`${server.origin}/api/translations/${id}/result`)).status).toBe(404);
});

test('a file that is no text is refused in words, and the page stays well', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const image = Buffer.concat([
    Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
    Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 73) % 256)),
  ]);
  await babelwire.choose({ name: 'picture.txt', text: image });
  await expect(babelwire.file('picture.txt')).toContainText(/Failed: .*(text|binary)/i);
  expect(await server.translations(), 'it was not even sent').toEqual([]);

  // What only the server knows.
  await babelwire.choose({ name: 'document.txt', text: '%PDF-1.7\n1 0 obj\n' });
  await expect(babelwire.file('document.txt')).toContainText(/Failed: .*text/i);
  const translation = await server.translation('document.txt');
  expect(translation.status).toBe('failed');
  expect(translation.error?.title).toBeTruthy();

  await babelwire.choose({ name: 'fine.txt', text: 'A house.\n' });
  await babelwire.isDone('fine.txt');
});

test('an empty file is no accident', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.choose({ name: 'empty.txt', text: '' });
  await expect(babelwire.file('empty.txt')).toContainText(/Done|Failed: .*empty/i);
  expect((await fetch(`${server.origin}/api/health`)).status).toBe(200);
});

test.describe('with a limit of 10,000 bytes', () => {
  test.use({ serverOptions: { more: ['--max-file-bytes', '10000'] } });

  test('a larger file is refused in words', async ({ babelwire, complaints }) => {
    // Browsers write every refused request to the console.
    complaints.networkMayFail = true;
    await babelwire.open();
    await babelwire.languages('en', 'es');
    await babelwire.choose({ name: 'large.txt', text: englishText(2) });
    await expect(babelwire.page.getByText(/large\.txt/).first()).toBeVisible();
    await expect(babelwire.page.getByRole('listitem').filter({ hasText: 'large.txt' })).toContainText(
      /too large|at most|limit/i,
    );
  });
});

// The page and the functions of AWS: the same page, and it does not notice.

import { expect, test } from '../fixtures.js';

/** Paragraphs that the fake of Translate puts accents on. */
function paragraphs(count: number): string {
  return Array.from({ length: count }, (_, index) => `Paragraph ${index + 1} of this text.\n`).join('\n');
}

/** As the fake of Translate writes what was "Paragraph". */
const TRANSLATED = /P[^a\s]\S*ph|[^\x00-\x7f]\S*\s+1\b/;

test('a dropped file goes to S3, comes back translated by the WebSocket, and is downloaded from S3', async ({
  babelwire,
  cloud,
}) => {
  const { page } = babelwire;
  const asked: string[] = [];
  page.on('request', (request) => asked.push(`${request.method()} ${request.url()}`));
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await page.evaluate(() => Reflect.set(window, 'sameDocument', true));
  const text = paragraphs(30);
  const dropped = await page.evaluateHandle((content) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([content], 'dropped.txt', { type: 'text/plain' }));
    return transfer;
  }, text);
  const target = babelwire.button('Choose text files');
  for (const event of ['dragenter', 'dragover', 'drop']) {
    await target.dispatchEvent(event, { dataTransfer: dropped });
  }
  await babelwire.isDone('dropped.txt');
  expect(await page.evaluate(() => Reflect.get(window, 'sameDocument') as unknown)).toBe(true);
  const puts = asked.filter((request) => request.startsWith(`PUT ${cloud.store}/`));
  expect(puts, 'the bytes went to the store itself').toHaveLength(1);

  await babelwire.button('Open dropped.txt').click();
  await babelwire.view('Translation');
  await expect(babelwire.reader).toContainText(/\u0159|\u0155|\u00e1|\u00e3/);

  const { filename, bytes } = await babelwire.download('dropped.txt');
  expect(filename).toBe('dropped.es.txt');
  const result = bytes.toString('utf8');
  expect(result.split('\n')).toHaveLength(text.split('\n').length);
  expect(result).not.toContain('Paragraph');
  expect(result).toMatch(TRANSLATED);

  await babelwire.button('Delete dropped.txt').click();
  await expect(babelwire.file('dropped.txt')).toHaveCount(0);
  await page.reload();
  await babelwire.isConnected();
  await expect(babelwire.file('dropped.txt')).toHaveCount(0);
});

test('what one does, the other hears by itself', async ({ babelwire, another }) => {
  await babelwire.open();
  await another.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'shared.txt', text: paragraphs(60) });
  await expect(another.file('shared.txt')).toBeVisible();
  await another.button('Open shared.txt').click();
  await another.view('Translation');
  await another.isDone('shared.txt');
  await babelwire.isDone('shared.txt');
  await expect(another.reader).toContainText(/\u0159|\u0155|\u00e1|\u00e3/);

  await another.button('Delete shared.txt').click();
  await expect(babelwire.file('shared.txt')).toHaveCount(0);

  await babelwire.openConsole();
  await another.openConsole();
  await babelwire.send('echomessage', 'good morning to all of you');
  for (const { frames } of [babelwire, another]) {
    await expect(frames).toContainText('good morning to all of you');
  }
});

test('a socket that is cut is opened again, and nothing was missed', async ({
  babelwire,
  another,
  cloud,
  complaints,
}) => {
  complaints.networkMayFail = true;
  const { page } = babelwire;
  await babelwire.open();
  await another.open();
  // The gateway tells who does not fit which connection it was.
  await babelwire.openConsole();
  await babelwire.send('no-such-action', 'x');
  await expect(babelwire.frames).toContainText('Forbidden');
  const frames = (await babelwire.frames.textContent()) ?? '';
  const id = /"connectionId":\s*"([^"]+)"/.exec(frames)?.[1];
  expect(id, frames).toBeTruthy();

  let sockets = 0;
  page.on('websocket', () => (sockets += 1));
  const cut = await fetch(`${cloud.connections}/${encodeURIComponent(id ?? '')}`, { method: 'DELETE' });
  expect(cut.status).toBe(204);
  await another.languages('en', 'es');
  await another.choose({ name: 'meanwhile.txt', text: paragraphs(10) });
  await another.isDone('meanwhile.txt');

  await babelwire.isConnected();
  expect(sockets, 'it is another socket').toBeGreaterThan(0);
  await babelwire.isDone('meanwhile.txt');
  await another.button('Delete meanwhile.txt').click();
  await expect(babelwire.file('meanwhile.txt')).toHaveCount(0);
});

// The main job: a text file goes in, its translation comes back by itself.

import { englishText, expect, lineCount, test } from '../fixtures.js';

test('a text goes in, its translation arrives live, and is done without a reload', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await expect(page.getByRole('heading', { level: 1, name: 'Babelwire' })).toBeVisible();
  await page.evaluate(() => Reflect.set(window, 'sameDocument', true));
  // Seen where it happens: by the time that a test looks, all may be done.
  await page.evaluate(() => {
    new MutationObserver(() => {
      const text = document.querySelector('[aria-labelledby="reader-region"]')?.textContent ?? '';
      const working = document.querySelector('[aria-label="Progress of licence.txt"]') !== null;
      if (working && /Licencia/i.test(text)) Reflect.set(window, 'cameLive', true);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });

  const text = englishText(25);
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'licence.txt', text });
  await babelwire.button('Open licence.txt').click();
  await expect(babelwire.reader.getByRole('heading', { name: 'licence.txt' })).toBeVisible();
  await babelwire.view('Translation');

  await expect(babelwire.reader).toContainText(/Licencia/i);
  await babelwire.isDone('licence.txt');
  expect(
    await page.evaluate(() => Reflect.get(window, 'cameLive') as unknown),
    'Spanish was on the page while there was still work to do',
  ).toBe(true);
  await expect(babelwire.file('licence.txt')).toContainText(/Done/);
  expect(await page.evaluate(() => Reflect.get(window, 'sameDocument') as unknown)).toBe(true);

  const translation = await server.translation('licence.txt');
  expect(translation).toMatchObject({ status: 'done', source: 'en', target: 'es' });
  expect(translation.done).toBe(translation.total);
  const result = await server.result(translation.id);
  const { filename, bytes } = await babelwire.download('licence.txt');
  expect(bytes.equals(result), 'the download is what REST gives').toBe(true);
  expect(filename).toMatch(/licence.*\.txt$/);
  expect(lineCount(bytes.toString('utf8'))).toBe(lineCount(text));
  expect(bytes.toString('utf8')).toMatch(/^1\.1 .*Licencia/im);
});

test('every paragraph is in its place and no line is lost', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const text = 'The white house.\r\n\r\n\r\nTwo houses.\n\n   Three houses.  \n\t\nFour\nlines\nof text.\n\n';
  await babelwire.choose({ name: 'lines.txt', text });
  await babelwire.isDone('lines.txt');
  const result = (await server.result((await server.translation('lines.txt')).id)).toString('utf8');
  expect(lineCount(result)).toBe(lineCount(text));
  const lines = result.split('\n');
  expect(lines[0]).toBe('La casa blanca.\r');
  expect(lines.slice(1, 3)).toEqual(['\r', '\r']);
  expect(lines[3]).toBe('Dos casas.');
  expect(lines[5]).toContain('Tres casas.');
  expect(result.endsWith('\n\n')).toBe(true);
});

test('several files dropped on the page are translated at once', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const dropped = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(['The red house.\n'], 'red.txt', { type: 'text/plain' }));
    transfer.items.add(new File(['The green house.\n'], 'green.txt', { type: 'text/plain' }));
    return transfer;
  });
  const target = babelwire.button('Choose text files');
  for (const event of ['dragenter', 'dragover', 'drop']) {
    await target.dispatchEvent(event, { dataTransfer: dropped });
  }
  await babelwire.isDone('red.txt');
  await babelwire.isDone('green.txt');
  const result = async (name: string) =>
    (await server.result((await server.translation(name)).id)).toString('utf8');
  expect(await result('red.txt')).toBe('La casa roja.\n');
  expect(await result('green.txt')).toBe('La casa verde.\n');
});

test('the keyboard alone leads from a file to its translation', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  /** Presses Tab until the focus is where it should be. */
  const tabTo = async (role: Parameters<typeof page.getByRole>[0], name: string) => {
    const wanted = page.getByRole(role, { name, exact: true });
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press('Tab');
      if (await wanted.evaluate((element) => element === document.activeElement)) return;
    }
    throw new Error(`Tab never reaches the ${role} ${name}`);
  };

  await expect(page.getByRole('combobox', { name: 'Translate into' })).toBeEnabled();
  await tabTo('button', 'Choose text files');
  const dialogue = page.waitForEvent('filechooser');
  await page.keyboard.press('Enter');
  await (await dialogue).setFiles({
    name: 'keys.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('A good morning.\n'),
  });
  await babelwire.isDone('keys.txt');

  await page.locator('body').evaluate((body) => {
    (document.activeElement as HTMLElement | null)?.blur();
    body.scrollTo(0, 0);
  });
  await tabTo('button', 'Open keys.txt');
  await page.keyboard.press('Enter');
  await expect(babelwire.reader.getByRole('heading', { name: 'keys.txt' })).toBeVisible();
  await tabTo('button', 'Download keys.txt');
  const coming = page.waitForEvent('download');
  await page.keyboard.press('Enter');
  await coming;
  expect((await server.translation('keys.txt')).status).toBe('done');
});

test('the reader shows source, translation, or both', async ({ babelwire }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'views.txt', text: 'The white house.\n\nThe black cat.\n' });
  await babelwire.isDone('views.txt');
  await babelwire.button('Open views.txt').click();

  await babelwire.view('Both');
  await expect(babelwire.reader.getByText('The white house.')).toBeVisible();
  await expect(babelwire.reader.getByText('La casa blanca.')).toBeVisible();
  await babelwire.view('Translation');
  await expect(babelwire.reader.getByText('La casa blanca.')).toBeVisible();
  await expect(babelwire.reader.getByText('The white house.')).toBeHidden();
  await babelwire.view('Source');
  await expect(babelwire.reader.getByText('The white house.')).toBeVisible();
  await expect(babelwire.reader.getByText('La casa blanca.')).toBeHidden();
});

test('a page that comes later shows what is there already', async ({ babelwire, server }) => {
  const made = await server.upload('earlier.txt', Buffer.from('The old book.\n'));
  await expect.poll(async () => (await server.translation('earlier.txt')).status).toBe('done');
  await babelwire.open();
  await babelwire.isDone('earlier.txt');
  await babelwire.button('Open earlier.txt').click();
  await expect(babelwire.reader).toContainText('El libro viejo.');
  expect((await server.result(made.id)).toString('utf8')).toBe('El libro viejo.\n');
});

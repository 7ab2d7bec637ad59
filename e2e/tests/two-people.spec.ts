// What one does, the other sees.

import { englishText, expect, test } from '../fixtures.js';

test('two pages see each other\'s files come, progress, finish and go', async ({ babelwire, another }) => {
  await babelwire.open();
  await another.open();
  await babelwire.languages('en', 'es');

  await babelwire.choose({ name: 'shared.txt', text: englishText(5) });
  await expect(another.file('shared.txt')).toBeVisible();
  await another.button('Open shared.txt').click();
  await another.view('Translation');
  await expect(another.reader).toContainText(/Licencia/i);
  await another.isDone('shared.txt');
  await babelwire.isDone('shared.txt');

  await another.button('Delete shared.txt').click();
  await expect(another.file('shared.txt')).toHaveCount(0);
  await expect(babelwire.file('shared.txt')).toHaveCount(0);
});

test('an echoed message reaches every page', async ({ babelwire, another }) => {
  await babelwire.open();
  await another.open();
  await babelwire.openConsole();
  await another.openConsole();
  await babelwire.send('echomessage', 'good morning to all <b>of you</b>');
  for (const { frames } of [babelwire, another]) {
    await expect(frames).toContainText('good morning to all <b>of you</b>');
    await expect(frames.locator('b', { hasText: 'of you' })).toHaveCount(0);
  }
});

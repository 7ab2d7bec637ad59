// Languages: what is offered, swapped, and reached over another one.

import { expect, test } from '../fixtures.js';

test('languages swap, and a Spanish text becomes English', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.button('Swap languages').click();
  await expect(page.getByRole('combobox', { name: 'Translate from' })).toHaveValue('es');
  await expect(page.getByRole('combobox', { name: 'Translate into' })).toHaveValue('en');
  await babelwire.choose({ name: 'casa.txt', text: 'La casa blanca es grande.\n' });
  await babelwire.isDone('casa.txt');
  const translation = await server.translation('casa.txt');
  expect(translation).toMatchObject({ source: 'es', target: 'en' });
  expect((await server.result(translation.id)).toString('utf8')).toMatch(/white house is big/);
});

test('English becomes French over Spanish, and the page says so', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'fr');
  await expect(page.getByText(/Spanish/).and(page.locator(':not(option)')).first()).toBeVisible();
  await babelwire.choose({ name: 'maison.txt', text: 'The house is big.\n' });
  await babelwire.isDone('maison.txt');
  const translation = await server.translation('maison.txt');
  expect(translation).toMatchObject({ source: 'en', target: 'fr' });
  expect((await server.result(translation.id)).toString('utf8')).toMatch(/maison est grande/);
});

test('only pairs that the backend has are offered', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  const { pairs } = (await (await server.rest('languages')).json()) as {
    pairs: { source: string; target: string; via?: string[] }[];
  };
  expect(pairs).toContainEqual({ source: 'en', target: 'es' });
  expect(pairs).toContainEqual({ source: 'en', target: 'fr', via: ['es'] });
  const values = (name: string) =>
    page
      .getByRole('combobox', { name })
      .locator('option')
      .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value).sort());
  const sources = [...new Set(pairs.map((pair) => pair.source))].sort();
  expect((await values('Translate from')).filter((value) => value !== 'auto')).toEqual(sources);
  for (const source of sources) {
    await page.getByRole('combobox', { name: 'Translate from' }).selectOption(source);
    const targets = pairs.filter((pair) => pair.source === source).map((pair) => pair.target);
    await expect.poll(() => values('Translate into')).toEqual(expect.arrayContaining(targets));
  }
});

test.describe('with the pseudo translator', () => {
  test.use({ serverOptions: { translator: 'pseudo' } });

  test('a person is told that nothing is really translated', async ({ babelwire, server }) => {
    await babelwire.open();
    await expect(babelwire.page.getByText(/pseudo translator/i).first()).toBeVisible();
    await babelwire.choose({ name: 'fake.txt', text: 'A house.\n' });
    await babelwire.isDone('fake.txt');
    const { id } = await server.translation('fake.txt');
    expect((await server.result(id)).toString('utf8')).not.toBe('A house.\n');
  });
});

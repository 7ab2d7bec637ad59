// Where things are, from the first moment on, on a phone and on a desk.

import { readFileSync, readdirSync } from 'node:fs';
import type { Locator } from '@playwright/test';
import { englishText, expect, test } from '../fixtures.js';

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

async function box(of: Locator): Promise<Box> {
  const found = await of.boundingBox();
  if (!found) throw new Error(`${of} is not to be seen`);
  return found;
}

test('everything stays where it was first shown while the page comes to life', async ({ babelwire, page, server }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await page.addInitScript(() => {
    Reflect.set(window, 'shift', 0);
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { value } = entry as PerformanceEntry & { value: number };
        Reflect.set(window, 'shift', (Reflect.get(window, 'shift') as number) + value);
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route('**/*.wasm', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(server.origin, { waitUntil: 'commit' });

  // Before any wasm: the whole shell, painted.
  await expect(page.getByRole('heading', { level: 1, name: 'Babelwire' })).toBeVisible();
  await expect(babelwire.button('Choose text files')).toBeDisabled();
  await expect(babelwire.status).toHaveText('Connecting');
  await expect(page.getByRole('progressbar', { name: 'Loading the page' })).toBeVisible();
  await expect
    .poll(() => page.evaluate(() => performance.getEntriesByName('first-contentful-paint').length))
    .toBe(1);
  const before = await box(babelwire.button('Choose text files'));

  release();
  await babelwire.isConnected();
  await expect(page.getByRole('combobox', { name: 'Translate into' })).toBeEnabled();
  await expect(page.getByRole('progressbar')).toHaveCount(0);
  expect(await box(babelwire.button('Choose text files'))).toEqual(before);
  expect(await page.evaluate(() => Reflect.get(window, 'shift') as number), 'cumulative layout shift').toBeLessThanOrEqual(0.02);
});

test('the loading bar counts the bytes that came', async ({ babelwire, page, server, context }) => {
  const network = await context.newCDPSession(page);
  await network.send('Network.enable');
  await page.addInitScript(() => {
    Reflect.set(window, 'seen', []);
    const look = () => {
      const bar = document.querySelector<HTMLProgressElement>('#loading');
      const seen = Reflect.get(window, 'seen') as number[];
      if (bar && bar.position >= 0 && bar.position !== seen.at(-1)) seen.push(bar.position);
      requestAnimationFrame(look);
    };
    look();
  });
  await network.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 20,
    downloadThroughput: 60_000,
    uploadThroughput: -1,
  });
  await page.goto(server.origin, { waitUntil: 'commit' });
  await babelwire.isConnected();
  const seen = await page.evaluate(() => Reflect.get(window, 'seen') as number[]);
  expect(seen.length, 'it moves').toBeGreaterThan(3);
  expect(seen, 'forwards').toEqual([...seen].sort((one, other) => one - other));
  expect(Math.max(...seen)).toBeLessThanOrEqual(1);
});

test('from 1024 pixels on: header, panel of files, reader', async ({ babelwire, page }) => {
  await page.setViewportSize({ width: 1024, height: 768 });
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'licence.txt', text: englishText(8) });
  await babelwire.isDone('licence.txt');
  await babelwire.button('Open licence.txt').click();
  await expect(babelwire.reader.locator('[lang=es]').first()).not.toBeEmpty();

  const title = await box(page.getByRole('heading', { level: 1 }));
  const from = await box(page.getByRole('combobox', { name: 'Translate from' }));
  const status = await box(babelwire.status);
  expect(title.x + title.width, 'title, languages').toBeLessThan(from.x);
  expect(from.x + from.width, 'languages, connection').toBeLessThan(status.x);
  expect(1024 - status.x - status.width, 'the connection is at the end').toBeLessThan(48);

  const list = await box(page.getByRole('list', { name: 'Files' }));
  const reader = await box(babelwire.reader);
  expect(list.width).toBeGreaterThan(320);
  expect(list.width, '22 rem').toBeLessThanOrEqual(22 * 16);
  expect(list.x + list.width, 'the reader is beside the files').toBeLessThanOrEqual(reader.x);
  expect(reader.x + reader.width).toBeGreaterThan(1024 - 32);
  const [source, translation] = [
    await box(babelwire.reader.locator('[lang=en]').first()),
    await box(babelwire.reader.locator('[lang=es]').first()),
  ];
  expect(Math.abs(source.y - translation.y), 'a pair is side by side').toBeLessThan(2);
  expect(source.x + source.width).toBeLessThanOrEqual(translation.x);

  // The page stands still: panel and text scroll by themselves.
  const page_ = await page.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
  expect(page_[0]).toBeLessThanOrEqual(page_[1] ?? 0);
});

test('on a phone: one column, the list or the reader, and room for a thumb', async ({ babelwire, page }) => {
  await page.setViewportSize({ width: 375, height: 667 });
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'house.txt', text: 'The white house.\n\nThe old tree.\n' });
  await babelwire.isDone('house.txt');

  const small = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('button, a[href], select, summary, input')]
      .filter((element) => element.checkVisibility() && element.getClientRects().length > 0)
      .filter((element) => !element.matches('.visually-hidden, input[type=checkbox], input[type=radio]'))
      .map((element) => ({ name: element.getAttribute('aria-label') ?? element.innerText, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 44 || box.height < 44)
      .map(({ name, box }) => `${name}: ${box.width} by ${box.height}`),
  );
  expect(small, 'targets below 44 pixels').toEqual([]);

  await babelwire.button('Open house.txt').click();
  await expect(babelwire.reader.locator('[lang=es]').first()).not.toBeEmpty();
  await expect(page.getByRole('list', { name: 'Files' }), 'the list made room').toBeHidden();
  const [source, translation] = [
    await box(babelwire.reader.locator('[lang=en]').first()),
    await box(babelwire.reader.locator('[lang=es]').first()),
  ];
  expect(translation.y, 'a pair is stacked').toBeGreaterThanOrEqual(source.y + source.height);
  expect(Math.abs(source.x - translation.x)).toBeLessThan(2);
});

test('the header of the narrowest page leaves the page to the work', async ({ babelwire, page }) => {
  await page.setViewportSize({ width: 320, height: 568 });
  await babelwire.open();
  expect((await box(page.getByRole('banner'))).height).toBeLessThanOrEqual(120);
  await expect(babelwire.button('Choose text files')).toBeInViewport();
});

test('nothing moves for whoever asked for that', async ({ babelwire, page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'book.txt', text: englishText(40) });
  await expect(babelwire.progress('book.txt')).toBeVisible();
  const endless = await page.evaluate(() =>
    document
      .getAnimations()
      .filter((animation) => animation.effect?.getComputedTiming().iterations === Infinity)
      .map((animation) => (animation as CSSAnimation).animationName),
  );
  expect(endless).toEqual([]);
});

test('chosen colours replace the page\'s own, and the chosen view can still be told', async ({ babelwire, page }) => {
  await page.emulateMedia({ forcedColors: 'active' });
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'house.txt', text: 'The white house.\n' });
  await babelwire.isDone('house.txt');
  await babelwire.button('Open house.txt').click();
  await babelwire.view('Translation');
  const looks = await page
    .getByRole('radiogroup', { name: 'View' })
    .getByRole('radio')
    .evaluateAll((radios) =>
      radios.map((radio) => ({
        checked: (radio as HTMLInputElement).checked,
        background: getComputedStyle(radio.nextElementSibling ?? radio).backgroundColor,
      })),
    );
  const chosen = looks.filter(({ checked }) => checked).map(({ background }) => background);
  const others = looks.filter(({ checked }) => !checked).map(({ background }) => background);
  expect(chosen).toHaveLength(1);
  expect(others).not.toContain(chosen[0]);
});

test('the styles name no side but start and end, so that a page from right to left is mirrored', () => {
  const folder = new URL('../../styles/', import.meta.url);
  const physical =
    /(?<![\w-])(?:(?:margin|padding|border|scroll-margin|scroll-padding)-(?:left|right|top|bottom)\b|(?:left|right|top|bottom|width|height|min-width|max-width|min-height|max-height|overflow-x|overflow-y)\s*:|(?:float|clear|text-align)\s*:\s*(?:left|right)|border-(?:top|bottom)-(?:left|right)-radius)/;
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.css'))) {
    const styles = readFileSync(new URL(name, folder), 'utf8').replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/.+/g, ''));
    const lines = styles.split('\n');
    const found = lines.flatMap((line, place) => (physical.test(line) ? [`${name}:${place + 1}: ${line.trim()}`] : []));
    expect(found).toEqual([]);
  }
});

test('a trap in the page\'s own wasm is told, and nothing looks alive that is not', async ({
  babelwire,
  complaints,
}) => {
  const { page, server } = babelwire;
  await page.addInitScript(() => {
    const streaming = WebAssembly.instantiateStreaming.bind(WebAssembly);
    WebAssembly.instantiateStreaming = async (source, imports) => {
      const result = await streaming(source, imports);
      Reflect.set(window, 'exported', Object.values(result.instance.exports));
      return result;
    };
  });
  await page.goto(server.origin);
  await expect(page.locator(':root')).toHaveAttribute('data-connection', 'open');
  // Called with addresses that are far out of its memory, one of its functions does trap.
  await page.evaluate(() => {
    for (const call of Reflect.get(window, 'exported') as unknown[]) {
      if (typeof call === 'function') setTimeout(() => call(0xfffffff0, 0xfffffff0, 0xfffffff0, 0xfffffff0));
    }
  });
  await expect(page.getByRole('alert')).toContainText('This page stopped working');
  await expect(page.getByRole('button', { name: 'Choose text files' })).toBeHidden();
  await expect(page.getByRole('link', { name: 'Reload' })).toBeVisible();
  expect(complaints.all.join()).toMatch(/page error/);
  complaints.all.length = 0;
  await page.getByRole('link', { name: 'Reload' }).click();
  await expect(page.locator(':root')).toHaveAttribute('data-connection', 'open');
  complaints.all.length = 0;
});

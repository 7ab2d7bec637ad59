// The page in the languages that it speaks, as people who read them meet it.

import { readFileSync } from 'node:fs';
import type { Locator, Page } from '@playwright/test';
import { englishText, expect, test } from '../fixtures.js';

const root = new URL('../../', import.meta.url);

/** The English texts by name, out of the catalogue itself. */
const english = new Map(
  [...readFileSync(new URL('src/words/texts.rs', root), 'utf8').matchAll(/^ {4}(\w+) = ("(?:[^"\\]|\\.)*"),$/gm)].map(
    ([, name = '', text = '""']) => [name, JSON.parse(text) as string],
  ),
);

/** A language's texts by name. */
class Words {
  private readonly texts: Record<string, string>;

  constructor(readonly tag: string) {
    const file = readFileSync(new URL(`locales/${tag}.json`, root), 'utf8');
    this.texts = (JSON.parse(file) as { texts: Record<string, string> }).texts;
  }

  /** A text with its blanks filled in, to be found whether or not names are set apart from their
   * surroundings by direction. */
  say(name: string, ...parts: string[]): RegExp {
    const text = this.texts[name];
    if (text === undefined) throw new Error(`there is no text ${name}`);
    const [before = '', ...rest] = text.split(/(\{\d\})/);
    const pattern = rest
      .map((piece) => {
        const blank = /^\{(\d)\}$/.exec(piece);
        return blank ? `[\u2066-\u2069]?${escaped(parts[Number(blank[1])] ?? '')}[\u2066-\u2069]?` : escaped(piece);
      })
      .join('');
    return new RegExp(`^${escaped(before)}${pattern}$`);
  }

  /** What is English where it should not be: texts that this language has no such text for. */
  english(shown: string[]): string[] {
    const foreign = patterns(english.values());
    const own = patterns(Object.values(this.texts));
    const matches = (all: RegExp[], text: string) => all.some((pattern) => pattern.test(text));
    return shown.filter((text) => matches(foreign, text) && !matches(own, text));
  }
}

/** What finds each form of some texts with its blanks filled in. Not those of nothing but blanks, or
 * a unit: they are of any language. */
function patterns(texts: Iterable<string>): RegExp[] {
  return [...texts]
    .flatMap((text) => text.split('|'))
    .filter((form) => form.replace(/\{\d\}|\P{L}/gu, '').length > 2)
    .map((form) => new RegExp(`^${form.split(/\{\d\}/).map(escaped).join('.+')}$`));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** All that the page says, to eyes and to ears: texts, names, titles; but not what came from
 * elsewhere, such as the texts of files. */
function shown(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const texts: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ALL);
    for (let node: Node | null = walker.currentNode; node; node = walker.nextNode()) {
      const element = node instanceof Element ? node : node.parentElement;
      if (!element || element.closest('[lang]:not(html), code, bdi, script, style, noscript')) continue;
      if (node instanceof Text) texts.push(node.data);
      if (node instanceof Element) {
        for (const name of ['aria-label', 'title', 'placeholder', 'alt']) texts.push(node.getAttribute(name) ?? '');
      }
    }
    return [...new Set(texts.map((text) => text.trim()).filter(Boolean))];
  });
}

/** Choosing the language of the page, whatever it speaks now. */
function choice(page: Page): Locator {
  return page.locator('select').filter({ has: page.locator('option[lang=ar]') });
}

const languages = [
  { tag: 'es', locale: 'es-MX', direction: 'ltr' },
  { tag: 'de', locale: 'de-AT', direction: 'ltr' },
  { tag: 'ar', locale: 'ar-EG', direction: 'rtl' },
];

for (const { tag, locale, direction } of languages) {
  test.describe(`somebody who reads ${tag}`, () => {
    test.use({ locale, viewport: { width: 1280, height: 800 } });

    test('is spoken to in that language, from choosing a file to deleting it', async ({ babelwire, server }) => {
      const { page } = babelwire;
      const words = new Words(tag);
      const button = (name: string, file: string) => page.getByRole('button', { name: words.say(name, file) });
      await page.goto(server.origin);
      await expect(page.locator(':root')).toHaveAttribute('lang', tag);
      await expect(page.locator(':root')).toHaveAttribute('dir', direction);
      await expect(page.getByRole('status').filter({ hasText: words.say('Connected') })).toBeVisible();
      await expect(choice(page)).toHaveValue(tag);
      await page.getByRole('combobox', { name: words.say('TranslateFrom') }).selectOption('en');
      await page.getByRole('combobox', { name: words.say('TranslateInto') }).selectOption('es');
      expect(words.english(['Open house.txt', 'Done, 33 paragraphs'])).toHaveLength(2);
      expect(words.english(await shown(page))).toEqual([]);

      await babelwire.choose({ name: 'house.txt', text: englishText() });
      await expect(button('DownloadFile', 'house.txt')).toBeVisible({ timeout: 60_000 });
      expect(words.english(await shown(page))).toEqual([]);

      await button('OpenFile', 'house.txt').click();
      await expect(page.getByRole('region', { name: words.say('Reader') })).toBeVisible();
      await expect(page.getByRole('radio', { name: words.say('Both') })).toBeChecked();
      await page.getByRole('button', { name: words.say('Console'), exact: true }).click();
      await expect(page.getByRole('log', { name: words.say('Frames') })).toBeVisible();
      expect(words.english(await shown(page))).toEqual([]);

      await button('DeleteFile', 'house.txt').click();
      await expect(button('DeleteFile', 'house.txt')).toHaveCount(0);
      expect(words.english(await shown(page))).toEqual([]);
    });

    test('is told why a file is refused, without a word of the server’s English', async ({ babelwire, server }) => {
      const { page } = babelwire;
      const words = new Words(tag);
      await page.goto(server.origin);
      await expect(page.getByRole('combobox', { name: words.say('TranslateInto') })).toBeEnabled();
      // A picture that passes for text until the backend looks at it.
      const text = Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.from('plain so far\n'.repeat(6_000)), Buffer.from([0, 1, 2])]);
      await babelwire.choose({ name: 'paper.txt', text });
      await expect(page.getByRole('button', { name: words.say('RetryFile', 'paper.txt') })).toBeVisible();
      const said = await shown(page);
      expect(words.english(said)).toEqual([]);
      expect(said.join('\n')).not.toMatch(/\b(the|file|error|invalid)\b/i);
    });
  });
}

test.describe('with room for two columns', () => {
  test.use({ viewport: { width: 1280, height: 800 } });

  test('Arabic is mirrored: the files are on the right, the text on their left', async ({ babelwire }) => {
    const { page } = babelwire;
    await babelwire.open();
    await babelwire.choose({ name: 'a.txt', text: 'The house.\n' });
    await babelwire.isDone('a.txt');
    await babelwire.button('Open a.txt').click();
    await expect(babelwire.reader).toBeVisible();
    const isBefore = async () => {
      const [files, reader] = await Promise.all([
        page.locator('ul.files').boundingBox(),
        page.locator('.reader').boundingBox(),
      ]);
      return files!.x + files!.width <= reader!.x;
    };
    const isAfter = async () => {
      const [files, reader] = await Promise.all([
        page.locator('ul.files').boundingBox(),
        page.locator('.reader').boundingBox(),
      ]);
      return reader!.x + reader!.width <= files!.x;
    };
    expect(await isBefore()).toBe(true);
    await choice(page).selectOption('ar');
    await expect(page.locator(':root')).toHaveAttribute('dir', 'rtl');
    await expect.poll(isAfter).toBe(true);
    // A translation into Spanish goes on being written from left to right.
    const cell = page.locator('.reader [lang=es]').first();
    expect(await cell.evaluate((element) => getComputedStyle(element).direction)).toBe('ltr');
  });
});

test('a chosen language is spoken at once, and at the next visit', async ({ babelwire }) => {
  const { page } = babelwire;
  await babelwire.open();
  const words = new Words('de');
  await choice(page).focus();
  await choice(page).selectOption('de');
  await expect(page.getByRole('button', { name: words.say('ChooseFiles') })).toBeVisible();
  await expect(page.locator(':root')).toHaveAttribute('lang', 'de');
  await expect(choice(page)).toBeFocused();
  await page.reload();
  await expect(page.getByRole('button', { name: words.say('ChooseFiles') })).toBeVisible();
  await expect(choice(page)).toHaveValue('de');
  await choice(page).selectOption('en');
  await expect(babelwire.button('Choose text files')).toBeVisible();
  await page.reload();
  await babelwire.isConnected();
  await expect(page.locator(':root')).toHaveAttribute('lang', 'en');
});

test('a language that cannot be fetched leaves the page as it is, and is tried again', async ({
  babelwire,
  complaints,
}) => {
  const { page } = babelwire;
  complaints.networkMayFail = true;
  await babelwire.open();
  await page.route('**/locales/de.json', (route) => route.abort());
  await choice(page).selectOption('de');
  await expect(page.getByText(english.get('InterfaceLanguageMissing')!)).toBeVisible();
  await expect(choice(page)).toHaveValue('en');
  await babelwire.isConnected();
  await page.unroute('**/locales/de.json');
  await choice(page).selectOption('de');
  await expect(page.locator(':root')).toHaveAttribute('lang', 'de');
});

test('an old copy of a language, of another version of the page, is not spoken', async ({ babelwire }) => {
  const { page } = babelwire;
  await babelwire.open();
  const file = readFileSync(new URL('locales/de.json', root), 'utf8');
  await page.route('**/locales/de.json', (route) =>
    route.fulfill({ body: file.replace(/"fingerprint": "\w+"/, '"fingerprint": "00000000"') }),
  );
  await choice(page).selectOption('de');
  await expect(page.getByText(english.get('InterfaceLanguageMissing')!)).toBeVisible();
  await babelwire.isConnected();
});

test.describe('somebody whose languages the page does not speak', () => {
  test.use({ locale: 'fi-FI' });

  test('reads English', async ({ babelwire }) => {
    await babelwire.open();
    await expect(babelwire.page.locator(':root')).toHaveAttribute('lang', 'en');
    await expect(babelwire.page.locator(':root')).toHaveCSS('direction', 'ltr');
  });
});

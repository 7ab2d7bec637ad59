// Everything can be done with a keyboard, and one always sees where one is.

import type { Page } from '@playwright/test';
import { englishText, expect, test } from '../fixtures.js';

type Role = Parameters<Page['getByRole']>[0];

/** Somebody with a keyboard and no pointer. */
class Typist {
  constructor(private readonly page: Page) {}

  /** What has the focus, in words; throws when nothing has it or nobody can see that it does. */
  async focused(): Promise<string> {
    const focus = await this.page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return undefined;
      // A field that is drawn by another element shows its focus there.
      const shown = [element, ...(element.nextElementSibling ? [element.nextElementSibling] : [])];
      const visible = shown.some((one) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(one);
        return outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2;
      });
      const box = element.getBoundingClientRect();
      const seen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
      return {
        name: element.getAttribute('aria-label') ?? element.textContent?.trim() ?? '',
        tag: element.tagName,
        visible,
        seen,
      };
    });
    if (!focus) throw new Error('the focus is lost');
    expect(focus.visible, `the focus on ${focus.tag} “${focus.name}” can be seen`).toBe(true);
    expect(focus.seen, `${focus.tag} “${focus.name}” is on the screen`).toBe(true);
    return focus.name;
  }

  /** Waits until the focus is on something of that name. */
  async isOn(name: string | RegExp): Promise<void> {
    await expect(async () => {
      expect(await this.focused()).toEqual(typeof name === 'string' ? name : expect.stringMatching(name));
    }, `the focus is on ${name}`).toPass({ timeout: 10_000 });
  }

  /** Presses Tab until the focus is there, and sees it all the way. */
  async tabTo(role: Role, name: string, back = false): Promise<void> {
    const wanted = this.page.getByRole(role, { name, exact: true });
    for (let presses = 0; presses < 80; presses++) {
      await this.page.keyboard.press(back ? 'Shift+Tab' : 'Tab');
      const there = await wanted.evaluateAll((all) => all.some((element) => element === document.activeElement));
      if (there) {
        await this.focused();
        return;
      }
    }
    throw new Error(`Tab never reaches the ${role} ${name}`);
  }

  async press(key: string): Promise<void> {
    await this.page.keyboard.press(key);
  }
}

test('from choosing a file to deleting it, without a pointer', async ({ babelwire, page, server }) => {
  const typist = new Typist(page);
  await babelwire.open();
  await expect(page.getByRole('combobox', { name: 'Translate into' })).toBeEnabled();

  await typist.tabTo('combobox', 'Translate into');
  await babelwire.languages('en', 'es');
  await typist.tabTo('button', 'Choose text files');
  for (const name of ['first.txt', 'second.txt']) {
    const dialogue = page.waitForEvent('filechooser');
    await typist.press('Enter');
    await (await dialogue).setFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(`The ${name}.\n\nA good morning.\n`) });
    await babelwire.isDone(name);
    await typist.isOn('Choose text files');
  }

  await typist.tabTo('button', 'Open first.txt');
  await typist.press('Enter');
  await expect(babelwire.reader.getByRole('heading', { name: 'first.txt' })).toBeVisible();
  await expect(babelwire.reader.getByRole('heading', { name: 'first.txt' })).toBeFocused();
  const views = page.getByRole('radiogroup', { name: 'View' });
  await typist.tabTo('radio', 'Both');
  await typist.press('ArrowRight');
  await expect(views.getByRole('radio', { name: 'Translation' })).toBeChecked();
  await typist.focused();

  await typist.tabTo('button', 'Download first.txt', true);
  for (const key of ['Enter', 'Space']) {
    const coming = page.waitForEvent('download');
    await typist.press(key);
    expect((await coming).suggestedFilename()).toContain('first');
  }

  await typist.tabTo('button', 'Delete second.txt', true);
  await typist.press('Enter');
  await expect(babelwire.file('second.txt')).toHaveCount(0);
  await typist.isOn(/first\.txt/);
  await typist.tabTo('button', 'Delete first.txt');
  await typist.press('Enter');
  await expect(babelwire.file('first.txt')).toHaveCount(0);
  await typist.isOn('Choose text files');
  await expect.poll(async () => (await server.translations()).length).toBe(0);
});

test('a button that goes under one\'s finger leaves the focus with its file', async ({ babelwire, page }) => {
  const typist = new Typist(page);
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'book.txt', text: englishText(60) });
  await expect(babelwire.button('Open book.txt')).toBeVisible();
  await typist.tabTo('button', 'Cancel book.txt');
  await typist.press('Enter');
  await expect(babelwire.button('Retry book.txt')).toBeVisible();
  await typist.isOn(/book\.txt/);
  await typist.tabTo('button', 'Retry book.txt', true);
  await typist.press('Enter');
  await expect(babelwire.button('Cancel book.txt')).toBeVisible();
  await typist.isOn(/book\.txt/);
});

test('a closed reader gives the focus back to its file', async ({ babelwire, page }) => {
  const typist = new Typist(page);
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'house.txt', text: 'The white house.\n' });
  await babelwire.isDone('house.txt');
  await typist.tabTo('button', 'Open house.txt');
  await typist.press('Enter');
  await expect(babelwire.reader.getByRole('heading', { name: 'house.txt' })).toBeFocused();
  await typist.tabTo('button', 'Close', true);
  await typist.press('Enter');
  await expect(babelwire.reader).toHaveCount(0);
  await typist.isOn('Open house.txt');
});

test('the console is opened, used and closed with the keyboard', async ({ babelwire, page }) => {
  const typist = new Typist(page);
  await babelwire.open();
  await typist.tabTo('button', 'Console');
  await typist.press('Enter');
  await expect(babelwire.console).toBeVisible();
  await typist.isOn('Console');
  await typist.tabTo('textbox', 'Data');
  await page.keyboard.type('good morning');
  await typist.press('Enter');
  await expect(babelwire.frames.getByText('good morning')).not.toHaveCount(0);
  await typist.focused();
  await typist.tabTo('button', 'Console', true);
  await typist.press('Enter');
  await expect(babelwire.console).toHaveCount(0);
  await typist.isOn('Console');
});

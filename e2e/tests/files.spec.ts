// Files: how they come in, what is said of them, and how they leave.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Page } from '@playwright/test';
import iconv from 'iconv-lite';
import { type Babelwire, expect, test as base } from '../fixtures.js';

const test = base.extend<{ folder: string }>({
  /** A folder on the disk. */
  folder: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), 'babelwire-files-'));
    await use(folder);
    rmSync(folder, { recursive: true });
  },
});

/** Writes a file, with its folders. */
function write(path: string, content: string | Buffer = 'The white house.\n'): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** Drops files and folders of the disk as a person does: the page gets what the system has. */
async function drop(page: Page, ...paths: string[]): Promise<void> {
  const client = await page.context().newCDPSession(page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await client.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
  }
  await client.detach();
}

async function paste(page: Page, text: string, into = 'body'): Promise<void> {
  await page.locator(into).evaluate((element, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', text);
    element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  }, text);
}

/** Follows the tasks of the page's main thread by the processor's clock: what else the machine does
 * makes none of them longer. Call the answer to end it: milliseconds of the longest, and by how much
 * the machine stretches time. */
async function traceTasks(page: Page): Promise<() => Promise<{ longest: number; crowding: number }>> {
  interface Traced {
    ph: string;
    name: string;
    pid: number;
    tid: number;
    dur?: number;
    tdur?: number;
    args?: { name?: string };
  }
  const client = await page.context().browser()!.newBrowserCDPSession();
  const events: Traced[] = [];
  client.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as Traced[])));
  await client.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['toplevel', '__metadata'], excludedCategories: ['*'] },
  });
  return async () => {
    const complete = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve));
    await client.send('Tracing.end');
    await complete;
    await client.detach();
    const main = new Set(
      events
        .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
        .map(({ pid, tid }) => `${pid} ${tid}`),
    );
    const tasks = events.filter(
      ({ ph, name, pid, tid }) => ph === 'X' && name.endsWith('RunTask') && main.has(`${pid} ${tid}`),
    );
    expect(tasks.length, 'tasks were traced').toBeGreaterThan(100);
    const sum = (which: 'dur' | 'tdur') => tasks.reduce((sum, task) => sum + (task[which] ?? 0), 0);
    return {
      longest: Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1_000,
      crowding: Math.max(1, sum('dur') / sum('tdur')),
    };
  };
}

const list = (page: Page) => page.getByRole('list', { name: 'Files' });
const notice = (page: Page) => page.getByRole('alert');

async function names(babelwire: Babelwire): Promise<string[]> {
  return (await babelwire.server.translations()).map((translation) => translation.name).sort();
}

test('a folder is dropped, and every text in it is translated under its path', async ({ babelwire, folder }) => {
  const { page } = babelwire;
  write(join(folder, 'trip', 'notes.txt'));
  write(join(folder, 'trip', 'day 1', 'b.txt'));
  write(join(folder, 'trip', 'day 1', 'a.txt'));
  write(join(folder, 'trip', 'day 1', 'beach.jpg'), Buffer.from('ffd8ffe000104a464946000101', 'hex'));
  write(join(folder, 'trip', 'day 2', 'nothing.txt'), '');
  write(join(folder, 'trip', '.DS_Store'), Buffer.alloc(64));
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await drop(page, join(folder, 'trip'));
  await babelwire.isDone('trip/notes.txt');
  await babelwire.isDone('trip/day 1/a.txt');
  await babelwire.isDone('trip/day 1/b.txt');
  await expect(notice(page)).toContainText('2 files of the folder have no text and were left out.');
  await expect(list(page).getByRole('listitem')).toHaveCount(3);
  await expect(list(page).getByRole('listitem').first()).toContainText('trip/day 1/a.txt');
  expect(await names(babelwire)).toEqual(['trip/day 1/a.txt', 'trip/day 1/b.txt', 'trip/notes.txt']);
});

test('a folder is chosen with a button of its own', async ({ babelwire, folder }) => {
  const { page } = babelwire;
  write(join(folder, 'poems', 'one.txt'));
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const dialogue = page.waitForEvent('filechooser');
  await babelwire.button('Choose a folder').click();
  await (await dialogue).setFiles(join(folder, 'poems'));
  await babelwire.isDone('poems/one.txt');
});

test('a folder without a file says so', async ({ babelwire, folder }) => {
  mkdirSync(join(folder, 'empty'));
  await babelwire.open();
  await drop(babelwire.page, join(folder, 'empty'));
  await expect(notice(babelwire.page)).toContainText('There is no file in it.');
});

test('pasted text becomes a file, and text pasted into a field does not', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await paste(page, 'The green house.\n');
  await babelwire.isDone('Pasted text.txt');
  const { id } = await server.translation('Pasted text.txt');
  expect((await server.result(id)).toString('utf8')).toBe('La casa verde.\n');
  await babelwire.openConsole();
  await paste(page, 'not for you', '#console input >> nth=0');
  await paste(page, 'The red house.\n');
  await babelwire.isDone('Pasted text 2.txt');
  expect(await server.translations()).toHaveLength(2);
});

test('a file that is in the list already is said and skipped, and a changed one is not', async ({
  babelwire,
  folder,
}) => {
  const { page } = babelwire;
  const paths = ['a.txt', 'b.txt', 'c.txt'].map((name) => write(join(folder, name)));
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.fileInput.setInputFiles(paths);
  for (const name of ['a.txt', 'b.txt', 'c.txt']) await babelwire.isDone(name);
  await babelwire.fileInput.setInputFiles(paths);
  await expect(notice(page)).toContainText('3 files are here already and were skipped.');
  await expect(list(page).getByRole('listitem')).toHaveCount(3);
  utimesSync(paths[0]!, new Date(), new Date(Date.now() - 60_000));
  await babelwire.fileInput.setInputFiles(paths);
  await expect(notice(page)).toContainText('2 files are here already and were skipped.');
  await expect(list(page).getByRole('listitem')).toHaveCount(4);
});

test('an empty file and a picture are told apart from text before anything is sent', async ({ babelwire }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose(
    { name: 'empty.txt', text: '' },
    { name: 'picture.txt', text: Buffer.from('89504e470d0a1a0a0000000d4948445200000200', 'hex') },
    { name: 'text.txt', text: 'The house.\n' },
  );
  await expect(babelwire.file('empty.txt')).toContainText('Failed: The file is empty.');
  await expect(babelwire.file('picture.txt')).toContainText('Failed: This is not a text file.');
  await babelwire.isDone('text.txt');
  expect(await names(babelwire)).toEqual(['text.txt']);
  for (const name of ['empty.txt', 'picture.txt']) {
    await expect(babelwire.button(`Retry ${name}`)).toHaveCount(0);
  }
});

test('a file in an old encoding shows what it was read as, and is read otherwise when somebody says so', async ({
  babelwire,
  server,
}) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  // Too little to be sure of.
  const text = 'Żółw śpi.\n';
  await babelwire.choose({ name: 'old.txt', text: iconv.encode(text, 'iso-8859-2') });
  await babelwire.isDone('old.txt');
  const file = babelwire.file('old.txt');
  await file.getByText(/^(Looks like|Read as) .*Wrong\? Change it\.$/).click();
  const choice = babelwire.page.getByRole('combobox', { name: 'Encoding of old.txt' });
  // Each choice says what the first line would be.
  await expect(choice.getByRole('option', { name: 'ISO-8859-2: Żółw śpi.' })).toHaveCount(1);
  await choice.selectOption('KOI8-R');
  await expect.poll(async () => (await server.translations()).map(({ charset }) => charset)).toEqual(['KOI8-R']);
  await babelwire.isDone('old.txt');
  await choice.selectOption('ISO-8859-2');
  await expect.poll(async () => (await server.translations()).map(({ charset }) => charset)).toEqual(['ISO-8859-2']);
  await babelwire.isDone('old.txt');
  await expect(list(babelwire.page).getByRole('listitem')).toHaveCount(1);
  await expect(file).toContainText('Żółw śpi.');
});

test('one file goes into two languages, each in a row of its own', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.button('More languages').click();
  const more = page.getByRole('group', { name: 'Also translate into' });
  const other = more.getByRole('checkbox').first();
  await other.check();
  const name = ((await more.locator('label').first().textContent()) ?? '').trim();
  await babelwire.button('More languages').click();
  await expect(more).toHaveCount(0);
  await expect(babelwire.button(`Remove ${name}`)).toBeVisible();

  await babelwire.choose({ name: 'both.txt', text: 'The white house.\n' });
  const rows = list(page).getByRole('listitem');
  await expect(rows).toHaveCount(2);
  await expect(rows.filter({ hasText: 'Spanish' })).toContainText(/Done/);
  await expect(rows.filter({ hasText: name })).toContainText(/Done/);
  const targets = (await server.translations()).map(({ target }) => target);
  expect(new Set(targets).size).toBe(2);

  await babelwire.button(`Remove ${name}`).click();
  await babelwire.choose({ name: 'one.txt', text: 'The red house.\n' });
  await babelwire.isDone('one.txt');
  expect(await server.translations()).toHaveLength(3);
});

test('all results come in one archive that any program unpacks, each under its path', async ({
  babelwire,
  folder,
}) => {
  const { page } = babelwire;
  write(join(folder, 'trip', 'may.txt'), 'The white house.\n');
  write(join(folder, 'trip', 'day 1', 'may.txt'), 'The green house.\n'.repeat(200));
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await drop(page, join(folder, 'trip'));
  await babelwire.isDone('trip/may.txt');
  await babelwire.isDone('trip/day 1/may.txt');
  await babelwire.choose({ name: 'año ../may.txt', text: 'The red house.\n' });
  await expect(page.getByText('3 files, 3 done')).toBeVisible({ timeout: 60_000 });
  const coming = page.waitForEvent('download');
  await babelwire.button('Download all').click();
  const download = await coming;
  expect(download.suggestedFilename()).toBe('Babelwire.zip');
  const script = `import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
print(json.dumps({entry.filename: archive.read(entry).decode() for entry in archive.infolist()}))`;
  const unpacked = JSON.parse(
    execFileSync('python3', ['-c', script, await download.path()], { encoding: 'utf8' }),
  ) as Record<string, string>;
  expect(Object.keys(unpacked).sort()).toEqual(
    ['may.es.txt', 'trip/day 1/may.es.txt', 'trip/may.es.txt'].map((path) =>
      path === 'may.es.txt' ? expect.stringMatching(/may\.es\.txt$/) : path,
    ),
  );
  expect(unpacked['trip/may.es.txt']).toBe('La casa blanca.\n');
  expect(unpacked['trip/day 1/may.es.txt']).toBe('La casa verde.\n'.repeat(200));
});

test('a deletion is undone in time, by keyboard, and the file stays on the server', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'dear.txt', text: 'A dear text.\n' });
  await babelwire.isDone('dear.txt');
  await babelwire.button('Delete dear.txt').focus();
  await page.keyboard.press('Enter');
  const undo = babelwire.button('Undo deleting dear.txt');
  await expect(undo).toBeVisible();
  await page.keyboard.press('Shift+Tab');
  await expect(undo).toBeFocused();
  // Whoever is at it is not hurried: it is there long after its time.
  await page.waitForTimeout(4_000);
  await page.keyboard.press('Enter');
  await expect(babelwire.button('Open dear.txt')).toBeVisible();
  expect(await server.translations()).toHaveLength(1);
});

test('whoever leaves the page right after deleting has deleted', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'gone.txt', text: 'A text.\n' });
  await babelwire.isDone('gone.txt');
  await babelwire.button('Delete gone.txt').click();
  await expect(babelwire.button('Undo deleting gone.txt')).toBeVisible();
  await babelwire.page.goto('about:blank');
  await expect.poll(() => server.translations()).toEqual([]);
});

test('after a deletion the focus is on the next file, and after the last on what brings new ones', async ({
  babelwire,
}) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  await babelwire.choose({ name: 'first.txt', text: 'A text.\n' }, { name: 'second.txt', text: 'A text!\n' });
  await babelwire.isDone('first.txt');
  await babelwire.isDone('second.txt');
  await babelwire.button('Delete first.txt').focus();
  // Once for a moment to undo it, once more for at once.
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await expect(babelwire.file('first.txt')).toHaveCount(0);
  await expect(babelwire.button('Open second.txt')).toBeFocused();
  await babelwire.button('Delete second.txt').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await expect(babelwire.file('second.txt')).toHaveCount(0);
  await expect(babelwire.button('Choose text files')).toBeFocused();
});

test('files wait while the device is offline, say so, and go on by themselves', async ({
  babelwire,
  context,
  complaints,
}) => {
  complaints.networkMayFail = true;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  // All of the page is here by then.
  await babelwire.choose({ name: 'before.txt', text: 'A text.\n' });
  await babelwire.isDone('before.txt');
  await context.setOffline(true);
  await expect(babelwire.status).toHaveText(/^\s*You are offline/);
  await babelwire.choose({ name: 'later.txt', text: 'The white house.\n' });
  await expect(babelwire.file('later.txt')).toContainText('Waits until you are online');
  await context.setOffline(false);
  await babelwire.isDone('later.txt');
});

test('what is done of a cancelled translation can be downloaded', async ({ babelwire, server }) => {
  const { page } = babelwire;
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const text = Array.from({ length: 6_000 }, (_, index) => `${index} The white house is large.\n`).join('');
  await babelwire.choose({ name: 'long.txt', text });
  await expect.poll(async () => (await server.translations())[0]?.done ?? 0).toBeGreaterThan(0);
  await babelwire.button('Cancel long.txt').click();
  const part = babelwire.button('Download what is done of long.txt');
  await expect(part).toHaveText('Download what is done');
  const coming = page.waitForEvent('download');
  await part.click();
  const path = await (await coming).path();
  const lines = execFileSync('wc', ['-l', path], { encoding: 'utf8' });
  expect(parseInt(lines, 10), 'every line is there, in one language or the other').toBe(6_000);
});

test('a thousand files are dropped: the first row is there at once, and nothing stalls', async ({
  babelwire,
  folder,
}) => {
  test.setTimeout(240_000);
  const { page } = babelwire;
  for (let index = 0; index < 1_000; index++) {
    write(join(folder, 'many', `${String(index).padStart(4, '0')}.txt`), `House ${index}.\n`);
  }
  await babelwire.open();
  await babelwire.languages('en', 'es');
  // What a first file fetches, and compiles, is not what is measured here.
  await babelwire.choose({ name: 'warm.txt', text: 'A house.\n' });
  await babelwire.isDone('warm.txt');
  await page.evaluate(() => {
    const seen = { dropped: 0, first: 0, nodes: 0 };
    Reflect.set(window, 'seen', seen);
    addEventListener('drop', () => (seen.dropped = performance.now()), { capture: true });
    const files = document.querySelector('[aria-label="Files"]')!;
    new MutationObserver(() => {
      if (seen.dropped > 0 && seen.first === 0 && files.children.length > 1) seen.first = performance.now();
      seen.nodes = Math.max(seen.nodes, files.querySelectorAll('li').length);
    }).observe(files, { childList: true });
  });
  const tasks = await traceTasks(page);
  await drop(page, join(folder, 'many'));
  const items = list(page).getByRole('listitem');
  await expect(items.first()).toContainText('many/0000.txt');
  await expect(items.first()).toHaveAttribute('aria-setsize', '1001');
  await expect(items.first()).toHaveAttribute('aria-posinset', '1');

  // To the end, the middle and back: the rows that belong there.
  const last = babelwire.button('Delete warm.txt');
  const panel = page.locator('.side');
  await panel.evaluate((side) => side.scrollTo(0, side.scrollHeight));
  await expect(async () => {
    await panel.evaluate((side) => side.scrollTo(0, side.scrollHeight));
    await expect(last).toBeInViewport({ timeout: 500 });
  }).toPass();
  await panel.evaluate((side) => side.scrollTo(0, side.scrollHeight / 2));
  // Rows beyond the edges are in the document as well.
  await expect
    .poll(() =>
      panel.evaluate((side) =>
        [...side.querySelectorAll('li')]
          .filter((item) => {
            const { top, bottom } = item.getBoundingClientRect();
            return bottom > 0 && top < innerHeight;
          })
          .map((item) => item.querySelector('bdi')?.textContent ?? '')
          .join(' '),
      ),
    )
    .toMatch(/^many\/0[45]\d\d\.txt /);
  await panel.evaluate((side) => side.scrollTo(0, 0));
  await expect(babelwire.button('Delete many/0000.txt')).toBeInViewport();

  // A few dozen of them done: enough for whatever would stall.
  await expect
    .poll(async () => (await babelwire.server.rest('translations?limit=100').then((all) => all.json())).translations.length, {
      timeout: 60_000,
    })
    .toBeGreaterThanOrEqual(60);
  const seen = (await page.evaluate(() => Reflect.get(window, 'seen') as unknown)) as {
    dropped: number;
    first: number;
    nodes: number;
  };
  const { longest, crowding } = await tasks();
  const first = seen.first - seen.dropped;
  const measured = JSON.stringify({ nodes: seen.nodes, first, longest, crowding });
  test.info().annotations.push({ type: 'measured', description: measured });
  expect(seen.nodes, 'list nodes').toBeLessThan(200);
  expect(first / crowding, `ms until the first row: ${measured}`).toBeLessThan(200);
  expect(longest, `ms of the longest task: ${measured}`).toBeLessThan(100);
});

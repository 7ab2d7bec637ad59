// Every state that the page can be in, and how a person comes to see it. Each is looked at by the
// accessibility tests and has its picture in docs/screenshots.
//
// To add one: give it a name and say how the page is brought there. A state has to stay until it
// was looked at, so slow things are held still, with the real server as far as it goes.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type Page, type Route, expect } from '@playwright/test';
import iconv from 'iconv-lite';
import { type Babelwire, englishText } from './fixtures.js';
import type { Server, ServerOptions } from './server.js';

/** What a state can be brought about with. */
export interface World {
  babelwire: Babelwire;
  page: Page;
  context: BrowserContext;
  server: Server;
}

export interface State {
  /** In a few words with hyphens: the name of its picture, too. */
  name: string;
  /** What is to be seen, for whoever looks at the picture. */
  shows: string;
  /** The server that it needs, when that is not the usual one. */
  server?: ServerOptions;
  /** Whether the page writes to the browser's console of what is wrong with it. */
  complains?: boolean;
  /** Whether the state ends when the focus goes. */
  keepsFocus?: boolean;
  /** Brings the page there, from the moment before it is opened. */
  bring: (world: World) => Promise<void>;
}

const SHORT = {
  name: 'house.txt',
  text: 'The white house.\n\nThe old tree in front of the house is green.\n\nTwo cats sleep in the garden.\n',
};

/** Long enough to be seen while it is translated. */
const BOOK = { name: 'A licence to read in the evening.txt', text: englishText(100) };

/** What begins as a text and is none, as nobody can tell before all of it is there. */
const BROKEN = {
  name: 'diary.txt',
  text: Buffer.concat([Buffer.from('Dear diary.\n'.repeat(600)), Buffer.from([0, 0, 0, 1, 0, 255, 0, 2, 0, 0, 7, 0])]),
};

/** No text at all. */
const PICTURE = { name: 'holiday.txt', text: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13, 0, 1, 2, 3, 255, 254, 0, 0]) };

/** Opens the page, from English into Spanish. */
async function open({ babelwire }: World): Promise<void> {
  await babelwire.open();
  await expect(babelwire.page.getByRole('combobox', { name: 'Translate into' })).toBeEnabled();
  if ((await babelwire.page.getByRole('combobox', { name: 'Translate into' }).locator('option[value=es]').count()) > 0) {
    await babelwire.languages('en', 'es');
  }
}

/** Opens the page and has a short text translated. */
async function translated(world: World): Promise<void> {
  await open(world);
  await world.babelwire.choose(SHORT);
  await world.babelwire.isDone(SHORT.name);
}

/** Opens the page with a book that is being translated. */
async function translating(world: World): Promise<void> {
  await open(world);
  await world.babelwire.choose(BOOK);
  await isUnderWay(world, BOOK.name, 20);
}

/** Waits until so many paragraphs of a file are translated. */
async function isUnderWay({ server }: World, name: string, done: number): Promise<void> {
  await expect
    .poll(async () => (await server.translations()).find((one) => one.name === name)?.done ?? 0, { timeout: 60_000 })
    .toBeGreaterThan(done);
}

async function openReader({ babelwire }: World, name: string): Promise<void> {
  await babelwire.button(`Open ${name}`).click();
  await expect(babelwire.reader.getByRole('heading', { name })).toBeVisible();
  await expect(babelwire.reader.locator('[lang=es]').first()).not.toBeEmpty();
}

/** Lets no request for such an address be answered: what waits for it goes on waiting. */
async function hold(page: Page, url: string | RegExp): Promise<void> {
  await page.route(url, () => {});
}

/** Has such requests answered with trouble. */
async function trouble(page: Page, url: string | RegExp, methods: string[]): Promise<void> {
  await page.route(url, (route: Route) =>
    methods.includes(route.request().method())
      ? route.fulfill({
          status: 503,
          contentType: 'application/problem+json',
          json: {
            type: 'about:blank',
            title: 'The server is busy',
            status: 503,
            detail: 'Too much is being done at once. Try again in a minute.',
          },
        })
      : route.fallback(),
  );
}

/** A deployment where people sign in, as far as the page can tell. */
async function forPeople({ page }: World): Promise<void> {
  await page.route('**/config.json', (route) =>
    route.fulfill({
      json: {
        websocketUrl: 'live',
        apiUrl: 'api',
        signIn: {
          authorizeUrl: 'https://id.example/authorize',
          tokenUrl: 'https://id.example/token',
          clientId: 'page',
        },
      },
    }),
  );
}

/** Such a deployment, with somebody who has signed in and a file of theirs. The server takes
 * everybody, so it is asked with a token that means nothing; it chooses no subprotocol, so the
 * socket is a stand-in. */
async function signedIn(world: World): Promise<void> {
  const { page, server, babelwire } = world;
  await forPeople(world);
  await page.routeWebSocket(/\/live$/, () => {});
  await page.addInitScript(() => {
    const end = Date.now() + 3_600_000;
    const tokens = { client: 'page https://id.example/token', access: 'a.b.c', subject: 'ada', due: end, ends: end };
    sessionStorage.setItem('babelwire.tokens', JSON.stringify(tokens));
  });
  await server.upload(SHORT.name, Buffer.from(SHORT.text));
  await page.goto(server.origin);
  await babelwire.isConnected();
  await babelwire.isDone(SHORT.name);
}

export const STATES: State[] = [
  {
    name: 'loading',
    shows: 'The page before its wasm is here.',
    bring: async ({ page, server }) => {
      await hold(page, '**/*.wasm');
      await page.goto(server.origin, { waitUntil: 'commit' });
      await expect(page.getByRole('button', { name: 'Choose text files' })).toBeDisabled();
    },
  },
  {
    name: 'empty',
    shows: 'A first visit.',
    bring: open,
  },
  {
    name: 'by-way-of',
    shows: 'A language that is reached by way of another.',
    bring: async (world) => {
      await open(world);
      await world.babelwire.languages('en', 'fr');
    },
  },
  {
    name: 'demonstration',
    shows: 'No translation engine is installed.',
    server: { translator: 'pseudo' },
    bring: async (world) => {
      await open(world);
      await world.babelwire.choose(SHORT);
      await world.babelwire.isDone(SHORT.name);
    },
  },
  {
    name: 'dropping',
    shows: 'Files are held over the window.',
    bring: async (world) => {
      await open(world);
      await world.page.evaluate(() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(['A house.'], 'house.txt', { type: 'text/plain' }));
        document.body.dispatchEvent(new DragEvent('dragover', { dataTransfer, bubbles: true, cancelable: true }));
      });
      await expect(world.page.locator(':root[data-dropping]')).toHaveCount(1);
    },
  },
  {
    name: 'uploading',
    shows: 'Three files on their way to the server, and two that wait.',
    bring: async (world) => {
      await open(world);
      const network = await world.context.newCDPSession(world.page);
      await network.send('Network.enable');
      await network.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: 50_000,
      });
      const text = englishText(150);
      await world.babelwire.choose(
        ...['one', 'two', 'three', 'four', 'five'].map((name) => ({ name: `Volume ${name}.txt`, text })),
      );
      await expect(world.page.getByText(/Uploading/).first()).toBeVisible();
    },
  },
  {
    name: 'translating',
    shows: 'A book that is being translated, and its text so far.',
    bring: async (world) => {
      await translating(world);
      await openReader(world, BOOK.name);
    },
  },
  {
    name: 'files',
    shows: 'Files that are done, cancelled and failed, and one that is being translated.',
    bring: async (world) => {
      const { babelwire } = world;
      await translating(world);
      await babelwire.button(`Cancel ${BOOK.name}`).click();
      await expect(babelwire.button(`Retry ${BOOK.name}`)).toBeVisible();
      await babelwire.choose(BROKEN);
      await expect(babelwire.file(BROKEN.name)).toContainText('Failed', { timeout: 60_000 });
      await babelwire.choose(SHORT);
      await babelwire.isDone(SHORT.name);
      await babelwire.choose({ name: 'Another book.txt', text: BOOK.text });
      await expect(babelwire.progress('Another book.txt')).toHaveAttribute('value', /./);
    },
  },
  {
    name: 'reader-both',
    shows: 'A finished translation beside its source.',
    bring: async (world) => {
      await translated(world);
      await openReader(world, SHORT.name);
    },
  },
  {
    name: 'reader-translation',
    shows: 'A finished translation alone.',
    bring: async (world) => {
      await translated(world);
      await openReader(world, SHORT.name);
      await world.babelwire.view('Translation');
    },
  },
  {
    name: 'reader-source',
    shows: 'The source alone.',
    bring: async (world) => {
      await translated(world);
      await openReader(world, SHORT.name);
      await world.babelwire.view('Source');
    },
  },
  {
    name: 'summary',
    shows: 'Some files, what they come to, and all results in one archive.',
    bring: async (world) => {
      await open(world);
      for (const name of ['house.txt', 'garden.txt', 'street.txt']) {
        await world.babelwire.choose({ ...SHORT, name });
        await world.babelwire.isDone(name);
      }
      await expect(world.babelwire.button('Download all')).toBeVisible();
    },
  },
  {
    name: 'not-text',
    shows: 'Files that are told apart from text before they are sent.',
    bring: async (world) => {
      await open(world);
      await world.babelwire.choose({ name: 'empty.txt', text: '' }, PICTURE);
      await expect(world.babelwire.file('empty.txt')).toContainText('empty');
      await expect(world.babelwire.file(PICTURE.name)).toContainText('not a text file');
    },
  },
  {
    name: 'skipped',
    shows: 'A file that is in the list already.',
    bring: async (world) => {
      await open(world);
      const file = join(mkdtempSync(join(tmpdir(), 'babelwire-state-')), SHORT.name);
      writeFileSync(file, SHORT.text);
      await world.babelwire.fileInput.setInputFiles(file);
      await world.babelwire.isDone(SHORT.name);
      await world.babelwire.fileInput.setInputFiles(file);
      await expect(world.page.getByRole('alert')).toContainText('skipped');
    },
  },
  {
    name: 'encoding',
    shows: 'An old encoding was guessed; the others show what the first line would be.',
    bring: async (world) => {
      await open(world);
      await world.babelwire.choose({ name: 'old.txt', text: iconv.encode('Żółw śpi.\n', 'iso-8859-2') });
      await world.babelwire.isDone('old.txt');
      await world.babelwire.file('old.txt').getByText(/Wrong\? Change it\.$/).click();
      await expect(world.page.getByRole('combobox', { name: 'Encoding of old.txt' })).toBeVisible();
    },
  },
  {
    name: 'more-languages',
    shows: 'A file is to be translated into more than one language.',
    bring: async (world) => {
      await open(world);
      await world.babelwire.button('More languages').click();
      const more = world.page.getByRole('group', { name: 'Also translate into' });
      await more.getByRole('checkbox').first().check();
      await expect(world.page.getByRole('button', { name: /^Remove / })).toBeVisible();
    },
  },
  {
    name: 'deleted',
    shows: 'A file was deleted a moment ago; that can be undone.',
    bring: async (world) => {
      await translated(world);
      await world.babelwire.choose({ ...SHORT, name: 'garden.txt' });
      await world.babelwire.isDone('garden.txt');
      await world.babelwire.button(`Delete ${SHORT.name}`).focus();
      await world.page.keyboard.press('Enter');
      const undo = world.babelwire.button(`Undo deleting ${SHORT.name}`);
      await expect(undo).toBeVisible();
      // Whoever is at it is not hurried.
      await undo.focus();
    },
    keepsFocus: true,
  },
  {
    name: 'waits-for-network',
    shows: 'A file was chosen while the device was offline.',
    bring: async (world) => {
      await translated(world);
      await world.context.setOffline(true);
      await expect(world.babelwire.status).toHaveText(/^\s*You are offline/);
      await world.babelwire.choose({ ...SHORT, name: 'later.txt' });
      await expect(world.babelwire.file('later.txt')).toContainText('until you are online');
    },
  },
  {
    name: 'stopped-in-time',
    shows: 'A translation that was cancelled, with what is done of it.',
    bring: async (world) => {
      await translating(world);
      await openReader(world, BOOK.name);
      await world.babelwire.button(`Cancel ${BOOK.name}`).click();
      await expect(world.babelwire.button(`Retry ${BOOK.name}`)).toBeVisible();
      await world.babelwire.reader.locator('summary', { hasText: 'Save' }).click();
    },
  },
  {
    name: 'find',
    shows: 'A word was looked for and found.',
    bring: async (world) => {
      await translated(world);
      await openReader(world, SHORT.name);
      await world.babelwire.reader.getByRole('button', { name: 'Find' }).click();
      await world.page.keyboard.type('house');
      await expect(world.page.locator('mark').first()).toBeVisible();
    },
  },
  {
    name: 'proof',
    shows: 'What can be proved of a translation, and a paragraph that could not be translated.',
    server: { translator: 'pseudo', more: ['--pseudo-delay-ms', '0', '--pseudo-refuses', 'tree'] },
    bring: async (world) => {
      await open(world);
      await world.babelwire.choose(SHORT);
      await world.babelwire.isDone(SHORT.name);
      await world.babelwire.button(`Open ${SHORT.name}`).click();
      await world.babelwire.reader.getByRole('button', { name: 'Proof' }).click();
      await expect(world.babelwire.reader.getByRole('region', { name: 'Proof' })).toContainText('paragraph');
      await expect(world.babelwire.reader.getByRole('button', { name: 'Translate this again' })).toBeVisible();
    },
  },
  {
    name: 'long-text',
    shows: 'A text of thousands of paragraphs that is being translated, in its middle.',
    server: { translator: 'pseudo', more: ['--pseudo-delay-ms', '60'] },
    bring: async (world) => {
      await open(world);
      const text = Array.from({ length: 6_000 }, (_, place) => `Paragraph ${place + 1} of a very long story about a house.`);
      await world.babelwire.choose({ name: 'story.txt', text: text.join('\n\n') });
      await isUnderWay(world, 'story.txt', 50);
      await world.babelwire.button('Open story.txt').click();
      const box = world.babelwire.reader.getByRole('group', { name: 'Text' });
      await expect(world.babelwire.reader.getByText('Paragraph 1 of').first()).toBeVisible();
      await box.evaluate((element) => (element.scrollTop = element.scrollHeight / 2));
      await expect(world.babelwire.reader.getByText(/Paragraph 3\d\d\d of/).first()).toBeVisible();
    },
  },
  {
    name: 'kept',
    shows: 'A finished text is kept on this device.',
    bring: async (world) => {
      await translated(world);
      await world.page.getByText(/Kept on this device: /).click();
      await expect(world.babelwire.button('Forget everything')).toBeVisible();
    },
  },
  {
    name: 'arabic',
    shows: 'The page in Arabic, from right to left.',
    bring: async (world) => {
      await translated(world);
      await openReader(world, SHORT.name);
      await world.page.getByRole('combobox', { name: 'Language of this page' }).selectOption('ar');
      await expect(world.page.locator('html')).toHaveAttribute('dir', 'rtl');
    },
  },
  {
    name: 'console',
    shows: 'The console, with frames in and out.',
    bring: async (world) => {
      await translated(world);
      await world.babelwire.openConsole();
      await world.babelwire.send('ping', 'are you there?');
      await expect(world.babelwire.frames).toContainText('"type":"pong"');
    },
  },
  {
    name: 'refused',
    shows: 'The server refused what was asked for.',
    bring: async (world) => {
      await translated(world);
      await trouble(world.page, '**/api/translations/*', ['DELETE', 'POST']);
      await world.babelwire.button(`Delete ${SHORT.name}`).click();
      await expect(world.page.getByRole('alert')).toBeVisible();
    },
  },
  {
    name: 'list-out-of-date',
    shows: 'The list of files could not be fetched.',
    bring: async (world) => {
      await trouble(world.page, /\/api\/translations\?|\/api\/translations$/, ['GET']);
      await open(world);
      await expect(world.page.getByText(/out of date/)).toBeVisible();
    },
  },
  {
    name: 'offline',
    shows: 'The device has no network.',
    bring: async (world) => {
      await translated(world);
      await world.context.setOffline(true);
      await expect(world.babelwire.status).toHaveText(/^\s*You are offline/);
    },
  },
  {
    name: 'reconnecting',
    shows: 'The server went away; the next attempt comes by itself.',
    bring: async (world) => {
      await translated(world);
      await world.server.kill();
      // Attempts become rarer, so the page mostly waits after the first ones.
      await expect(world.page.locator(':root')).toHaveAttribute('data-connection', 'waiting');
      await expect(world.babelwire.button('Try now')).toBeVisible();
    },
  },
  {
    name: 'live-console',
    shows: 'A backend with a WebSocket alone.',
    bring: async (world) => {
      await world.page.route('**/config.json', (route) => route.fulfill({ json: { websocketUrl: 'live' } }));
      await world.babelwire.open();
      await expect(world.babelwire.console).toBeVisible();
      await world.server.upload('seen.txt', Buffer.from('A house.\n'));
      await expect(world.page.getByText(/seen\.txt/).first()).toBeVisible();
    },
  },
  {
    name: 'sign-in',
    shows: 'A deployment for people who sign in, and nobody has.',
    bring: async (world) => {
      await forPeople(world);
      await world.page.goto(world.server.origin);
      await expect(world.babelwire.button('Sign in')).toBeVisible();
    },
  },
  {
    name: 'sign-in-unfinished',
    shows: 'Somebody came back from signing in with an answer that this page has not asked for.',
    bring: async (world) => {
      await forPeople(world);
      await world.page.goto(`${world.server.origin}/?code=1&state=2`);
      await expect(world.page.getByRole('alert')).toContainText('The sign-in was not finished');
    },
  },
  {
    name: 'signed-in',
    shows: 'A deployment for people who sign in, and somebody has.',
    bring: async (world) => {
      await signedIn(world);
      await expect(world.babelwire.button('Sign out')).toBeVisible();
    },
  },
  {
    name: 'sign-in-ended',
    shows: 'The backend does not take the sign-in any more; what the page has stays.',
    bring: async (world) => {
      await signedIn(world);
      await openReader(world, SHORT.name);
      await world.page.route('**/api/**', (route) => route.fulfill({ status: 401 }));
      await world.babelwire.button(`Download ${SHORT.name}`).click();
      await expect(world.page.getByRole('alert')).toContainText('Your sign-in has ended');
    },
  },
  {
    name: 'without-configuration',
    shows: 'A deployment without config.json.',
    bring: async (world) => {
      await world.page.route('**/config.json', (route) => route.fulfill({ status: 404, body: 'not found' }));
      await world.page.goto(world.server.origin);
      await expect(world.page.getByText(/config\.json is missing/)).toBeVisible();
    },
  },
  {
    name: 'not-loaded',
    shows: 'The wasm could not be fetched.',
    complains: true,
    bring: async (world) => {
      await world.page.route('**/*.wasm', (route) => route.abort());
      await world.page.goto(world.server.origin);
      await expect(world.page.getByRole('alert')).toContainText('could not be loaded');
    },
  },
  {
    name: 'stopped',
    shows: 'The page broke down.',
    bring: async (world) => {
      await open(world);
      await world.page.evaluate(() => {
        dispatchEvent(new ErrorEvent('error', { error: new WebAssembly.RuntimeError('unreachable') }));
      });
      await expect(world.page.getByRole('alert')).toContainText('This page stopped working');
    },
  },
];

/** The themes and widths in CSS pixels that each state is looked at in. */
export const THEMES = ['light', 'dark'] as const;
export const WIDTHS = [320, 1280] as const;

/** Shows the page in such a theme and width. */
export async function show(page: Page, theme: (typeof THEMES)[number], width: (typeof WIDTHS)[number]): Promise<void> {
  await page.emulateMedia({ colorScheme: theme });
  await page.setViewportSize({ width, height: width < 640 ? 640 : 800 });
}

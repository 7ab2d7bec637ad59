// Every state that the page can be in, and how a person comes to see it. Each is looked at by the
// accessibility tests and has its picture in docs/screenshots.
//
// To add one: give it a name and say how the page is brought there. A state has to stay until it
// was looked at, so slow things are held still, with the real server as far as it goes.

import { type BrowserContext, type Page, type Route, expect } from '@playwright/test';
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
  /** Brings the page there, from the moment before it is opened. */
  bring: (world: World) => Promise<void>;
}

const SHORT = {
  name: 'house.txt',
  text: 'The white house.\n\nThe old tree in front of the house is green.\n\nTwo cats sleep in the garden.\n',
};

/** Long enough to be seen while it is translated. */
const BOOK = { name: 'A licence to read in the evening.txt', text: englishText(60) };

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
  await expect
    .poll(async () => (await world.server.translation(BOOK.name)).done, { message: 'it is being translated' })
    .toBeGreaterThan(20);
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
      await babelwire.choose(PICTURE);
      await expect(babelwire.button(`Retry ${PICTURE.name}`)).toBeVisible();
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

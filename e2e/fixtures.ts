// What every test starts with: a server, a page that must not complain, and words for what a
// person does.

import { readFileSync } from 'node:fs';
import { type BrowserContext, type Locator, type Page, expect, test as base } from '@playwright/test';
import { Server, type ServerOptions } from './server.js';

export { expect };

/** Babelwire's page, in the words of a person who uses it. */
export class Babelwire<Host extends { readonly origin: string } = Server> {
  constructor(
    readonly page: Page,
    readonly server: Host,
  ) {}

  async open(): Promise<void> {
    await this.page.goto(this.server.origin);
    await this.isConnected();
  }

  get status(): Locator {
    return this.page
      .getByRole('status')
      .filter({ hasText: /^\s*(Connected|Connecting|Reconnecting|You are offline|Disconnected)/ });
  }

  async isConnected(): Promise<void> {
    await expect(this.status).toHaveText(/^\s*Connected/);
    await expect(this.page.locator(':root')).toHaveAttribute('data-connection', 'open');
  }

  get fileInput(): Locator {
    return this.page.locator('input[type=file]');
  }

  /** Chooses files as through the file dialogue. */
  async choose(...files: { name: string; text: string | Buffer }[]): Promise<void> {
    await this.fileInput.setInputFiles(
      files.map(({ name, text }) => ({
        name,
        mimeType: 'text/plain',
        buffer: Buffer.isBuffer(text) ? text : Buffer.from(text, 'utf8'),
      })),
    );
  }

  async languages(source: string, target: string): Promise<void> {
    await this.page.getByRole('combobox', { name: 'Translate from' }).selectOption(source);
    await this.page.getByRole('combobox', { name: 'Translate into' }).selectOption(target);
  }

  /** A file's entry in the list. */
  file(name: string): Locator {
    return this.page
      .getByRole('list', { name: 'Files' })
      .getByRole('listitem')
      .filter({ has: this.page.getByRole('button', { name: `Delete ${name}`, exact: true }) });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  progress(name: string): Locator {
    return this.page.getByRole('progressbar', { name: `Progress of ${name}`, exact: true });
  }

  get reader(): Locator {
    return this.page.getByRole('region', { name: 'Reader' });
  }

  async view(name: 'Both' | 'Translation' | 'Source'): Promise<void> {
    const views = this.page.getByRole('radiogroup', { name: 'View' });
    await views.getByRole('radio', { name, exact: true }).check({ force: true });
  }

  get console(): Locator {
    return this.page.getByRole('region', { name: 'Console' });
  }

  get frames(): Locator {
    return this.console.getByRole('log', { name: 'Frames' });
  }

  async openConsole(): Promise<void> {
    await this.button('Console').click();
    await expect(this.console).toBeVisible();
  }

  async send(action: string, data: string): Promise<void> {
    await this.console.getByRole('textbox', { name: 'Action' }).fill(action);
    await this.console.getByRole('textbox', { name: 'Data' }).fill(data);
    await this.console.getByRole('button', { name: 'Send' }).click();
  }

  /** Waits until a file's translation can be downloaded. */
  async isDone(name: string, timeout = 60_000): Promise<void> {
    await expect(this.button(`Download ${name}`)).toBeVisible({ timeout });
    await expect(this.button(`Download ${name}`)).toBeEnabled();
    await expect(this.progress(name)).toHaveCount(0);
  }

  /** Downloads a translation: the name that the browser gives it, and its bytes. */
  async download(name: string): Promise<{ filename: string; bytes: Buffer }> {
    const coming = this.page.waitForEvent('download');
    await this.button(`Download ${name}`).click();
    const download = await coming;
    return { filename: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }
}

/** What browsers write when the network fails: it is no fault of the page. */
const NETWORK = /WebSocket connection to|net::ERR_|Failed to load resource/;

export interface Complaints {
  all: string[];
  /** Whether failing connections are part of the story. */
  networkMayFail: boolean;
}

export async function watch(context: BrowserContext, complaints: Complaints): Promise<void> {
  context.on('weberror', (error) => complaints.all.push(`page error: ${error.error().message}`));
  context.on('console', (message) => {
    if (message.type() !== 'error') return;
    if (complaints.networkMayFail && NETWORK.test(message.text())) return;
    complaints.all.push(`console: ${message.text()} (${message.location().url})`);
  });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
}

export const test = base.extend<{
  serverOptions: ServerOptions;
  server: Server;
  complaints: Complaints;
  babelwire: Babelwire;
  /** A second person, with a browser profile of their own. */
  another: Babelwire;
}>({
  serverOptions: [{}, { option: true }],

  server: async ({ serverOptions }, use, info) => {
    const server = await Server.start(serverOptions);
    await use(server);
    if (info.status !== info.expectedStatus) {
      await info.attach('server log', { body: server.logged, contentType: 'text/plain' });
    }
    await server.dispose();
  },

  complaints: async ({}, use) => {
    const complaints: Complaints = { all: [], networkMayFail: false };
    await use(complaints);
    expect(complaints.all, 'the page must not complain').toEqual([]);
  },

  babelwire: async ({ server, context, page, complaints }, use) => {
    await watch(context, complaints);
    await use(new Babelwire(page, server));
  },

  another: async ({ server, browser, complaints }, use) => {
    const context = await browser.newContext({ locale: 'en-GB' });
    await watch(context, complaints);
    await use(new Babelwire(await context.newPage(), server));
    await context.close();
  },
});

/** A real English text, about 11 KB for each part: the paragraphs are numbered, so that none is
 * like another. */
export function englishText(parts = 1): string {
  const licence = readFileSync(new URL('../LICENSE-APACHE', import.meta.url), 'utf8');
  const paragraphs = licence.split(/\n\n+/).map((paragraph) => paragraph.replace(/\s*\n\s*/g, ' ').trim());
  return Array.from({ length: parts }, (_, part) =>
    paragraphs.map((paragraph, index) => `${part + 1}.${index + 1} ${paragraph}`).join('\n\n'),
  ).join('\n\n');
}

export function lineCount(text: string): number {
  return text.split('\n').length;
}

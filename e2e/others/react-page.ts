// The page in react-page/, built and hosted.

import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Locator, type Page, expect } from '@playwright/test';
import { build } from 'esbuild';
import { StaticHost } from './static-host.js';

export class ReactPage {
  private constructor(
    readonly page: Page,
    private readonly folder: string,
    private readonly host: StaticHost,
  ) {}

  /** Where it will be, for backends that ask who calls. */
  static async host(page: Page): Promise<ReactPage> {
    const folder = await mkdtemp(join(tmpdir(), 'babelwire-react-'));
    return new ReactPage(page, folder, await StaticHost.start(folder));
  }

  get origin(): string {
    return this.host.origin;
  }

  /** Builds it with its backend compiled in, as is the custom, and opens it. */
  async open(websocketUrl: string): Promise<void> {
    const source = fileURLToPath(new URL('react-page', import.meta.url));
    await build({
      entryPoints: [join(source, 'main.jsx')],
      outdir: this.folder,
      bundle: true,
      format: 'esm',
      jsx: 'automatic',
      logLevel: 'warning',
      define: {
        WEBSOCKET_URL: JSON.stringify(websocketUrl),
        'process.env.NODE_ENV': '"production"',
      },
    });
    await copyFile(join(source, 'index.html'), join(this.folder, 'index.html'));
    await this.page.goto(this.host.origin);
    await expect(this.page.getByRole('status')).toHaveText('Connected');
  }

  async say(words: string): Promise<void> {
    await this.page.getByRole('textbox', { name: 'Message' }).fill(words);
    await this.page.getByRole('button', { name: 'Send' }).click();
  }

  get messages(): Locator {
    return this.page.getByRole('list', { name: 'Messages' }).getByRole('listitem');
  }

  async dispose(): Promise<void> {
    await this.host.dispose();
    await rm(this.folder, { recursive: true, force: true });
  }
}

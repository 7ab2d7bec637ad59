// Babelwire's page as it was built, on a host of its own, with a config.json and nothing else.

import type { BrowserContext } from '@playwright/test';
import { ArticleBackend } from '../article-backend.js';
import { Babelwire, type Complaints, test as ours, watch } from '../../fixtures.js';
import { setting } from '../../server.js';
import { StaticHost } from '../static-host.js';

export { expect } from '../../fixtures.js';

/** A person at Babelwire's page. */
export type Person = Babelwire<StaticHost>;

export async function person(context: BrowserContext, complaints: Complaints, host: StaticHost): Promise<Person> {
  await watch(context, complaints);
  return new Babelwire(await context.newPage(), host);
}

/** Babelwire's page for the backend at `websocketUrl`. */
export function hostPage(websocketUrl: string): Promise<StaticHost> {
  return StaticHost.start(setting('BABELWIRE_UI'), { '/config.json': JSON.stringify({ websocketUrl }) });
}

export const test = ours.extend<{ host: StaticHost; ada: Person; bob: Person }, { backend: ArticleBackend }>({
  backend: [
    async ({}, use) => {
      const backend = await ArticleBackend.start();
      await use(backend);
      await backend.dispose();
    },
    { scope: 'worker', timeout: 120_000 },
  ],

  host: async ({ backend }, use, info) => {
    const host = await hostPage(backend.websocketUrl);
    await use(host);
    await host.dispose();
    if (info.status !== info.expectedStatus) {
      await info.attach('backend log', { body: backend.logged, contentType: 'text/plain' });
    }
  },

  ada: async ({ context, complaints, host }, use) => {
    await use(await person(context, complaints, host));
  },

  bob: async ({ browser, complaints, host }, use) => {
    const context = await browser.newContext({ locale: 'en-GB' });
    await use(await person(context, complaints, host));
    await context.close();
  },
});

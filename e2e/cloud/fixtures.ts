// A cloud for all tests, and a page that must not complain.

import { type BrowserContext, expect, test as base } from '@playwright/test';
import { Babelwire } from '../fixtures.js';
import { Cloud } from './cloud.js';

export { expect };

/** What browsers write when the network fails: it is no fault of the page. */
const NETWORK = /WebSocket connection to|net::ERR_|Failed to load resource/;

interface Complaints {
  all: string[];
  /** Whether failing connections are part of the story. */
  networkMayFail: boolean;
}

async function watch(context: BrowserContext, complaints: Complaints): Promise<void> {
  context.on('weberror', (error) => complaints.all.push(`page error: ${error.error().message}`));
  context.on('console', (message) => {
    if (message.type() !== 'error') return;
    if (complaints.networkMayFail && NETWORK.test(message.text())) return;
    complaints.all.push(`console: ${message.text()} (${message.location().url})`);
  });
}

export const test = base.extend<
  { complaints: Complaints; babelwire: Babelwire<Cloud>; another: Babelwire<Cloud> },
  { cloud: Cloud }
>({
  cloud: [
    async ({}, use) => {
      const cloud = await Cloud.start();
      await use(cloud);
      await cloud.dispose();
    },
    { scope: 'worker', timeout: 120_000 },
  ],

  complaints: async ({ cloud }, use, info) => {
    const complaints: Complaints = { all: [], networkMayFail: false };
    const before = cloud.logged.length;
    await use(complaints);
    if (info.status !== info.expectedStatus) {
      await info.attach('log', { body: cloud.logged.slice(before), contentType: 'text/plain' });
    }
    expect(complaints.all, 'the page must not complain').toEqual([]);
  },

  babelwire: async ({ cloud, context, page, complaints }, use) => {
    await watch(context, complaints);
    await use(new Babelwire(page, cloud));
  },

  another: async ({ cloud, browser, complaints }, use) => {
    const context = await browser.newContext({ locale: 'en-GB' });
    await watch(context, complaints);
    await use(new Babelwire(await context.newPage(), cloud));
    await context.close();
  },
});

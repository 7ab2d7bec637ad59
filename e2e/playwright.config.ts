import { defineConfig } from '@playwright/test';

const chromium = process.env.CHROME ?? '/usr/bin/chromium';

export default defineConfig({
  testDir: './tests',
  outputDir: process.env.BABELWIRE_E2E_OUTPUT ?? './test-results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: Boolean(process.env.CI),
  // A test that passes at the second try hides a fault.
  retries: 0,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: process.env.BABELWIRE_E2E_REPORT
    ? [['list'], ['json', { outputFile: process.env.BABELWIRE_E2E_REPORT }]]
    : [['list']],
  use: {
    browserName: 'chromium',
    headless: true,
    acceptDownloads: true,
    locale: 'en-GB',
    trace: 'retain-on-failure',
    // What a service worker answers, no test can stand in for: it has tests of its own.
    serviceWorkers: 'block',
    launchOptions: {
      executablePath: chromium,
      args: [
        // Chromium's own sandbox does not work for root and in most containers.
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-quic',
      ],
    },
  },
});

import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: './measures',
  testMatch: '*.bench.ts',
  outputDir: process.env.BABELWIRE_E2E_OUTPUT ?? './test-results',
  // One at a time: they measure this machine.
  workers: 1,
  retries: 0,
  timeout: 900_000,
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    headless: true,
    launchOptions: {
      executablePath: process.env.CHROME ?? '/usr/bin/chromium',
      args: [
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

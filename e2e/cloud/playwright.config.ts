import { defineConfig } from '@playwright/test';
import ours from '../playwright.config.js';

export default defineConfig({
  ...ours,
  testDir: './tests',
  // One cloud is some ten processes.
  workers: 1,
});

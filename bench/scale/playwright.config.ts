import { defineConfig } from '@playwright/test';
import bench from '../playwright.config.js';

export default defineConfig({ ...bench, testDir: '.' });

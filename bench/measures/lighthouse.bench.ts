// The built page as Lighthouse sees it: a phone of the middle class on a slow network.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from '@playwright/test';
import { Server } from '../../e2e/server.js';
import { note, round } from '../report.js';

/** Runs differ by some points, on a machine that does other things as well; the middle one counts. */
const RUNS = 3;

interface Result {
  categories: Record<string, { score: number | null }>;
  audits: Record<string, { numericValue?: number; score: number | null; title: string }>;
  runtimeError?: { message: string };
}

const CLI = createRequire(import.meta.url).resolve('lighthouse/cli/index.js');

test('Lighthouse, mobile', async () => {
  const server = await Server.start({ translator: 'pseudo' });
  const dir = await mkdtemp(join(tmpdir(), 'babelwire-lighthouse-'));
  try {
    const results: Result[] = [];
    for (let run = 0; run < RUNS; run++) {
      const path = join(dir, `${run}.json`);
      await promisify(execFile)(
        process.execPath,
        [
          CLI,
          server.origin,
          '--output=json',
          `--output-path=${path}`,
          '--only-categories=performance,accessibility,best-practices',
          '--quiet',
          '--chrome-flags=--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-quic',
        ],
        { env: { ...process.env, CHROME_PATH: process.env.CHROME ?? '/usr/bin/chromium' }, timeout: 180_000 },
      );
      const result = JSON.parse(await readFile(path, 'utf8')) as Result;
      if (result.runtimeError) throw new Error(result.runtimeError.message);
      results.push(result);
    }
    const middle = (values: number[]) => [...values].sort((one, other) => one - other)[RUNS >> 1] ?? Number.NaN;
    const score = (category: string) => middle(results.map(({ categories }) => 100 * (categories[category]?.score ?? 0)));
    const audit = (name: string) => middle(results.map(({ audits }) => audits[name]?.numericValue ?? Number.NaN));
    for (const result of results) {
      const wrong = Object.values(result.audits).filter(({ score }) => score !== null && score < 0.9);
      console.log(`    below 90: ${wrong.map(({ title, score }) => `${title} (${score})`).join('; ') || 'nothing'}`);
    }
    note({ what: 'Lighthouse, mobile: performance', value: round(score('performance'), 0), unit: 'of 100', atLeast: 95 });
    note({ what: 'Lighthouse, mobile: accessibility', value: round(score('accessibility'), 0), unit: 'of 100', atLeast: 100 });
    note({ what: 'Lighthouse, mobile: best practices', value: round(score('best-practices'), 0), unit: 'of 100', atLeast: 100 });
    note({ what: 'Lighthouse, mobile: cumulative layout shift', value: round(audit('cumulative-layout-shift'), 3), unit: '', atMost: 0.02 });
    note({ what: 'Lighthouse, mobile: first contentful paint', value: round(audit('first-contentful-paint'), 0), unit: 'ms' });
    note({ what: 'Lighthouse, mobile: largest contentful paint', value: round(audit('largest-contentful-paint'), 0), unit: 'ms' });
    note({ what: 'Lighthouse, mobile: total blocking time', value: round(audit('total-blocking-time'), 0), unit: 'ms' });
  } finally {
    await server.dispose();
    await rm(dir, { recursive: true, force: true });
  }
});

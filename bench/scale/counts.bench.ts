// What crosses the network for a file: frames, requests and bytes of the page that sends and reads
// it, and of a page that only looks on; and how long a post to a connection takes. The figures are
// for `measured.json`, which the tables of docs/scale.md come from.

import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Page, expect, test } from '@playwright/test';
import { WebSocket } from 'ws';
import { Server } from '../../e2e/server.js';
import { englishText, round } from '../report.js';

/** API Gateway meters messages in steps of so many bytes. */
const METERED = 32 * 1024;

/** How many there were of a kind, with how many bytes, metered as how many. */
interface Tally {
  count: number;
  bytes: number;
  metered: number;
}

/** What one page sent and received. */
interface Traffic {
  received: Record<string, Tally>;
  sent: Record<string, Tally>;
  requests: Record<string, { count: number; answerBytes: number }>;
}

function note(tallies: Record<string, Tally>, kind: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  const tally = (tallies[kind] ??= { count: 0, bytes: 0, metered: 0 });
  tally.count += 1;
  tally.bytes += bytes;
  tally.metered += Math.ceil(bytes / METERED);
}

function kindOf(text: string, field: string): string {
  const found = new RegExp(`"${field}":"([a-z]+)"`).exec(text.slice(0, 200));
  return found?.[1] ?? 'other';
}

/** What is counted as one: `GET /api/translations/5f2a…/rows?…` as `GET translations/ID/rows`. */
function route(method: string, url: URL): string | undefined {
  if (url.pathname.includes('/objects/')) return `${method} object`;
  const path = /^\/api\/(.*)$/.exec(url.pathname)?.[1];
  if (path === undefined) return undefined;
  const changed = url.searchParams.has('changedSince') ? '?changedSince' : '';
  return `${method} ${path.replace(/^translations\/[^/]+/, 'translations/ID')}${changed}`;
}

/** Counts from here on. */
function listen(page: Page): { traffic: Traffic; lastAt: () => number } {
  const traffic: Traffic = { received: {}, sent: {}, requests: {} };
  let lastAt = performance.now();
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      const kind = kindOf(payload.toString(), 'type');
      note(traffic.received, kind, payload.toString());
      if (kind !== 'pong') lastAt = performance.now();
    });
    socket.on('framesent', ({ payload }) => {
      note(traffic.sent, kindOf(payload.toString(), 'action'), payload.toString());
    });
  });
  page.on('response', async (response) => {
    const kind = route(response.request().method(), new URL(response.url()));
    if (!kind) return;
    lastAt = performance.now();
    const entry = (traffic.requests[kind] ??= { count: 0, answerBytes: 0 });
    entry.count += 1;
    const size = await response.request().sizes().catch(() => undefined);
    entry.answerBytes += size?.responseBodySize ?? 0;
  });
  return { traffic, lastAt: () => lastAt };
}

function textOf(bytes: number): string {
  const once = englishText(Math.min(bytes, 4_000_000));
  const text = once.repeat(Math.ceil(bytes / Buffer.byteLength(once)));
  return text.slice(0, text.lastIndexOf('\n\n', bytes) + 1);
}

const measured: Record<string, unknown> = {
  machine: `${cpus().length} cores of ${cpus()[0]?.model ?? process.arch}`,
  files: [],
};

// With the delay, a job takes long enough for its progress to be told of again and again.
const files = [
  { name: '10 KB', bytes: 10_000, delay: 0 },
  { name: '1 MB', bytes: 1_000_000, delay: 0 },
  { name: '1 MB, slowly', bytes: 1_000_000, delay: 10 },
  { name: '50 MB', bytes: 50_000_000, delay: 0 },
];
for (const { name, bytes, delay } of files) {
  test(`a file of ${name}: frames and requests`, async ({ browser }) => {
    const server = await Server.start({
      translator: 'pseudo',
      more: ['--max-file-bytes', '100000000', '--pseudo-delay-ms', String(delay)],
    });
    const folder = await mkdtemp(join(tmpdir(), 'babelwire-scale-'));
    try {
      const path = join(folder, 'file.txt');
      const text = textOf(bytes);
      await writeFile(path, text);
      const open = async () => {
        const page = await (await browser.newContext({ serviceWorkers: 'block' })).newPage();
        const heard = listen(page);
        await page.goto(server.origin);
        await expect(page.locator(':root')).toHaveAttribute('data-connection', 'open');
        return { page, heard };
      };
      const reader = await open();
      const watcher = await open();
      const opening = structuredClone(reader.heard.traffic);
      for (const { heard } of [reader, watcher]) {
        heard.traffic.received = {};
        heard.traffic.sent = {};
        heard.traffic.requests = {};
      }
      await reader.page.locator('input[type=file]').setInputFiles(path);
      await reader.page.getByRole('button', { name: 'Open file.txt' }).click();
      await expect(watcher.page.getByRole('button', { name: 'Download file.txt' })).toBeVisible({ timeout: 600_000 });
      const settled = () => performance.now() - Math.max(reader.heard.lastAt(), watcher.heard.lastAt());
      await expect.poll(settled, { timeout: 120_000 }).toBeGreaterThan(2_000);

      const { total, createdAt, updatedAt } = (await server.translation('file.txt')) as unknown as {
        total: number;
        createdAt: string;
        updatedAt: string;
      };
      (measured.files as unknown[]).push({
        name,
        bytes: Buffer.byteLength(text),
        segments: total,
        seconds: round((Date.parse(updatedAt) - Date.parse(createdAt)) / 1000),
        opening,
        reader: reader.heard.traffic,
        watcher: watcher.heard.traffic,
      });
    } finally {
      await server.dispose();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test('a post to a connection', async () => {
  const server = await Server.start({ translator: 'pseudo' });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/live`);
  try {
    await once(socket, 'open');
    socket.send('{"action":"no-such-action"}');
    const [frame] = await once(socket, 'message');
    const { connectionId } = JSON.parse(String(frame)) as { connectionId: string };
    const url = `${server.origin}/live/@connections/${encodeURIComponent(connectionId)}`;
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    const post = () =>
      new Promise<number>((resolve, reject) => {
        const began = performance.now();
        const asked = request(url, { method: 'POST', agent }, (answer) => {
          answer.resume().on('end', () => {
            if (answer.statusCode === 200) resolve(performance.now() - began);
            else reject(new Error(`a post was answered ${answer.statusCode}`));
          });
        });
        asked.on('error', reject).end('x'.repeat(600));
      });
    for (let index = 0; index < 200; index += 1) await post();
    const alone: number[] = [];
    for (let index = 0; index < 2_000; index += 1) alone.push(await post());
    alone.sort((one, other) => one - other);
    const began = performance.now();
    const posts = 20_000;
    let left = posts;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (left > 0) {
          left -= 1;
          await post();
        }
      }),
    );
    const rate = posts / ((performance.now() - began) / 1000);
    agent.destroy();
    measured.post = {
      medianMs: round(alone[1_000] ?? Number.NaN, 3),
      p99Ms: round(alone[1_980] ?? Number.NaN, 3),
      perSecondBy64: Math.round(rate),
    };
  } finally {
    socket.terminate();
    await server.dispose();
  }
});

test.afterAll(() => {
  const path = process.env.BABELWIRE_SCALE_COUNTS;
  const text = `${JSON.stringify(measured, undefined, 2)}\n`;
  if (path) writeFileSync(path, text);
  else console.log(text);
});

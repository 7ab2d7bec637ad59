// A file of 100 MB: how much memory it takes to pass it on.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { Server } from '../../e2e/server.js';
import { englishText, note, residentMemory, round } from '../report.js';

test('100 MB are uploaded without being held', async ({ page }) => {
  const server = await Server.start({ translator: 'pseudo' });
  const dir = await mkdtemp(join(tmpdir(), 'babelwire-bench-'));
  try {
    const path = join(dir, 'large.txt');
    const part = Buffer.from(englishText(1_000_000));
    const file = createWriteStream(path);
    let size = 0;
    for (; size + part.length <= 100_000_000; size += part.length) {
      if (!file.write(part)) await once(file, 'drain');
    }
    file.end();
    await once(file, 'close');

    // The page's own memory, seen where it comes into being.
    await page.addInitScript(() => {
      const keep = (result: WebAssembly.WebAssemblyInstantiatedSource) => {
        Reflect.set(window, 'wasmMemory', result.instance.exports.memory);
        return result;
      };
      const streaming = WebAssembly.instantiateStreaming.bind(WebAssembly);
      WebAssembly.instantiateStreaming = async (source, imports) => keep(await streaming(source, imports));
    });
    const wasmMemory = () =>
      page.evaluate(() => (Reflect.get(window, 'wasmMemory') as WebAssembly.Memory).buffer.byteLength);

    await page.goto(server.origin);
    await expect(page.locator(':root')).toHaveAttribute('data-connection', 'open');
    // A small one first, so that both have done it once.
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'small.txt', mimeType: 'text/plain', buffer: Buffer.from('A house.\n') });
    await expect(page.getByRole('button', { name: 'Download small.txt' })).toBeVisible();
    const before = { server: residentMemory(server.pid).now, wasm: await wasmMemory() };
    let uploaded = 0;
    page.on('requestfinished', (request) => {
      if (request.method() === 'PUT') uploaded = Date.now();
    });

    let most = before.server;
    const watch = setInterval(() => (most = Math.max(most, residentMemory(server.pid).now)), 20);
    const began = Date.now();
    await page.locator('input[type=file]').setInputFiles(path);
    await expect.poll(() => uploaded, { timeout: 300_000 }).toBeGreaterThan(0);
    const wasmAtEnd = await wasmMemory();
    const serverAtEnd = most;
    note({ what: '100 MB upload: growth of the server\'s resident memory, the most', value: round((serverAtEnd - before.server) / 1024, 1), unit: 'MiB', atMost: 32 });
    note({ what: '100 MB upload: growth of the page\'s wasm memory', value: round((wasmAtEnd - before.wasm) / 1024 / 1024, 2), unit: 'MiB', atMost: 1 });
    note({ what: '100 MB upload: time', value: round((uploaded - began) / 1000, 1), unit: 's' });

    // The file is read and cut now; that must not hold it either.
    await expect
      .poll(async () => (await server.translation('large.txt')).total, { timeout: 300_000 })
      .toBeGreaterThan(0);
    clearInterval(watch);
    note({ what: '100 MB read and cut: growth of the server\'s resident memory, the most', value: round((most - before.server) / 1024, 1), unit: 'MiB', atMost: 32 });
    note({ what: '100 MB read and cut: growth of the page\'s wasm memory', value: round(((await wasmMemory()) - before.wasm) / 1024 / 1024, 2), unit: 'MiB', atMost: 1 });
  } finally {
    await server.dispose();
    await rm(dir, { recursive: true, force: true });
  }
});

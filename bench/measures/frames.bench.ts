// Five thousand frames a second, and a page that goes on moving.

import { type Page, expect, test } from '@playwright/test';
import { note, round } from '../report.js';
import { Storm } from '../storm.js';

const ROWS = 1_000;
const RATE = 5_000;
const SECONDS = 10;

/** The gaps between animation frames in milliseconds, while `work` goes on. */
async function gaps(page: Page, work: () => Promise<unknown>): Promise<number[]> {
  await page.evaluate(() => {
    const times: number[] = [];
    Reflect.set(window, 'times', times);
    const look = (now: number) => {
      times.push(now);
      if (Reflect.get(window, 'times') === times) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await work();
  const times = await page.evaluate(() => {
    const times = Reflect.get(window, 'times') as number[];
    Reflect.set(window, 'times', undefined);
    return times;
  });
  return times.slice(1).map((time, place) => time - (times[place] ?? time));
}

function percentile(values: number[], part: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

test('5,000 frames a second for 10 seconds on 1,000 rows', async ({ browser, page, context }) => {
  const ui = process.env.BABELWIRE_UI;
  if (!ui) throw new Error('BABELWIRE_UI is not set: run `cargo xtask bench`');
  const storm = await Storm.start(ui, ROWS);
  try {
    await page.addInitScript(() => {
      Reflect.set(window, 'heard', 0);
      const Original = WebSocket;
      Reflect.set(
        window,
        'WebSocket',
        class extends Original {
          constructor(...arguments_: ConstructorParameters<typeof WebSocket>) {
            super(...arguments_);
            this.addEventListener('message', ({ data }) => {
              if (String(data).startsWith('{"type":"translation"')) {
                Reflect.set(window, 'heard', (Reflect.get(window, 'heard') as number) + 1);
              }
            });
          }
        },
      );
      const keep = (result: WebAssembly.WebAssemblyInstantiatedSource) => {
        if (result.instance.exports.memory) Reflect.set(window, 'wasmMemory', result.instance.exports.memory);
        return result;
      };
      const streaming = WebAssembly.instantiateStreaming.bind(WebAssembly);
      WebAssembly.instantiateStreaming = async (source, imports) => keep(await streaming(source, imports));
    });
    const heard = () => page.evaluate(() => Reflect.get(window, 'heard') as number);
    const devtools = await context.newCDPSession(page);
    await devtools.send('Performance.enable');
    const memory = async () => {
      await devtools.send('HeapProfiler.collectGarbage');
      const { metrics } = await devtools.send('Performance.getMetrics');
      const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN;
      const wasm = await page.evaluate(
        () => (Reflect.get(window, 'wasmMemory') as WebAssembly.Memory | undefined)?.buffer.byteLength ?? 0,
      );
      return { heap: heap / 1024 / 1024, wasm: wasm / 1024 / 1024 };
    };

    // What other programs do to the clock they do not do to this.
    const system = await browser.newBrowserCDPSession();
    const processorTime = async () => {
      const { processInfo } = await system.send('SystemInfo.getProcessInfo');
      return Math.max(...processInfo.filter(({ type }) => type === 'renderer').map(({ cpuTime }) => cpuTime));
    };

    await page.goto(storm.origin);
    await expect(page.locator(':root')).toHaveAttribute('data-connection', 'open');
    await expect(page.getByRole('button', { name: 'Delete Volume 1.txt' })).toBeVisible();
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    await pause(1_000);
    const idle = percentile(await gaps(page, () => pause(5_000)), 0.95);

    // What is needed once is there after the first wave.
    let sent = await storm.rage(RATE, 3);
    await expect.poll(heard).toBe(sent);
    await pause(1_000);
    const before = await memory();

    const usedBefore = await processorTime();
    const raging = await gaps(page, async () => {
      sent += await storm.rage(RATE, SECONDS);
    });
    const used = (await processorTime()) - usedBefore;
    await expect.poll(heard, { timeout: 60_000 }).toBe(sent);
    sent += storm.finish();
    await expect.poll(heard).toBe(sent);
    await expect(page.getByRole('progressbar')).toHaveCount(0);
    await expect(page.getByRole('button', { name: 'Download Volume 1.txt' })).toBeVisible();
    await pause(2_000);
    const after = await memory();

    const p95 = percentile(raging, 0.95);
    note({ what: '5,000 frames a second for 10 s: frames lost', value: sent - (await heard()), unit: `of ${sent}`, atMost: 0 });
    note({ what: 'an idle page: 95th percentile of the gaps between animation frames', value: round(idle, 1), unit: 'ms' });
    note({
      what: '5,000 frames a second for 10 s: 95th percentile of the gaps between animation frames',
      value: round(p95, 1),
      unit: 'ms',
      // A machine that has longer gaps with nothing to do shows no more than that.
      atMost: round(Math.max(20, idle * 1.2), 1),
    });
    note({ what: "5,000 frames a second for 10 s: processor time of the page's process", value: round(used, 1), unit: 's' });
    note({ what: '5,000 frames a second for 10 s: the longest gap', value: round(Math.max(...raging), 1), unit: 'ms' });
    note({ what: '5,000 frames a second for 10 s: growth of the JavaScript heap', value: round(after.heap - before.heap, 1), unit: 'MiB', atMost: 2 });
    note({ what: '5,000 frames a second for 10 s: growth of the wasm memory', value: round(after.wasm - before.wasm, 1), unit: 'MiB', atMost: 1 });
  } finally {
    await storm.stop();
  }
});

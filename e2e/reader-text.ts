// A long text, and the reader's view of it: for tests and for measurements, which bring a Playwright
// of their own, so only types are taken from it.

import type { CDPSession, Locator, Page } from '@playwright/test';

const WORDS =
  'autumn brings rain over the quiet harbour where seven boats wait for morning and nobody counts the hours'.split(' ');

/** Numbered paragraphs, each different from the others, of about so many bytes. */
export function paragraphs(count: number, bytes = 300): string[] {
  return Array.from({ length: count }, (_, index) => {
    const words = [`Paragraph ${index}:`];
    for (let length = 0, word = index; length < bytes; word += 1 + (index % 5)) {
      const next = WORDS[word % WORDS.length] as string;
      words.push(next);
      length += next.length + 1;
    }
    return `${words.join(' ')}.`;
  });
}

/** A row of the text as it stands in the document. */
export interface Shown {
  row: number;
  source: string;
  translation: string | null;
  /** How far below the upper edge of the text it begins, in pixels. */
  top: number;
  bottom: number;
}

/** The text of the reader, as a person sees it. */
export class Text {
  constructor(readonly page: Page) {}

  get box(): Locator {
    return this.page.getByRole('group', { name: 'Text' });
  }

  /** All rows in the document. */
  rows(): Promise<Shown[]> {
    return this.box.evaluate((box) => {
      const edge = box.getBoundingClientRect().top;
      const items = [...box.querySelectorAll('[role=listitem]')];
      return items.map((item, place) => {
        const { top, bottom } = item.getBoundingClientRect();
        const into = item.querySelector('.into');
        return {
          row: Number(item.getAttribute('aria-posinset') ?? place + 1) - 1,
          source: item.querySelector('.from')?.textContent ?? '',
          translation: into?.hasAttribute('lang') ? into.textContent : null,
          top: top - edge,
          bottom: bottom - edge,
        };
      });
    });
  }

  /** Those that are in view. */
  async seen(): Promise<Shown[]> {
    const height = await this.box.evaluate((box) => box.clientHeight);
    return (await this.rows()).filter(({ top, bottom }) => bottom > 1 && top < height - 1);
  }

  /** Drags the scroll bar to a part of the whole, and waits until text is there. */
  async dragTo(part: number): Promise<Shown[]> {
    await this.box.evaluate((box, part) => {
      box.scrollTop = part * (box.scrollHeight - box.clientHeight);
    }, part);
    await this.hasSource();
    return this.seen();
  }

  async hasSource(): Promise<void> {
    await this.until(({ source }) => source !== '', 'the source');
  }

  async hasTranslation(): Promise<void> {
    await this.until(({ translation }) => translation !== null, 'the translation');
  }

  /** Waits until all rows in view are like that. */
  private async until(isRight: (row: Shown) => boolean, what: string): Promise<void> {
    // A server built for tests that reads, translates and answers at the same time.
    const deadline = Date.now() + 60_000;
    for (let seen: Shown[] = []; seen.length === 0 || !seen.every(isRight); seen = await this.seen()) {
      if (Date.now() > deadline) throw new Error(`${what} of the rows in view does not come: ${JSON.stringify(seen)}`);
      await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  }
}

/** Has the page remember its memories of wasm where they come into being. To be called before it is
 * opened. */
export async function watchMemory(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const memories = new Set<WebAssembly.Memory>();
    Reflect.set(window, 'wasmMemories', memories);
    const keep = ({ exports }: WebAssembly.Instance) => {
      for (const one of Object.values(exports)) if (one instanceof WebAssembly.Memory) memories.add(one);
    };
    const streaming = WebAssembly.instantiateStreaming.bind(WebAssembly);
    WebAssembly.instantiateStreaming = async (source, imports) => {
      const result = await streaming(source, imports);
      keep(result.instance);
      return result;
    };
  });
}

/** JavaScript's heap and the memories of wasm, in bytes. */
export async function memory(page: Page, devtools: CDPSession): Promise<number> {
  await devtools.send('HeapProfiler.collectGarbage');
  const { metrics } = await devtools.send('Performance.getMetrics');
  const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN;
  const wasm = await page.evaluate(() => {
    const memories = [...(Reflect.get(window, 'wasmMemories') as Set<WebAssembly.Memory>)];
    return memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  });
  if (wasm === 0) throw new Error('the memory of wasm was not seen');
  return heap + wasm;
}

/** Has the page note when rows arrived for the first time, and when the first text was shown. */
export async function watchFirstText(page: Page): Promise<() => Promise<{ arrived: number; shown: number }>> {
  await page.evaluate(() => {
    const times = { arrived: 0, shown: 0 };
    Reflect.set(window, 'times', times);
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as PerformanceResourceTiming[]) {
        if (/\/rows\?/.test(entry.name) && entry.encodedBodySize > 1000) times.arrived ||= entry.responseEnd;
      }
    }).observe({ type: 'resource' });
    new MutationObserver(() => {
      if (document.querySelector('.pair .from')?.textContent) times.shown ||= performance.now();
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  return () => page.evaluate(() => Reflect.get(window, 'times') as { arrived: number; shown: number });
}

// Whoever sees, hears or types differently gets the same page.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { expect, test } from '../fixtures.js';
import { STATES, THEMES, WIDTHS, show } from '../states.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What WCAG 2.2 asks for at level AA, as axe-core can tell. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

test.describe('axe-core finds nothing wrong with the page', () => {
  for (const state of STATES) {
    test.describe(state.name, () => {
      test.use({ serverOptions: state.server ?? {} });
      test(`${state.name}, light and dark, narrow and wide`, async ({ babelwire, page, context, server, complaints }) => {
        complaints.networkMayFail = true;
        await state.bring({ babelwire, page, context, server });
        await page.evaluate(AXE);
        for (const theme of THEMES) {
          for (const width of WIDTHS) {
            await show(page, theme, width);
            const { violations } = await page.evaluate(
              (values) =>
                (Reflect.get(window, 'axe') as { run: (options: unknown) => Promise<AxeResults> }).run({
                  runOnly: { type: 'tag', values },
                  resultTypes: ['violations'],
                }),
              RULES,
            );
            const found = violations.flatMap(({ id, nodes }) =>
              nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
            );
            expect(found, `${theme}, ${width} px`).toEqual([]);
          }
        }
      });
    });
  }
});

// Results: a line of JSON each, which `cargo xtask bench` makes into a table.

import { appendFileSync, readFileSync } from 'node:fs';
import { expect } from '@playwright/test';

/** A figure, and what it has to be. */
export interface Figure {
  /** What was measured. */
  what: string;
  value: number;
  unit: string;
  /** The most that is right. */
  atMost?: number;
  /** The least that is right. */
  atLeast?: number;
}

/** Notes a figure, and fails if it is beyond its limit. */
export function note(figure: Figure): void {
  const path = process.env.BABELWIRE_BENCH_REPORT;
  if (path) appendFileSync(path, `${JSON.stringify(figure)}\n`);
  console.log(`    ${figure.what}: ${figure.value} ${figure.unit}`);
  if (figure.atMost !== undefined) {
    expect.soft(figure.value, figure.what).toBeLessThanOrEqual(figure.atMost);
  }
  if (figure.atLeast !== undefined) {
    expect.soft(figure.value, figure.what).toBeGreaterThanOrEqual(figure.atLeast);
  }
}

/** A process' resident memory in KiB: now, and the most it ever was. Linux. */
export function residentMemory(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return { now: kib('VmRSS'), peak: kib('VmHWM') };
}

/** The English text that `cargo xtask bench` prepared: one numbered verse a paragraph. */
export function englishText(bytes: number): string {
  const path = process.env.BABELWIRE_BENCH_TEXT;
  if (!path) throw new Error('BABELWIRE_BENCH_TEXT is not set: run `cargo xtask bench`');
  const text = readFileSync(path, 'utf8');
  return text.slice(0, text.lastIndexOf('\n\n', bytes) + 1);
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

// A picture of every state, in both themes and widths: `cargo xtask screenshots`.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { test } from '../fixtures.js';
import { STATES, THEMES, WIDTHS, show } from '../states.js';

const dir = process.env.BABELWIRE_SHOTS;
if (!dir) throw new Error('BABELWIRE_SHOTS is not set: run `cargo xtask screenshots`');
mkdirSync(dir, { recursive: true });

for (const state of STATES) {
  test.describe(state.name, () => {
    test.use({ serverOptions: state.server ?? {} });
    test(`${state.name}: ${state.shows}`, async ({ babelwire, page, context, server, complaints }) => {
      complaints.networkMayFail = true;
      await state.bring({ babelwire, page, context, server });
      // No caret, and no outline where the last click was.
      if (!state.keepsFocus) await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      for (const theme of THEMES) {
        for (const width of WIDTHS) {
          await show(page, theme, width);
          const path = join(dir, `${state.name}-${theme}-${width}.png`);
          await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
          writeFileSync(path, withPalette(readFileSync(path)));
        }
      }
      complaints.all.length = 0;
    });
  });
}

/** A PNG of the same picture in 256 colours, when it has no more than the nearest of those tell:
 * a third of the size. Follows the PNG specification, sections 9 (filtering) and 11.2 (chunks). */
function withPalette(png: Buffer): Buffer {
  const chunks = new Map<string, Buffer[]>();
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    chunks.set(type, [...(chunks.get(type) ?? []), png.subarray(at + 8, at + 8 + length)]);
    at += length + 12;
  }
  const header = chunks.get('IHDR')?.[0];
  if (!header || header[8] !== 8 || (header[9] !== 2 && header[9] !== 6) || header[12] !== 0) return png;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const bytes = header[9] === 6 ? 4 : 3;
  const pixels = unfiltered(inflateSync(Buffer.concat(chunks.get('IDAT') ?? [])), width * bytes, height, bytes);

  const counts = new Map<number, number>();
  for (let at = 0; at < pixels.length; at += bytes) {
    const colour = colourAt(pixels, at);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const palette = [...counts.entries()]
    .sort(([, one], [, other]) => other - one)
    .slice(0, 256)
    .map(([colour]) => colour);
  const places = new Map(palette.map((colour, place) => [colour, place]));
  for (const colour of counts.keys()) {
    if (!places.has(colour)) places.set(colour, nearest(palette, colour));
  }

  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      rows[y * (width + 1) + 1 + x] = places.get(colourAt(pixels, (y * width + x) * bytes)) ?? 0;
    }
  }
  const indexed = Buffer.from(header);
  indexed[9] = 3;
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', indexed),
    chunk('PLTE', Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function colourAt(pixels: Buffer, at: number): number {
  return ((pixels[at] ?? 0) << 16) | ((pixels[at + 1] ?? 0) << 8) | (pixels[at + 2] ?? 0);
}

function nearest(palette: number[], colour: number): number {
  let [best, least] = [0, Infinity];
  for (const [place, other] of palette.entries()) {
    const distance = [16, 8, 0]
      .map((shift) => ((colour >> shift) & 255) - ((other >> shift) & 255))
      .reduce((sum, difference) => sum + difference * difference, 0);
    if (distance < least) [best, least] = [place, distance];
  }
  return best;
}

function unfiltered(data: Buffer, stride: number, height: number, bytes: number): Buffer {
  const out = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x++) {
      const left = x >= bytes ? (out[y * stride + x - bytes] ?? 0) : 0;
      const above = y > 0 ? (out[(y - 1) * stride + x] ?? 0) : 0;
      const corner = x >= bytes && y > 0 ? (out[(y - 1) * stride + x - bytes] ?? 0) : 0;
      const guesses = [0, left, above, (left + above) >> 1, paeth(left, above, corner)];
      out[y * stride + x] = ((data[y * (stride + 1) + 1 + x] ?? 0) + (guesses[filter] ?? 0)) & 255;
    }
  }
  return out;
}

function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((one) => Math.abs(guess - one)) as [number, number, number];
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function chunk(type: string, data: Buffer): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of content) crc = (CRC[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
  const framed = Buffer.alloc(content.length + 8);
  framed.writeUInt32BE(data.length, 0);
  content.copy(framed, 4);
  framed.writeUInt32BE((crc ^ 0xffffffff) >>> 0, content.length + 4);
  return framed;
}

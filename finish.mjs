// Takes out of a release build the names that only its makers read: some 5 KB of a first visit.
// Run by Trunk after each build; needs Node.js and nothing else.
//
// wasm-bindgen names each function that the wasm imports after its Rust path and a hash, in the
// wasm and in the JavaScript beside it. Here both get a short name.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const { TRUNK_PROFILE, TRUNK_STAGING_DIR } = process.env;
const IMPORTS = 2;

/** Reads what the WebAssembly specification calls LEB128 (section 5.2.2). */
function number(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return [value, at];
  }
}

function toNumber(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

function text(bytes, at) {
  const [length, start] = number(bytes, at);
  return [bytes.toString("utf8", start, start + length), start + length];
}

function toText(string) {
  const bytes = Buffer.from(string);
  return Buffer.concat([toNumber(bytes.length), bytes]);
}

/** Where an import's description ends: its kind, and what that kind needs (section 5.5.5). */
function description(bytes, at) {
  const kind = bytes[at++];
  const limits = (at) => {
    const flags = bytes[at++];
    at = number(bytes, at)[1];
    return flags & 1 ? number(bytes, at)[1] : at;
  };
  if (kind === 0) return number(bytes, at)[1];
  if (kind === 1) return limits(at + 1);
  if (kind === 2) return limits(at);
  if (kind === 3) return at + 2;
  throw new Error(`unknown kind of import: ${kind}`);
}

/** Shortens the names of an import section that stand in the JavaScript as keys. */
function shorten(section, keys, short) {
  let [count, at] = number(section, 0);
  const parts = [toNumber(count)];
  for (; count > 0; count--) {
    let module, name;
    [module, at] = text(section, at);
    [name, at] = text(section, at);
    const end = description(section, at);
    if (keys.has(name) && !short.has(name)) short.set(name, `$${short.size.toString(36)}`);
    parts.push(toText(module), toText(short.get(name) ?? name), section.subarray(at, end));
    at = end;
  }
  return Buffer.concat(parts);
}

function shortenWasm(wasm, keys) {
  const short = new Map();
  const parts = [wasm.subarray(0, 8)];
  for (let at = 8; at < wasm.length; ) {
    const id = wasm[at];
    const [length, start] = number(wasm, at + 1);
    at = start + length;
    const section = wasm.subarray(start, at);
    const changed = id === IMPORTS ? shorten(section, keys, short) : section;
    parts.push(Buffer.from([id]), toNumber(changed.length), changed);
  }
  return [Buffer.concat(parts), short];
}

if (TRUNK_PROFILE === "release") {
  const files = readdirSync(TRUNK_STAGING_DIR).map((name) => join(TRUNK_STAGING_DIR, name));
  for (const file of files.filter((file) => file.endsWith("_bg.wasm"))) {
    const glue = file.replace("_bg.wasm", ".js");
    const javascript = readFileSync(glue, "utf8");
    const keys = new Set([...javascript.matchAll(/^\s+(__wb\w+): function/gm)].map(([, key]) => key));
    const [wasm, short] = shortenWasm(readFileSync(file), keys);
    writeFileSync(file, wasm);
    writeFileSync(glue, javascript.replace(/\b__wb\w+/g, (name) => short.get(name) ?? name));
  }
}

// Makes a release build smaller where no tool does. Run by Trunk after each build; needs Node.js,
// and wasm-opt for all but the first part.
//
// - Where the page was cut in two (BABELWIRE_PARTS), the parts get names of their content, and the
//   script that loads them becomes part of the one that every visit has.
// - The page gets a manifest and a service worker, which has to know the names of its files.
// - wasm-bindgen names each function that the wasm imports, and those that call its closures, after
//   Rust paths and hashes, in the wasm and in the JavaScript beside it. Here all get short names.
// - Brotli refers to what it has seen in fewer bits the nearer that is. Here each function is put
//   before the one that is most like it.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const { TRUNK_PROFILE, TRUNK_STAGING_DIR, BABELWIRE_PARTS } = process.env;
const CUSTOM = 0;
const IMPORTS = 2;
const EXPORTS = 7;
const CODE = 10;
const FUNCTION = 0;

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

/** Bytes after their number: texts, functions, and what is in a section. */
function block(bytes, at) {
  const [length, start] = number(bytes, at);
  return [bytes.subarray(start, start + length), start + length];
}

function toBlock(content) {
  const bytes = Buffer.from(content);
  return Buffer.concat([toNumber(bytes.length), bytes]);
}

/** A module's sections, each with its id (section 5.5.2). */
function* sections(wasm) {
  for (let at = 8; at < wasm.length; ) {
    const id = wasm[at];
    const [content, end] = block(wasm, at + 1);
    yield [id, content];
    at = end;
  }
}

const toSection = (id, content) => Buffer.concat([Buffer.from([id]), toBlock(content)]);

/** Where an import's description ends: its kind, and what that kind needs (section 5.5.5). */
function description(bytes, at) {
  const kind = bytes[at++];
  const limits = (at) => {
    const flags = bytes[at++];
    at = number(bytes, at)[1];
    return flags & 1 ? number(bytes, at)[1] : at;
  };
  if (kind === FUNCTION) return number(bytes, at)[1];
  if (kind === 1) return limits(at + 1);
  if (kind === 2) return limits(at);
  if (kind === 3) return at + 2;
  throw new Error(`unknown kind of import: ${kind}`);
}

function* imports(section) {
  let [count, at] = number(section, 0);
  for (; count > 0; count--) {
    let module, name;
    [module, at] = block(section, at);
    [name, at] = block(section, at);
    const end = description(section, at);
    yield { module, name: name.toString(), description: section.subarray(at, end) };
    at = end;
  }
}

/** Shortens the names of imports that stand in the JavaScript as keys. */
function* exports(section) {
  let [count, at] = number(section, 0);
  for (; count > 0; count--) {
    let name;
    [name, at] = block(section, at);
    // Its kind and its index.
    const end = number(section, at + 1)[1];
    yield { name: name.toString(), description: section.subarray(at, end) };
    at = end;
  }
}

function shorten(wasm, keys) {
  const short = new Map();
  const parts = [wasm.subarray(0, 8)];
  for (let [id, content] of sections(wasm)) {
    if (id === IMPORTS) {
      const all = [...imports(content)].map(({ module, name, description }) => {
        if (keys.has(name) && !short.has(name)) short.set(name, `$${short.size.toString(36)}`);
        return [toBlock(module), toBlock(short.get(name) ?? name), description];
      });
      content = Buffer.concat([toNumber(all.length), ...all.flat()]);
    } else if (id === EXPORTS) {
      const all = [...exports(content)].map(({ name, description }) => {
        if (keys.has(name)) short.set(name, `$${short.size.toString(36)}`);
        return [toBlock(short.get(name) ?? name), description];
      });
      content = Buffer.concat([toNumber(all.length), ...all.flat()]);
    }
    parts.push(toSection(id, content));
  }
  return [Buffer.concat(parts), short];
}

/** The functions that a code section defines (section 5.5.13). */
function functions(section) {
  let [count, at] = number(section, 0);
  const all = [];
  for (let body; count > 0; count--) {
    [body, at] = block(section, at);
    all.push(body);
  }
  return all;
}

/** The places of those functions when each one comes before the one that shares the most with it. */
function places(all) {
  const pieces = all.map((body) => {
    const four = new Set();
    for (let at = 0; at + 4 <= body.length; at++) four.add(body.readUInt32LE(at));
    return four;
  });
  const owners = new Map();
  for (const [one, four] of pieces.entries()) {
    for (const piece of four) {
      if (!owners.has(piece)) owners.set(piece, []);
      owners.get(piece).push(one);
    }
  }
  const places = [];
  for (let one = 0, place = 0; one !== undefined; place++) {
    places[one] = place;
    const shared = new Uint32Array(all.length);
    for (const piece of pieces[one]) for (const other of owners.get(piece)) shared[other]++;
    let [most, next] = [-1, undefined];
    for (const other of all.keys()) {
      // One more, so that there is something to divide by.
      const union = 1 + pieces[one].size + pieces[other].size - shared[other];
      if (places[other] === undefined && shared[other] > most * union) {
        [most, next] = [shared[other] / union, other];
      }
    }
    one = next;
  }
  return places;
}

/** Sorts a file's functions. wasm-opt knows all that refers to one, and sorts by name. */
function sort(file) {
  const wasm = readFileSync(file);
  const content = new Map(sections(wasm));
  const imported = [...imports(content.get(IMPORTS))].filter((one) => one.description[0] === FUNCTION);
  const names = places(functions(content.get(CODE))).map((place, one) => [
    toNumber(imported.length + one),
    toBlock(String(place).padStart(6, "0")),
  ]);
  const named = Buffer.concat([toNumber(names.length), ...names.flat()]);
  const section = Buffer.concat([toBlock("name"), toSection(1, named)]);
  writeFileSync(file, Buffer.concat([wasm, toSection(CUSTOM, section)]));
  const options = ["--reorder-functions-by-name", "--strip-producers", "--strip-target-features"];
  // Without wasm-opt, or with one of an unknown make, it stays as it was.
  if (!optimize(file, options)) writeFileSync(file, wasm);
}

function optimize(file, options) {
  const shell = process.platform === "win32";
  return spawnSync("wasm-opt", [file, ...options, "-o", file], { shell }).status === 0;
}

/** What Trunk gives wasm-opt for the page itself. */
function optimizations() {
  const html = readFileSync("index.html", "utf8");
  return /data-wasm-opt-params="([^"]*)"/.exec(html)[1].split(/\s+/);
}

/**
 * Puts the parts beside the page, and what loads them into its script. The tool's own script would
 * be one more request, and would have to know the page's by its name.
 */
function joinParts(javascript, styles) {
  const parts = readdirSync(BABELWIRE_PARTS).filter((name) => name.endsWith(".wasm") && name !== "main.wasm");
  let loader = readFileSync(join(BABELWIRE_PARTS, "__wasm_split.js"), "utf8");
  for (const name of parts) {
    const file = join(BABELWIRE_PARTS, name);
    optimize(file, [...optimizations(), "--strip-debug", "--strip-producers", "--strip-target-features"]);
    sort(file);
    const wasm = readFileSync(file);
    const late = hashed(wasm, name.replace(/^split_|\.wasm$/g, ""), "wasm");
    writeFileSync(join(TRUNK_STAGING_DIR, late), wasm);
    loader = loader.replaceAll(`"./${name}"`, `"./${late}"`);
  }
  const exported = [...loader.matchAll(/^export const (\w+)/gm)].map(([, name]) => name);
  // `initSync` is the page's own; here it only gives what is there already.
  loader = loader.replace(/^import .*$/gm, "").replaceAll("export const", "const");
  // Its styles come with the desk.
  const begins = "__wasm_split_load_desk = wrapAsyncCb(makeLoad(() => {";
  if (!loader.includes(begins)) throw new Error("nothing loads the desk");
  loader = loader.replace(begins, `${begins} addStyles();`);
  loader += `
    function addStyles() {
      const href = new URL("./${styles}", import.meta.url).href;
      if ([...document.styleSheets].some((sheet) => sheet.href === href)) return;
      document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
    }`;
  // The page says so itself, and tries again.
  loader = loader.replace("console.error", "console.warn");
  // One for each part that is loaded from a place of its own.
  const own = /^import \* as (\w+) from ["']\.\/__wasm_split\.js["'];?$/gm;
  const [first] = [...javascript.matchAll(own)].map(([, name]) => name);
  if (!first) throw new Error("the page's script does not load its parts");
  const parted = `const ${first} = (() => {${loader}return {${exported}};})();`;
  return javascript.replace(own, (_, name) => (name === first ? parted : `const ${name} = ${first};`));
}

/** What no first visit loads. */
const isLate = (name) =>
  /^(?!babelwire-).*\.wasm$|^desk-|^locales\/|^encodings\.txt$/.test(name);

/** The name that a file gets by its content. */
function hashed(content, stem, extension) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 16);
  return `${stem}-${hash}.${extension}`;
}

/**
 * Makes one style sheet of all, or where the page is cut in two, one for each half: a browser shows
 * nothing before it has all that the page names. Gives the name of the second.
 */
function joinStyles() {
  const at = (name) => join(TRUNK_STAGING_DIR, name);
  let html = readFileSync(at("index.html"), "utf8");
  const links = [...html.matchAll(/<link rel="stylesheet" href="\.\/([^"]+)"[^>]*>\s*/g)];
  const isLate = (name) => BABELWIRE_PARTS !== undefined && !name.startsWith("page-");
  const joined = (stem, late) => {
    const names = links.map(([, name]) => name).filter((name) => isLate(name) === late);
    const styles = names.map((name) => readFileSync(at(name), "utf8")).join("\n");
    const name = hashed(styles, stem, "css");
    writeFileSync(at(name), styles);
    for (const old of names) if (old !== name) unlinkSync(at(old));
    return name;
  };
  const desk = BABELWIRE_PARTS && joined("desk", true);
  const page = joined("page", false);
  for (const [index, [link]] of links.entries()) {
    html = html.replace(link, index === 0 ? `<link rel="stylesheet" href="./${page}" />` : "");
  }
  writeFileSync(at("index.html"), html);
  return desk;
}

/** Makes the page one that can be installed, and that opens without a network. */
function equip() {
  const at = (name) => join(TRUNK_STAGING_DIR, name);
  const all = readdirSync(TRUNK_STAGING_DIR, { recursive: true })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => /\.\w+$/.test(name) && !["index.html", "config.json"].includes(name))
    .sort();
  const icon = all.find((name) => /^icon-.*\.svg$/.test(name));
  const manifest = readFileSync("manifest.webmanifest", "utf8").replace("styles/icon.svg", icon);
  writeFileSync(at("manifest.webmanifest"), JSON.stringify(JSON.parse(manifest)));
  const list = (names) => `[${names.map((name) => JSON.stringify(name))}]`;
  const late = all.filter(isLate);
  const front = [...all.filter((name) => !isLate(name)), "manifest.webmanifest"];
  const worker = readFileSync("sw.js", "utf8")
    .replace("const FRONT = []", () => `const FRONT = ${list(front)}`)
    .replace("const REST = []", () => `const REST = ${list(late)}`);
  writeFileSync(at("sw.js"), worker);
  const wasm = statSync(at(all.find((name) => name.endsWith("_bg.wasm")))).size;
  const html = readFileSync(at("index.html"), "utf8")
    .replace("</head>", '<link rel="manifest" href="manifest.webmanifest" /><meta name="serviceworker" content="sw.js" /></head>')
    .replace('<progress id="loading"', `<progress id="loading" max="${wasm}"`);
  writeFileSync(at("index.html"), html);
}

if (TRUNK_PROFILE === "release") {
  const styles = joinStyles();
  const files = readdirSync(TRUNK_STAGING_DIR).map((name) => join(TRUNK_STAGING_DIR, name));
  for (const file of files.filter((file) => file.endsWith("_bg.wasm"))) {
    const glue = file.replace("_bg.wasm", ".js");
    let javascript = readFileSync(glue, "utf8");
    if (BABELWIRE_PARTS) javascript = joinParts(javascript, styles);
    const named = /^\s+(__wb\w+): function|\bwasm\.(wasm_bindgen_\w+)\(/gm;
    const keys = new Set([...javascript.matchAll(named)].map(([, first, second]) => first ?? second));
    const [wasm, short] = shorten(readFileSync(file), keys);
    writeFileSync(file, wasm);
    writeFileSync(
      glue,
      javascript.replace(/\b(?:__wb|wasm_bindgen_)\w+/g, (name) => short.get(name) ?? name),
    );
    sort(file);
  }
  equip();
}

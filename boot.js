// Starts the page's wasm. A file of its own, so that `script-src 'self' 'wasm-unsafe-eval'` is all
// that a Content-Security-Policy has to allow, on any host.
const href = (query) => document.querySelector(query)?.href;

try {
  const glue = await import(href('link[rel="modulepreload"][href*="babelwire"]'));
  await glue.default({ module_or_path: href('link[rel="preload"][type="application/wasm"]') });
} catch (error) {
  console.error(error);
  const stopped = document.getElementById("stopped");
  stopped.querySelector("h1").textContent = "This page could not be loaded";
  stopped.querySelector("p").textContent =
    "It may have been updated a moment ago, or the connection was cut. Reload it. If that does not help, your browser may be too old: it has to know WebAssembly.";
  stopped.hidden = false;
  document.getElementById("app").hidden = true;
}

// Starts the page's wasm. A file of its own, so that `script-src 'self' 'wasm-unsafe-eval'` is all
// that a Content-Security-Policy has to allow, on any host.
const href = (query) => document.querySelector(query)?.href;

const stop = (title, advice) => {
  const stopped = document.getElementById("stopped");
  if (title) {
    stopped.querySelector("h1").textContent = title;
    stopped.querySelector("p").textContent = advice;
  }
  stopped.hidden = false;
  document.getElementById("app").hidden = true;
};

// A panic is a trap: whatever the page still shows can't be trusted.
const trapped = (error) => error instanceof WebAssembly.RuntimeError && stop();
addEventListener("error", ({ error }) => trapped(error));
addEventListener("unhandledrejection", ({ reason }) => trapped(reason));

try {
  const glue = await import(href('link[rel="modulepreload"][href*="babelwire"]'));
  await glue.default({ module_or_path: href('link[rel="preload"][type="application/wasm"]') });
} catch (error) {
  console.error(error);
  stop(
    "This page could not be loaded",
    "It may have been updated a moment ago, or the connection was cut. Reload it. If that does not help, your browser may be too old: it has to know WebAssembly.",
  );
}

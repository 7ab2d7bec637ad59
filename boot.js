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

// Shows how much of the wasm is here. How much it is in all is written by the build: a compressed
// answer's Content-Length counts other bytes.
const show = async (progress, response) => {
  const reader = response.body.getReader();
  for (let part; !(part = await reader.read()).done; ) progress.value += part.value.length;
};

// Whoever has been here before will have files, which come a moment after the page.
try {
  if (localStorage.getItem("babelwire.kept")) document.documentElement.dataset.returning = "";
} catch {
  // A browser that keeps nothing knows nobody.
}

try {
  const loading = document.getElementById("loading");
  const wasm = fetch(href('link[rel="preload"][type="application/wasm"]')).then((response) => {
    // What goes wrong with the copy goes wrong with the module as well, and is told there.
    if (loading.hasAttribute("max")) show(loading, response.clone()).catch(() => {});
    return response;
  });
  const [glue, response] = await Promise.all([
    import(href('link[rel="modulepreload"][href*="babelwire"]')),
    wasm,
  ]);
  await glue.default({ module_or_path: response });
  // Not where the page is being worked on: only a release names one.
  const worker = document.querySelector('meta[name="serviceworker"]')?.content;
  if (worker) navigator.serviceWorker?.register(worker).catch(console.warn);
} catch (error) {
  console.error(error);
  stop(
    "This page could not be loaded",
    "It may have been updated a moment ago, or the connection was cut. Reload it. If that does not help, your browser may be too old: it has to know WebAssembly.",
  );
}

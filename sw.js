// Keeps the page itself on the device, so that it opens without a network. Written beside a release
// build by finish.mjs, which fills in the two lists.
//
// The newest page wins whenever there is a network: the page and its configuration are asked for
// first and taken from here only when nobody answers. Everything else has a hash of its content in
// its name, so that what is here is right. Nobody is ever kept on an old version.

/** What a first visit loads anyhow: it comes from the browser's own cache. */
const FRONT = [];
/** What it does without; fetched at the next visit, for when there is no network. */
const REST = [];

const CACHE = "babelwire";
/** How long the network may take, in milliseconds, where there is a copy here. */
const PATIENCE = 4000;
const PAGE = "./";
/** Those without a hash of their content in their name. */
const NEWEST = ["config.json", ...REST.filter((name) => !/-[0-9a-f]{8,}\./.test(name))];

const url = (name) => new URL(name, self.registration.scope).href;
const open = () => caches.open(CACHE);

/** Adds what is not here yet. One that can't be had is no reason to go without the others. */
const add = async (names) => {
  const cache = await open();
  await Promise.allSettled(
    names.map(async (name) => (await cache.match(url(name))) ?? (await cache.add(url(name)))),
  );
};

/** From the network, and kept; from here when that fails or takes too long. */
const newest = async (request, name) => {
  const cache = await open();
  const kept = await cache.match(url(name));
  const asked = fetch(request).then(async (response) => {
    if (response.ok) {
      // A copy without the address that was asked for: a code to sign in with may stand in it.
      const copy = response.clone();
      await cache.put(url(name), new Response(copy.body, copy));
    }
    return response;
  });
  if (!kept) return asked;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, kept));
  const answer = asked.then((response) => (response.status < 500 ? response : kept)).catch(() => kept);
  return Promise.race([answer, late]);
};

/** From here; else from the network, and kept. */
const hashed = async (request, name) => {
  const cache = await open();
  const kept = await cache.match(url(name));
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(url(name), response.clone());
  return response;
};

const install = async () => {
  const cache = await open();
  await cache.addAll(FRONT.map(url));
  // Last, and anew: it names the others.
  await cache.addAll([url(PAGE), url("config.json")]);
};

self.addEventListener("install", (event) => event.waitUntil(install()));

// Runs when no page of an older version is open any more: nobody needs its files.
self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const cache = await open();
    const known = new Set([PAGE, ...NEWEST, ...FRONT, ...REST].map(url));
    for (const request of await cache.keys()) if (!known.has(request.url)) await cache.delete(request);
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  const { pathname, href } = new URL(request.url);
  const name = href.slice(self.registration.scope.length).replace(/[?#].*$/, "");
  if (request.mode === "navigate") {
    // Only the page itself: a link to a download is one of the network's.
    if (name !== "" && name !== "index.html") return;
    event.respondWith(newest(request, PAGE));
    event.waitUntil(add(REST));
  } else if (NEWEST.includes(name)) {
    event.respondWith(newest(request, name));
  } else if (/-[0-9a-f]{8,}(_bg)?\.\w+$/.test(pathname) && !name.includes("/")) {
    event.respondWith(hashed(request, name));
  }
});

// On devices where only a worker may notify: the page that is open comes to the front.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const show = async () => {
    const [page] = await self.clients.matchAll({ type: "window" });
    return page ? page.focus() : self.clients.openWindow(url(PAGE));
  };
  event.waitUntil(show());
});

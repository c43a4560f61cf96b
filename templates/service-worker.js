/* Pages without a network. A page that was shown is kept on this device, so that it can be shown again with its age.

   Kept are only the few pages that one looks at on the way, never one that says `no-store`, and none beyond a sign-out:
   what lies below /accounts/ empties the store. Everything is asked of the network first. */
{% load static %}
const PAGES = "pages";
const FILES = "files-1";
const OFFLINE = "{% url 'offline' %}";
const KEPT = /^\/teams\/[0-9a-f-]{36}\/(?:(?:signals|orders|positions)\/)?$/;
const MOST = { [PAGES]: 30, [FILES]: 150 };
/* How often the pages were thrown away: one that was asked for before is not kept after. */
let wiped = 0;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(FILES).then((files) => files.add(new Request(OFFLINE, { credentials: "omit" }))).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => ![PAGES, FILES].includes(name));
  event.waitUntil(caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== location.origin) return;
  if (event.request.mode === "navigate" && /^\/(accounts|admin\/logout)\//.test(url.pathname)) {
    // Somebody signs in or out: what the one before has seen is not for the next.
    wiped += 1;
    event.waitUntil(caches.delete(PAGES));
  } else if (event.request.method !== "GET") {
    return;
  } else if (event.request.mode === "navigate") {
    event.respondWith(page(event, url));
  } else if (url.pathname.startsWith("{% get_static_prefix %}")) {
    event.respondWith(file(event));
  }
});

async function page(event, url) {
  const before = wiped;
  try {
    const answer = await fetch(event.request);
    const mayKeep = answer.ok && !url.search && KEPT.test(url.pathname) && !/no-store/.test(answer.headers.get("Cache-Control") || "");
    // Whom a page is refused keeps no copy of it.
    if (answer.status === 403 || answer.status === 404) event.waitUntil(caches.open(PAGES).then((pages) => pages.delete(url.pathname)));
    if (mayKeep && before === wiped) event.waitUntil(keepPage(url.pathname, answer.clone(), before));
    return answer;
  } catch {
    return (await kept(url)) || (await caches.match(OFFLINE)) || Response.error();
  }
}

async function keepPage(path, answer, before) {
  await keep(PAGES, path, answer);
  // Thrown away while it was written down.
  if (before !== wiped) await caches.delete(PAGES);
}

async function file(event) {
  try {
    const answer = await fetch(event.request);
    if (answer.ok) event.waitUntil(keep(FILES, event.request, answer.clone()));
    return answer;
  } catch {
    return (await caches.match(event.request)) || Response.error();
  }
}

async function keep(store, request, answer) {
  const open = await caches.open(store);
  // The newest stand at the end.
  await open.delete(request);
  await open.put(request, answer);
  const keys = await open.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - MOST[store])).map((key) => open.delete(key)));
}

/* The page as it was, with the moment at which the server wrote it. The root leads to the last one that was looked at. */
async function kept(url) {
  const store = await caches.open(PAGES);
  const last = url.pathname === "/" && (await store.keys()).at(-1);
  if (last) return Response.redirect(last.url);
  const answer = await store.match(url.pathname);
  if (!answer) return null;
  const written = new Date(answer.headers.get("Date") || 0).toISOString();
  const html = (await answer.text()).replace("<body", `<body data-offline="${written}"`);
  const headers = new Headers(answer.headers);
  for (const name of ["Content-Encoding", "Content-Length"]) headers.delete(name);
  return new Response(html, { headers });
}

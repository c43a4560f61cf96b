/* The team feed. The server sends html: one or more elements with ids, each alone or wrapped in its own <template>
   (so that a table row and a list item can travel together).

   An element with the id of one on the page takes its place; with `data-feed-gone` it removes it; any other is put at
   the top of the list whose id its `data-feed-into` names, if the list wants it (`data-feed-want`: words that must be
   among the element's `data-feed-tags`) and as far as the list holds (`data-feed-limit`).

   A push begins with its number (numbers.js): what was read before that which the page shows is left out.

   Of an element with `data-feed-at` an older reading is left out, and so is one of the same `data-feed-version`: more
   than one process pushes it. In a list with `data-feed-each` what is new is marked entry by entry.

   What a reader has typed or chosen in a field with an id stays in it, and so do the focus and the open folds.

   What carries `data-feed-keep` inside a replaced element stays the very node it was: a chart is not drawn anew.

   What `data-feed-said` holds is read to a screen reader when it is new on the page.

   `data-feed-refresh` marks regions that are fetched again after a gap; `data-feed-watch="order-1 session-*"` marks
   regions that are fetched again when one of these elements changes. Where a push is missing, what is marked is fetched
   again as well, and again until the server answers: a page ends in the newest state. `data-feed-due` names the moment
   from which a region says something else, and is fetched again for that. */

import { announceNew } from "./announce.js";
import * as numbers from "./numbers.js";
import { raw } from "./regions.js";
import { clockNow, localise } from "./time.js";
import { writing } from "./writing.js";

const NO_ACCESS = 4404;
const SIGNED_OUT = 4401;
const HIDDEN_FOR = 60_000;
const PING_EVERY = 20_000;
const LEAVES_AFTER = 8_000;
const ASKED_AGAIN = 15_000;

const team = document.body.dataset.team;
let socket = null;
let attempt = 0;
let heard = clockNow();
let changes = 0;
let stopped = false;
let paused = false;

/* ---- placing elements ---- */

function apply(html) {
  const number = Number(/^<!--(\d+)-->/.exec(html)?.[1] || 0);
  if (number) numbers.heard(number, true);
  const holder = document.createElement("template");
  holder.innerHTML = html;
  if (holder.content.children.length) changes += 1;
  for (const node of [...holder.content.children]) {
    const wrapped = node instanceof HTMLTemplateElement;
    for (const element of wrapped ? [...node.content.children] : [node]) place(element, number);
  }
}

function place(next, number) {
  if (!next.id) return;
  const current = document.getElementById(next.id);
  if (number) {
    if (numbers.isOlder(number, next.id, current || document.getElementById(next.dataset.feedInto))) return wake(next.id);
    numbers.show(next.id, number);
  }
  if (next.hasAttribute("data-feed-gone")) {
    const list = current?.parentElement;
    if (current) forget(current);
    current?.remove();
    if (list) showEmptiness(list);
  } else if (current && isKnown(current, next)) {
    return;
  } else if (current) {
    forget(current);
    exchange(current, next);
    flash(next);
    leaveIfForeign(next);
  } else {
    insert(next);
  }
  wake(next.id);
  placed(next.id);
}

function isKnown(current, next) {
  const [old, now] = [Number(current.dataset.feedAt || 0), Number(next.dataset.feedAt || 0)];
  if (!now || now < old) return now > 0;
  current.dataset.feedAt = next.dataset.feedAt;
  return next.dataset.feedVersion === current.dataset.feedVersion;
}

function placed(id) {
  document.dispatchEvent(new CustomEvent("feed:placed", { detail: { id, element: document.getElementById(id) } }));
}

function insert(next) {
  const list = document.getElementById(next.dataset.feedInto);
  if (!list || !belongs(list, next)) return;
  forget(list);
  // The bodies of a table stand below its head.
  if (list instanceof HTMLTableElement) list.append(next);
  else list.prepend(next);
  settle(next);
  flash(next);
  announceNew(next);
  const limit = Number(list.dataset.feedLimit || 200);
  const items = [...list.children].filter((child) => !child.matches("[data-feed-empty], thead, caption"));
  for (const surplus of items.slice(limit)) surplus.remove();
  showEmptiness(list);
}

function belongs(list, element) {
  const tags = new Set((element.dataset.feedTags || "").split(" "));
  return (list.dataset.feedWant || "").split(" ").every((word) => !word || tags.has(word));
}

function leaveIfForeign(element) {
  const list = element.parentElement;
  if (list && list.id === element.dataset.feedInto && !belongs(list, element)) leave(element);
}

function leave(element) {
  if (element.classList.contains("is-leaving")) return;
  // It stays long enough to be read: "filled" is the best news of the day.
  element.classList.add("is-leaving");
  setTimeout(() => {
    if (!element.isConnected || !element.classList.contains("is-leaving")) return;
    const list = element.parentElement;
    element.remove();
    showEmptiness(list);
  }, LEAVES_AFTER);
}

/* Let what a reading of the page lists no more leave its list as slowly as if a push had said so: the push that says
   why may come after the reading. What merely found no room leaves at once. */
function leaveSlowly(current, active) {
  const places = new Map();
  for (const element of current.querySelectorAll("[data-feed-want] > [data-feed-into][id]")) {
    places.set(element, [...element.parentElement.children].indexOf(element));
  }
  for (const [element, place] of places) {
    const list = document.getElementById(element.dataset.feedInto);
    if (!list || document.getElementById(element.id) || list.children.length > Number(list.dataset.feedLimit || 200)) continue;
    list.insertBefore(element, list.children[place] ?? null);
    if (element.contains(active)) active.focus({ preventScroll: true });
    showEmptiness(list);
    leave(element);
  }
}

function showEmptiness(list) {
  const note = list.querySelector(":scope > [data-feed-empty]");
  if (note) note.hidden = [...list.children].some((child) => child !== note && !child.matches("thead, caption"));
}

function settle(element) {
  localise(element);
  window.htmx?.process(element);
}

/* Put `next` where `current` was, and leave what the reader typed, the focus and the opened folds as they were. */
function exchange(current, next) {
  const active = current.contains(document.activeElement) ? document.activeElement : null;
  const inside = active ? places(current).indexOf(active) : -1;
  // The entries of a list change places: the reader stays with the entry, not with its place.
  const entry = next.hasAttribute("data-feed-each") && active ? active.closest("li[id]")?.id : "";
  const before = new Set([...current.children].map((child) => child.id));
  for (const place of next.querySelectorAll("[data-feed-keep][id]")) {
    const node = current.querySelector(`#${CSS.escape(place.id)}`);
    if (node) place.replaceWith(node);
  }
  const written = writing(current);
  const folds = folded(current);
  announceNew(next, current);
  current.replaceWith(next);
  for (const [name, fold] of folded(next)) if (folds.get(name)?.open) fold.open = true;
  settle(next);
  if (next.hasAttribute("data-feed-each")) {
    for (const child of next.children) if (child.id && !before.has(child.id)) flash(child);
  }
  const same = active?.id && active.id !== current.id ? next.querySelector(`#${CSS.escape(active.id)}`) : null;
  if (same) same.focus({ preventScroll: true });
  else if (entry) document.getElementById(entry)?.querySelector(FOCUSABLE)?.focus({ preventScroll: true });
  else if (inside >= 0) places(next)[inside]?.focus({ preventScroll: true });
  written(next);
}

const FOCUSABLE = "a[href], button, input, select, textarea, summary";

function places(element) {
  return [element, ...element.querySelectorAll(FOCUSABLE)];
}

/* Folds by what tells them apart: the nearest element with an id, and their place in it. */
function folded(element) {
  const seen = new Map();
  for (const fold of element.querySelectorAll("details")) {
    const home = fold.closest("[id]");
    const siblings = home === fold ? [fold] : [...home.querySelectorAll("details")].filter((each) => each.closest("[id]") === home);
    seen.set(`${home.id} ${siblings.indexOf(fold)}`, fold);
  }
  return seen;
}

function flash(element) {
  if (!element.hasAttribute("data-feed-quiet")) element.classList.add("is-new");
}

/* ---- fetching regions again ---- */

/* The element changes: no region around it is as the server wrote it any more. */
function forget(element) {
  for (let region = element; region; region = region.parentElement) raw.delete(region.id);
}

/* Regions that could not be read are asked for again, later each time that the server does not answer. */
function later(ids) {
  failures += 1;
  for (const id of ids) due.add(id);
}

async function answered(url) {
  try {
    const answer = await fetch(url, { headers: { "X-Feed": "reload" }, credentials: "same-origin" });
    if (answer.redirected || answer.status === 404 || answer.status === 403) return location.reload();
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}

async function reload(regions, tries = 3) {
  const wantedIds = new Map();
  for (const region of regions) {
    const url = region.dataset.feedUrl || location.href;
    wantedIds.set(url, [...(wantedIds.get(url) || []), region.id]);
  }
  for (const [url, ids] of wantedIds) {
    const [before, number] = [changes, numbers.known()];
    const html = await answered(url);
    if (html === undefined) return;
    if (html === null) {
      later(ids);
      continue;
    }
    failures = 0;
    // A newer change arrived meanwhile: the answer may be older than the page.
    if (changes !== before && tries > 1) {
      await reload(ids.map((id) => document.getElementById(id)).filter(Boolean), tries - 1);
      continue;
    }
    // Changes that never pause must not keep the page old: the last answer is shown, and asked for again soon.
    if (changes !== before) for (const id of ids) due.add(id);
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const id of ids) {
      const [current, next] = [document.getElementById(id), fresh.getElementById(id)];
      if (!current || !next) continue;
      numbers.readAgain(id, number);
      if (raw.get(id) === next.outerHTML) continue;
      forget(current);
      raw.set(id, next.outerHTML);
      const active = document.activeElement;
      exchange(current, document.importNode(next, true));
      leaveSlowly(current, active);
      placed(id);
    }
  }
  if (due.size) wake("");
}

function refreshAll() {
  const regions = [...document.querySelectorAll("[data-feed-refresh][id]")];
  if (regions.length) reload(regions).catch(reportError);
}

const due = new Set();
let waking = null;
let failures = 0;

function wake(id) {
  for (const region of document.querySelectorAll("[data-feed-watch][id]")) {
    const words = region.dataset.feedWatch.split(" ");
    if (words.some((word) => word === id || (word.endsWith("*") && id.startsWith(word.slice(0, -1))))) due.add(region.id);
  }
  if (!due.size || waking) return;
  waking = setTimeout(() => {
    const regions = [...due].map((id) => document.getElementById(id)).filter(Boolean);
    due.clear();
    reload(regions).catch(reportError).finally(() => setTimeout(() => { waking = null; if (due.size) wake(""); }, 400));
  }, failures ? Math.min(30_000, 500 * 2 ** failures) : 120);
}

/* Pages do not all ask in the second in which a market opens. */
const slack = Math.random() * 5000;
// A clock that is ahead of the server's asks before there is anything new.
const asked = new WeakMap();

setInterval(() => {
  if (document.hidden) return;
  for (const region of document.querySelectorAll("[data-feed-due][id]")) {
    const now = Date.now();
    if (Date.parse(region.dataset.feedDue) + slack > now || now - (asked.get(region) || 0) < ASKED_AGAIN) continue;
    asked.set(region, now);
    due.add(region.id);
  }
  if (due.size) wake("");
}, 1000);

/* ---- the line ---- */

function show(state, text) {
  for (const place of document.querySelectorAll("[data-feed-state]")) {
    place.dataset.state = state;
    place.querySelector("span").textContent = text;
  }
}

function open() {
  if (stopped || paused || socket) return;
  const line = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/teams/${team}/`);
  socket = line;
  let pinger = 0;
  let silent = false;
  let caughtUp = false;
  line.addEventListener("open", () => {
    heard = clockNow();
    show("live", "live");
    numbers.lineOpens();
    pinger = setInterval(() => {
      if (silent) return line.close();
      silent = true;
      line.send("ping");
    }, PING_EVERY);
    // Also at the first opening: rows may have changed since the page was rendered.
    line.send("ping");
    line.send("needs");
  });
  line.addEventListener("message", (event) => {
    attempt = 0;
    silent = false;
    heard = clockNow();
    if (!event.data.startsWith("pong")) return apply(event.data);
    const number = Number(event.data.slice(5));
    if (number) numbers.heard(number, false);
    if (!caughtUp) refreshAll();
    caughtUp = true;
  });
  line.addEventListener("close", (event) => {
    clearInterval(pinger);
    if (socket === line) socket = null;
    // The page itself says why: it leads to the sign-in.
    if (event.code === SIGNED_OUT) return location.reload();
    if (event.code === NO_ACCESS) {
      stopped = true;
      return show("closed", "not live: you are not in this team any more");
    }
    if (paused) return;
    show("away", `reconnecting, shown as of ${heard}`);
    attempt += 1;
    setTimeout(open, Math.min(30_000, 400 * 2 ** Math.min(attempt, 7)) * (0.5 + Math.random()));
  });
}

function resume() {
  if (!paused) return;
  paused = false;
  attempt = 0;
  open();
}

let hideTimer = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hideTimer);
  if (!document.hidden) return resume();
  // A tab that has been hidden for a minute closes its line.
  hideTimer = setTimeout(() => {
    paused = true;
    show("away", `paused, shown as of ${heard}`);
    socket?.close(1000);
  }, HIDDEN_FOR);
});
addEventListener("offline", () => { show("away", `you are offline, shown as of ${heard}`); socket?.close(); });
addEventListener("online", () => { attempt = 0; open(); });

numbers.whenMissing(() => {
  if (socket?.readyState === WebSocket.OPEN) socket.send("needs");
  refreshAll();
});

if (team) open();

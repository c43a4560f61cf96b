/* Moments in the viewer's zone, and ages that tick. The server wrote them too, so a page without this file still tells the time. */

const chosen = document.documentElement.dataset.timeZone;
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
const zone = chosen || own || "UTC";

if (own) document.cookie = `time_zone=${own}; path=/; max-age=31536000; samesite=lax`;

function parts(moment, timeZone) {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  return Object.fromEntries(format.formatToParts(moment).map((part) => [part.type, part.value]));
}

function day(at) {
  return `${at.year}-${at.month}-${at.day}`;
}

function clock(at) {
  return `${at.hour}:${at.minute}:${at.second}`;
}

export function age(seconds) {
  if (seconds < 2) return "just now";
  if (seconds < 90) return `${Math.floor(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

/* What is still to come: a countdown. */
export function until(seconds) {
  if (seconds <= 0) return "any moment now";
  if (seconds < 120) return `in ${Math.ceil(seconds)} s`;
  if (seconds < 7200) return `in ${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`;
  if (seconds < 172800) return `in ${Math.round(seconds / 3600)} h`;
  return `in ${Math.round(seconds / 86400)} days`;
}

export function clockNow() {
  return clock(parts(new Date(), zone));
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick(element, now = Date.now()) {
  const seconds = (now - Date.parse(element.dateTime)) / 1000;
  write(element, element.dataset.style === "until" ? until(-seconds) : age(seconds));
}

/* Says `data-faded` once the page has heard nothing newer for `data-holds` seconds, which a line that is cut off cannot
   tell. A newer word is another element. */
const arrivals = new WeakMap();

function fade(element, now) {
  if (!arrivals.has(element)) arrivals.set(element, now);
  const faded = now - arrivals.get(element) >= Number(element.dataset.holds) * 1000;
  write(element, faded ? element.dataset.faded : "");
}

/* Show every moment below `root` in the viewer's zone, with both zones on hover. */
export function localise(root) {
  const today = day(parts(new Date(), zone));
  const itself = root.matches?.("time[datetime]") ? [root] : [];
  for (const element of [...itself, ...root.querySelectorAll("time[datetime]")]) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const at = parts(moment, zone);
    const utc = parts(moment, "UTC");
    element.title = `${day(at)} ${clock(at)} ${zone}\n${day(utc)} ${clock(utc)} UTC`;
    const style = element.dataset.style;
    if (style === "age" || style === "until") tick(element);
    else if (style === "date") write(element, `${day(at)} ${clock(at)}`);
    else if (style === "day") write(element, day(at));
    else write(element, day(at) === today ? clock(at) : `${at.month}-${at.day} ${clock(at).slice(0, 5)}`);
  }
  for (const element of root.querySelectorAll("[data-holds]")) fade(element, performance.now());
}

localise(document.body);
setInterval(() => {
  if (document.hidden) return;
  const now = Date.now();
  for (const element of document.querySelectorAll('time:is([data-style="age"], [data-style="until"])')) tick(element, now);
  for (const element of document.querySelectorAll("[data-holds]")) fade(element, performance.now());
}, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) localise(document.body); });
document.body.addEventListener("htmx:load", (event) => localise(event.detail.elt));

/* The inbox: sorts cards by the time left, gives keys to the card in focus, and announces answers. */

import { writing } from "./writing.js";

const list = document.getElementById("approvals");
const announcement = document.querySelector("[data-said]");
const SOON = 30_000;
let leader = 0;
const known = new Set(cards().map((card) => card.id));

function cards() {
  return [...document.querySelectorAll(".approval.proposed")];
}

function end(card) {
  return Date.parse(card.querySelector(".countdown time")?.dateTime) || Infinity;
}

/* ---- time ---- */

function hurry() {
  for (const card of cards()) card.querySelector(".countdown")?.classList.toggle("is-soon", end(card) - Date.now() < SOON);
}
hurry();
setInterval(hurry, 1000);

/* A pushed card is put on top; this sorts the cards by their end. */
function sort() {
  if (!list) return;
  const waiting = cards();
  const sorted = waiting.toSorted((one, other) => end(one) - end(other));
  if (waiting.some((card, index) => card !== sorted[index])) {
    const active = document.activeElement;
    for (const card of sorted) list.append(card);
    if (list.contains(active)) active.focus({ preventScroll: true });
  }
}

function announce(text) {
  if (announcement) announcement.textContent = text.replace(/\s+/g, " ").trim();
}

document.addEventListener("feed:placed", ({ detail }) => {
  if (!detail.id.startsWith("proposal-")) return;
  sort();
  hurry();
  const card = detail.element;
  if (!card) return;
  if (card.id === answering && !card.matches(".proposed")) goOn(card);
  const title = card.querySelector("header h2")?.textContent ?? "";
  // A card that was there already says what has changed by itself.
  if (card.matches(".proposed") && known.has(card.id)) return announce(`${title}: ${card.querySelector(".standing")?.textContent ?? ""}`);
  known.add(card.id);
  announce(card.matches(".proposed") ? `New: ${title} waits for an answer.` : `${title}: ${card.querySelector("[role=status]")?.textContent ?? ""}`);
});

/* ---- answering ---- */

let next = null;
let asked = "";
let answering = "";
let written = null;

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  const card = detail.elt.closest(".approval");
  if (!card) return;
  const waiting = cards();
  next = waiting[waiting.indexOf(card) + 1] ?? waiting[waiting.indexOf(card) - 1] ?? null;
  asked = detail.elt.closest("details")?.dataset.answer ?? "";
  answering = card.id;
  // The feed may bring the answered card before our own request does; that card is put in its place then.
  detail.target.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.target.isConnected) event.detail.target = document.getElementById(card.id) ?? event.detail.target;
    written = writing(event.detail.target);
  }, { once: true });
});

/* Move the focus on to the next card, unless it is elsewhere already. */
function goOn(card) {
  const active = document.activeElement;
  if (active === document.body || card.contains(active)) (next?.isConnected ? next : card).focus({ preventScroll: true });
}

for (const word of ["htmx:afterSwap", "htmx:afterSettle"]) {
  document.addEventListener(word, () => {
    const card = document.getElementById(answering);
    if (!card) return;
    if (!card.matches(".proposed")) return goOn(card);
    if (word !== "htmx:afterSwap") return;
    const refusal = card.querySelector("[role=alert]");
    if (!refusal) {
      // The approval counts, and another one is missing.
      announce(card.querySelector(".standing")?.textContent ?? "");
      return goOn(card);
    }
    // Refused: what was written stays, and the field that was open is opened again.
    written?.(card);
    announce(refusal.textContent);
    card.focus({ preventScroll: true });
    if (asked) open(card, asked);
  });
}

/* ---- keys ---- */

function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]");
}

function open(card, answer) {
  const fold = card.querySelector(`details[data-answer=${answer}]`);
  if (!fold) return;
  fold.open = true;
  const field = fold.querySelector("input");
  field.focus();
  field.select();
}

function step(by) {
  const waiting = cards();
  if (!waiting.length) return;
  const at = waiting.indexOf(document.activeElement.closest(".approval"));
  const card = waiting[at < 0 ? 0 : Math.min(Math.max(at + by, 0), waiting.length - 1)];
  card.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const card = event.target.closest(".approval.proposed");
  if (event.target.matches("details input")) {
    if (event.key === "Enter") {
      event.preventDefault();
      event.target.closest("details").querySelector("button").click();
    } else if (event.key === "Escape") {
      event.target.closest("details").open = false;
      card?.focus();
    }
    return;
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  // "g s" and "g d" go places.
  if (key === "g") leader = Date.now();
  if (Date.now() - leader < 1200) return;
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  if (!card || card.closest(".only-look")) return;
  if (key === "a" && !event.repeat) card.querySelector("button[data-answer=approve]").click();
  if (key === "s" || key === "d") {
    event.preventDefault();
    open(card, key === "s" ? "smaller" : "decline");
  }
});

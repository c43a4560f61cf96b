/* Says to a screen reader what comes by itself: politely, one sentence for what comes together, and none twice. */

const TOGETHER = 800;
const MOST = 3;

const place = document.getElementById("announcement");
let waiting = [];
let timer = 0;

export function announce(text) {
  const sentence = text.replace(/\s+/g, " ").trim();
  if (!place || !sentence || waiting.includes(sentence)) return;
  waiting.push(sentence);
  if (!timer) timer = setTimeout(speak, TOGETHER);
}

function speak() {
  const more = waiting.length - MOST;
  place.textContent = [...waiting.slice(0, MOST), ...(more > 0 ? [`And ${more} more.`] : [])].join(" ");
  waiting = [];
  timer = 0;
}

/* What an element and its parts want said (`data-feed-said`). */
function sayings(element) {
  return [element, ...element.querySelectorAll("[data-feed-said]")].map((each) => each.dataset?.feedSaid).filter(Boolean);
}

/* Say what `next` wants said and `before`, whose place it takes, had not said. */
export function announceNew(next, before = null) {
  const old = before ? sayings(before) : [];
  for (const sentence of sayings(next)) if (!old.includes(sentence)) announce(sentence);
}

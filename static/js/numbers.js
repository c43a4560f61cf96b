/* The numbers of the pushes. A push takes its number before it reads the rows, so of two pushes of one element the
   higher shows the later reading, in whatever order they arrive. And where a number does not arrive, something is not
   known here: the page reads again what it shows. */

// Pushes of different processes may arrive in another order than that of their numbers, so a missing one is waited for.
const PATIENCE = 2_000;
const MOST_MISSING = 200;
const MOST_REMEMBERED = 5_000;

let top = 0;
let gap = () => {};
let timer = 0;
let many = false;
// Numbers that did not arrive, with the moment since when they are missing.
const missing = new Map();
// By element: the number it was last shown with. By region: the number that was known when it was asked for.
const shown = new Map();
const asked = new Map();

export function whenMissing(callback) {
  gap = callback;
}

/* A line has just opened, and what is marked is read again: whatever came before that is not missing. */
export function lineOpens() {
  top = 0;
  many = false;
  missing.clear();
}

/* The last number known of. */
export function known() {
  return top;
}

/* There is a push of this number; `arrived`: this is it. */
export function heard(number, arrived) {
  if (arrived) missing.delete(number);
  const before = top;
  top = Math.max(top, number);
  if (!before || number <= before) return;
  const now = performance.now();
  if (number - before > MOST_MISSING) many = true;
  else for (let each = before + 1; each < number || (each === number && !arrived); each += 1) missing.set(each, now);
  if (many || missing.size) timer ||= setTimeout(look, PATIENCE);
}

/* However much is missing, the page is read again once in a while. */
function look() {
  timer = 0;
  const since = performance.now() - PATIENCE + 50;
  const lost = [...missing].filter(([, at]) => at <= since);
  for (const [number] of lost) missing.delete(number);
  const isGap = many || lost.length > 0;
  many = false;
  if (missing.size) timer = setTimeout(look, PATIENCE);
  if (isGap) gap();
}

/* Whether a push of this number was read before what `place`, an element or the list it would go to, shows of `id`. */
export function isOlder(number, id, place) {
  if (number < (shown.get(id) || 0)) return true;
  for (let region = place; region; region = region.parentElement) if (number <= (asked.get(region.id) || 0)) return true;
  return false;
}

export function show(id, number) {
  remember(shown, id, number);
}

/* A region was read again, after its page had known of this number. */
export function readAgain(id, number) {
  remember(asked, id, number);
}

function remember(map, id, number) {
  map.delete(id);
  map.set(id, number);
  if (map.size > MOST_REMEMBERED) map.delete(map.keys().next().value);
}

/* Searches the rulebook: hides rows without all of the words, and parts without a row. */

const field = document.querySelector("[data-find]");
const summary = document.querySelector("[data-found]");
const codes = document.querySelector(".codes");
const calculator = document.getElementById("calculator").closest(".panel");
const panels = [...document.querySelectorAll(".panel:has(tbody, [data-row])")];
const rows = [...document.querySelectorAll(".panel tbody tr:not(.group), .panel [data-row]")].map((row) => ({
  row, text: `${row.textContent} ${row.dataset.also ?? ""}`.toLowerCase().replaceAll("_", " "),
}));

function find() {
  const words = field.value.toLowerCase().replaceAll("_", " ").split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { row, text } of rows) {
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) count += 1;
  }
  for (const group of document.querySelectorAll("tr.group")) group.hidden = !group.parentElement.querySelector("tr:not(.group):not([hidden])");
  for (const panel of panels) panel.hidden = !panel.querySelector("tbody tr:not(.group):not([hidden]), [data-row]:not([hidden])");
  // Hidden during a search: on a phone the form would stand before the matches.
  calculator.hidden = words.length > 0;
  // The codes stay folded until one of them matches.
  if (words.length) codes.open = Boolean(codes.querySelector("[data-row]:not([hidden])"));
  summary.textContent = words.length ? (count ? `${count} found` : "nothing found") : "";
}

function show() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && codes.contains(target)) {
    codes.open = true;
    target.scrollIntoView({ block: "center" });
  }
}

if (field) {
  field.closest("[hidden]").hidden = false;
  field.addEventListener("input", find);
  addEventListener("hashchange", show);
  // A page that the browser kept comes back with the words that were in the field.
  find();
  show();
}

/* The keyboard: "/" searches, "g d" and its kin go places, "?" explains. */

const places = { d: "dashboard", s: "signals", o: "orders", p: "positions", c: "connections", g: "guards" };
const help = document.getElementById("keys");
let leader = 0;

function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const key = event.key.toLowerCase();
  if (event.key === "?") {
    event.preventDefault();
    help?.showModal();
  } else if (event.key === "/") {
    const search = document.querySelector("[data-search]");
    const elsewhere = document.querySelector("[data-go='signals']");
    event.preventDefault();
    if (search) search.focus();
    else if (elsewhere) location.href = `${elsewhere.href}#search`;
  } else if (key === "g" && Date.now() - leader > 1200) {
    leader = Date.now();
  } else if (places[key] && Date.now() - leader < 1200) {
    leader = 0;
    const link = document.querySelector(`[data-go='${places[key]}']`);
    if (link) location.href = link.href;
  }
});

if (location.hash === "#search") document.querySelector("[data-search]")?.focus();
for (const button of document.querySelectorAll("[data-show-keys]")) button.addEventListener("click", () => help?.showModal());

/* Small manners: the theme switch, copying, asking before an action that cannot be undone, fields that depend on others. */

import { announce } from "./announce.js";

const year = 31_536_000;

function themeIs(name) {
  const root = document.documentElement;
  if (name === "auto") delete root.dataset.theme;
  else root.dataset.theme = name;
  document.cookie = name === "auto" ? "theme=; path=/; max-age=0; samesite=lax" : `theme=${name}; path=/; max-age=${year}; samesite=lax`;
  for (const button of document.querySelectorAll("[data-theme-is]")) button.setAttribute("aria-pressed", String(button.dataset.themeIs === name));
  document.dispatchEvent(new CustomEvent("theme"));
}
themeIs(document.documentElement.dataset.theme || "auto");

async function copy(button) {
  const source = button.dataset.copyFetch;
  const target = document.querySelector(button.dataset.copy || null);
  const answer = source ? await fetch(source, { credentials: "same-origin" }) : null;
  // A secret is shown after a fresh proof only: there first, then back to this page.
  const confirmAt = answer?.headers.get("Halyard-Confirm");
  if (confirmAt) return location.assign(confirmAt);
  const text = answer ? await answer.text() : (target.value ?? target.textContent).trim();
  const label = button.querySelector("span");
  const was = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
    announce("Copied.");
  } catch {
    // Without a secure address the clipboard is closed to pages: mark the text, so that one key press copies it.
    if (target) getSelection().selectAllChildren(target);
    label.textContent = "Press Ctrl+C";
    announce("Marked. Press Ctrl and C to copy it.");
  }
  setTimeout(() => { label.textContent = was; }, 1800);
}

document.addEventListener("click", (event) => {
  const theme = event.target.closest("[data-theme-is]");
  if (theme) themeIs(theme.dataset.themeIs);
  const copier = event.target.closest("[data-copy], [data-copy-fetch]");
  if (copier) copy(copier);
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog")?.close();
  // Menus made of <details> close on a click outside of them.
  for (const menu of document.querySelectorAll("details.team-switch[open], details.user-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.team-switch[open], details.user-menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

/* Filters apply as they change; the button is for browsers without scripts. */
for (const form of document.querySelectorAll("form[data-scripted]")) form.querySelector("[type=submit]").hidden = true;

/* A fieldset with data-only="environment=paper live" shows while the named field has one of the values. */
function follow(form) {
  for (const part of form.querySelectorAll("[data-only]")) {
    const [name, values] = part.dataset.only.split("=");
    const field = form.elements[name];
    const on = values.split(" ").includes(field?.value);
    part.hidden = !on;
    if (part instanceof HTMLFieldSetElement) part.disabled = !on;
  }
}
const followIn = (place) => { for (const form of place?.querySelectorAll("form:has([data-only])") || []) follow(form); };
followIn(document);
document.addEventListener("change", (event) => { if (event.target.form) follow(event.target.form); });
/* What was fetched again while the page is open follows as well. */
document.addEventListener("feed:placed", (event) => followIn(event.detail.element));

/* A form's message, shown while it is typed. */
function preview(form) {
  const place = form.querySelector("[data-preview]");
  const message = {};
  for (const field of form.querySelectorAll("[data-message]")) {
    if (field.type === "radio" && !field.checked) continue;
    const value = field.value.trim();
    if (!value) continue;
    const read = field.dataset.number && !Number.isNaN(Number(value)) ? Number(value) : value;
    const [name, part] = field.dataset.message.split(".");
    message[name] = part ? { ...message[name], [part]: read } : read;
  }
  place.textContent = JSON.stringify(message, null, 2);
}
for (const form of document.querySelectorAll("form:has([data-preview])")) {
  preview(form);
  form.addEventListener("input", () => preview(form));
}

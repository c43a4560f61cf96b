/* Leaving a page asks when a form on it holds what was typed and not sent. What the server wrote is a field's default
   value, so whatever differs from it was typed here. A form that came back with errors, or as the answer to a post, was
   typed before. One line is quickly typed again: only forms with more of it ask. */

const PASSING = "[type=hidden], [type=password], [type=submit], [type=button], [type=search], [data-passing], .beside *";
let leaving = new Set();

function typed(field) {
  return field.matches("input, select, textarea") && !field.matches(PASSING) && !field.disabled;
}

function changed(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (!(field instanceof HTMLSelectElement)) return field.value !== field.defaultValue;
  const options = [...field.options];
  if (options.some((option) => option.defaultSelected)) return options.some((option) => option.selected !== option.defaultSelected);
  return field.multiple ? field.selectedIndex >= 0 : field.selectedIndex > 0;
}

function holdsMore(form) {
  const fields = [...form.elements].filter(typed);
  return fields.some((field) => field instanceof HTMLTextAreaElement) || new Set(fields.map((field) => field.name)).size > 1;
}

function cameBack(form) {
  return Boolean(form.querySelector("[aria-invalid=true], .errors")) || (document.body.dataset.method === "POST" && form.matches("[data-keeps-typed]"));
}

export function unsaved(form) {
  if (form.method !== "post" || leaving.has(form) || !holdsMore(form)) return false;
  return form.dataset.changed === "yes" || cameBack(form) || [...form.elements].some((field) => typed(field) && changed(field));
}

addEventListener("beforeunload", (event) => {
  if ([...document.querySelectorAll("main.page form")].some(unsaved)) event.preventDefault();
});

/* What is added or taken away without a field of its own being typed in: rows of trading windows. */
document.addEventListener("input", (event) => {
  if (!event.target.matches?.("input, select, textarea")) event.target.closest?.("form")?.setAttribute("data-changed", "yes");
});

/* A form that is sent is left on purpose; htmx stays on the page, where it can be typed in again. */
addEventListener("submit", (event) => {
  if (!event.defaultPrevented) leaving.add(event.target);
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.requestConfig?.triggeringEvent?.type === "submit" && detail.successful) sent(detail.elt);
});
addEventListener("pageshow", () => { leaving = new Set(); });

function sent(form) {
  if (!(form instanceof HTMLFormElement)) return;
  delete form.dataset.changed;
  for (const field of [...form.elements].filter(typed)) {
    if (field instanceof HTMLSelectElement) for (const option of field.options) option.defaultSelected = option.selected;
    else if (field.type === "checkbox" || field.type === "radio") field.defaultChecked = field.checked;
    else field.defaultValue = field.value;
  }
}

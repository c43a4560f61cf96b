/* What a reader is writing outlives the element around it.

   `writing(element)` remembers the fields with an id that differ from what the server sent, and where the caret stands;
   what it returns puts them into the element that takes its place. A field that is gone there, or that says there that
   something else was sent, is left alone. */

const FIELDS = "input[id]:not([type=hidden], [type=file], [type=submit]), textarea[id], select[id]";

export function writing(element) {
  const fields = [...element.querySelectorAll(FIELDS)].filter(isChanged).map(stateOf);
  return (next) => {
    for (const state of fields) {
      const field = next.querySelector(`#${CSS.escape(state.id)}`);
      if (field && field.type === state.type) restore(field, state);
    }
  };
}

function isChanged(field) {
  if (field === document.activeElement) return true;
  if (field instanceof HTMLSelectElement) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

function stateOf(field) {
  const { id, type, value, checked } = field;
  const untouched = "defaultValue" in field && value === field.defaultValue;
  const chosen = field instanceof HTMLSelectElement ? [...field.selectedOptions].map((option) => option.value) : null;
  // Only a field of text has a caret; another one says null.
  return { id, type, value, checked, untouched, chosen, start: field.selectionStart ?? null, end: field.selectionEnd ?? null };
}

function restore(field, state) {
  if (state.chosen) {
    for (const option of field.options) option.selected = state.chosen.includes(option.value);
  } else if (state.type === "checkbox" || state.type === "radio") {
    field.checked = state.checked;
  } else {
    if (!state.untouched) field.value = state.value;
    if (field === document.activeElement && state.start !== null) field.setSelectionRange(state.start, state.end);
  }
}

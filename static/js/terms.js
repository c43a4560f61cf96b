/* Terms: rows of trading windows that come and go, and marking several subscriptions. Without this, a spare row and
   "Remove" boxes do for the windows. */

function notifyInput(field) {
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

for (const field of document.querySelectorAll("[data-windows]")) {
  const rows = field.querySelector("[data-rows]");
  const pattern = field.querySelector("[data-window-pattern]");
  const add = field.querySelector("[data-add-window]");
  let number = rows.children.length;
  field.querySelector("[data-spare]")?.remove();
  add.hidden = false;

  function dress(row) {
    // A row is removed at once; the box is for browsers without scripts.
    const box = row.querySelector(".gone");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small gone";
    button.textContent = "Remove";
    button.setAttribute("aria-label", "Remove this trading window");
    button.addEventListener("click", () => {
      row.remove();
      notifyInput(add.parentElement);
      add.focus();
    });
    box.replaceWith(button);
  }

  for (const row of rows.children) dress(row);
  add.addEventListener("click", () => {
    const holder = document.createElement("div");
    holder.innerHTML = pattern.innerHTML.replaceAll("__n__", String(number));
    number += 1;
    const row = holder.firstElementChild;
    rows.append(row);
    dress(row);
    row.querySelector("input").focus();
  });
}

/* Beside the form, Enter asks for the examples; it neither saves nor leaves. In a list that is only marked, it does nothing. */
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches(".beside input, .beside select, td.mark input, [data-mark-all] input")) return;
  event.preventDefault();
  if (event.target.closest(".beside")) notifyInput(event.target);
});

/* Mark all of a list, and count the marked. */
for (const list of document.querySelectorAll("form:has([data-mark-all])")) {
  const all = list.querySelector("[data-mark-all]");
  const count = list.querySelector("[data-marked-count]");
  const boxes = [...list.querySelectorAll("td.mark input")];
  const buttons = list.querySelectorAll(".bulk button");

  function counted() {
    const marked = boxes.filter((box) => box.checked).length;
    const box = all.querySelector("input");
    box.checked = marked === boxes.length;
    box.indeterminate = marked > 0 && marked < boxes.length;
    count.textContent = marked ? `${marked} marked` : "";
    for (const button of buttons) button.disabled = !marked;
  }
  all.hidden = false;
  all.addEventListener("change", (event) => {
    for (const box of boxes) box.checked = event.target.checked;
    counted();
  });
  list.addEventListener("change", counted);
  addEventListener("pageshow", counted);
  counted();
}

/* Open the sections that hold an error. */
for (const wrong of document.querySelectorAll("[aria-invalid='true']")) {
  for (let fold = wrong.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

"use strict";
/* Derivations of one figure, or of all from the layer's name. A line is [column, name, formula, numbers]. */

function linesOf(state, row, column, place) {
  const working = state.table.workings?.[row.index];
  if (!working) return [];
  const [remarks, lines] = working;
  if (place === 0) return remarks.length || lines.length ? [...remarks.map((remark) => [null, remark]), ...lines] : [];
  return lines.filter(([field]) => field === column.field);
}

function toggleWorking(state, row, place, pressed) {
  const wasOpen = pressed.getAttribute("aria-expanded") === "true";
  closeWorking(row);
  if (!wasOpen) openWorking(state, row, place);
}

function openWorking(state, row, place) {
  const id = `${state.name}-working-${row.index}`;
  const lines = linesOf(state, row, state.shown[place], place);
  row.working = made("tr", { class: "working", id },
    made("td", { colspan: state.shown.length }, made("div", {}, ...written(lines))));
  row.opened = place;
  row.pressed = row.element.children[place].querySelector(".why");
  row.pressed.setAttribute("aria-expanded", "true");
  row.pressed.setAttribute("aria-controls", id);
  row.element.after(row.working);
}

function closeWorking(row) {
  row.working?.remove();
  row.pressed?.setAttribute("aria-expanded", "false");
  row.pressed?.removeAttribute("aria-controls");
  row.working = row.pressed = row.opened = null;
}

function written(lines) {
  const remarks = lines.filter(([field]) => field === null).map(([, remark]) => made("p", {}, remark));
  const items = lines.filter(([field]) => field !== null).map(([, name, formula, numbers]) => made("li", {},
    `${name} = `, made("span", { class: "formula" }, formula), ` = ${numbers}`));
  return items.length ? [...remarks, made("ul", {}, ...items)] : remarks;
}

function showWorkings(state, pressed) {
  const isOpening = pressed.getAttribute("aria-pressed") === "false";
  pressed.setAttribute("aria-pressed", isOpening);
  showAll(state);
  for (const row of state.visible) {
    closeWorking(row);
    if (isOpening && row.element.firstChild.querySelector(".why")) openWorking(state, row, 0);
  }
}

function closeOnEscape(event) {
  if (event.key !== "Escape") return;
  hideTip();
  const line = event.target.closest?.("tbody tr");
  const state = line && filled.get(line.closest(".table"));
  const row = state?.visible.find((each) => each.working && [each.element, each.working].includes(line));
  if (!row) return;
  const pressed = row.pressed;
  closeWorking(row);
  pressed.focus();
}


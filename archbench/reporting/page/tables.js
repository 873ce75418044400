"use strict";
/* Tables with sorting, filtering and copying. A cell is its raw value, or [raw value, formatted text]. In the order of
   execution and without a filter, repeated blocks are shown once: a line of sums, and below it the rows of one block. */

const data = JSON.parse(document.getElementById("data").textContent);
const collator = new Intl.Collator("en", { numeric: true });
const filled = new WeakMap(); // .table element -> its state
const fewRows = 6; // tables up to this size have no filter
const tallRows = 30; // longer tables scroll in their own box
const shortRows = 12; // up to this size, a table is not divided between pages
const longName = 28; // longer names may break into lines
const someRows = 60; // rows rendered at first; scrolling renders more

function made(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function button(label, attributes, action) {
  const element = made("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", action);
  return element;
}

function say(text) {
  document.getElementById("said").textContent = text;
}

const rawOf = (cell) => (Array.isArray(cell) ? cell[0] : cell);
const textOf = (cell) => String((Array.isArray(cell) ? cell[1] : cell) ?? "");
const exactOf = (cell) => String(rawOf(cell) ?? "");
/* A number whose text has no digit is doubted: CSV has it, but sorting, bars and exact values treat it as unknown. */
const isDoubted = (cell) => Array.isArray(cell) && typeof cell[0] === "number" && !/\d/.test(cell[1]);
const knownOf = (cell) => (isDoubted(cell) ? null : rawOf(cell));

function fillTable(place) {
  if (filled.has(place)) return;
  const view = data.views[place.dataset.view];
  const table = data.tables[view.table];
  const columns = table.columns.map((column, index) => ({ ...column, index }));
  const state = {
    place, table, columns,
    name: place.dataset.view,
    caption: view.caption,
    shown: columns.filter((column) => !column.hidden),
    rows: (view.rows ?? table.rows.map((_, index) => index)).map((index) => ({ index, cells: table.rows[index], opened: null })),
    folded: table.folded?.map(lineOf(table)) ?? [],
    sorted: null, words: [], isExact: false, isUnfolded: false, limit: someRows,
  };
  filled.set(place, state);
  state.largest = largestOf(state);
  state.body = made("tbody", {});
  const scroll = made("div", { class: "scroll", role: "group", "aria-label": `${view.caption}: table` },
    made("table", {}, caption(state), head(state), state.body, ...foot(state)));
  scroll.classList.toggle("tall", state.rows.length > tallRows);
  place.classList.toggle("short", state.rows.length <= shortRows);
  scroll.addEventListener("scroll", () => extend(state, scroll), { passive: true });
  place.append(tools(state), scroll);
  state.scroll = scroll;
  sizes.observe(scroll);
  refresh(state);
}

/* A line is [level, name, position of its row or cells of a sum]. */
const lineOf = (table) => ([level, label, row]) =>
  Array.isArray(row) ? { cells: row, level, label, opened: null } : { index: row, cells: table.rows[row], level, label, opened: null };

const isFolded = (state) => state.folded.length > 0 && !state.isUnfolded && !state.sorted && !state.words.length;

function largestOf(state) {
  const largest = {};
  for (const { index } of state.shown.filter((column) => column.bar))
    largest[index] = Math.max(...state.rows.map((row) => Number(knownOf(row.cells[index])) || 0));
  return largest;
}

function caption(state) {
  return made("caption", {}, made("span", {}, state.caption));
}

function head(state) {
  const heads = state.shown.map((column) => made("th", { scope: "col", class: `${column.number ? "number" : ""} ${column.minor ? "minor" : ""}`.trim() },
    button(column.heading, { title: column.field }, () => sortBy(state, column))));
  state.heads = heads;
  return made("thead", {}, made("tr", {}, ...heads));
}

function foot(state) {
  state.foot = null;
  if (!state.table.totals) return [];
  const row = { cells: state.table.totals };
  state.foot = made("tfoot", {}, made("tr", {}, ...state.shown.map((column, place) => cellOf(state, row, column, place))));
  return [state.foot];
}

function tools(state) {
  const bar = made("div", { class: "tools" });
  state.count = made("p", { class: "count", role: "status" });
  if (state.rows.length > fewRows) {
    const field = made("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${state.caption}` });
    field.addEventListener("input", () => filterBy(state, field.value));
    bar.append(field);
  }
  if (state.rows.some((row) => row.cells.some(Array.isArray))) {
    const exact = button("Exact values", { class: "control", "aria-pressed": "false" }, () => showExact(state, exact));
    bar.append(exact);
  }
  bar.append(button("Copy as CSV", { class: "control" }, () => copy(state)));
  if (state.table.workings) {
    const all = button("All workings", { class: "control", "aria-pressed": "false" }, () => showWorkings(state, all));
    bar.append(all);
  }
  if (state.folded.length) {
    const blocks = button("All blocks", { class: "control", "aria-pressed": "false" }, () => unfold(state, blocks));
    bar.append(blocks);
  }
  state.more = button("Show all", { class: "control" }, () => showAll(state));
  if (state.shown.some((column) => column.minor)) {
    const columns = button("All columns", { class: "control narrow", "aria-pressed": "false" }, () => showColumns(state, columns));
    bar.append(columns);
  }
  bar.append(state.count, state.more);
  return bar;
}

/* A narrow window has the most important columns alone until the button asks for all. */
function showColumns(state, button) {
  const isAll = state.place.classList.toggle("all");
  button.setAttribute("aria-pressed", isAll);
  markScrollable(state.scroll);
}

function rowOf(state, row) {
  if (!row.element) {
    row.element = made("tr", {}, ...state.shown.map((column, place) => cellOf(state, row, column, place)));
    if (row.opened !== null) openWorking(state, row, row.opened);
  }
  return row.element;
}

function cellOf(state, row, column, place) {
  const cell = row.cells[column.index];
  const element = document.createElement(place === 0 ? "th" : "td");
  if (place === 0) element.scope = "row";
  element.className = classOf(state, row, column, cell);
  if (place === 0 && row.level) element.style.setProperty("--level", row.level);
  if (element.classList.contains("bar"))
    element.style.setProperty("--share", Number(rawOf(cell) || 0) / state.largest[column.index]);
  const text = place === 0 && row.label ? row.label : state.isExact && !isDoubted(cell) ? exactOf(cell) : textOf(cell);
  if (!state.isExact && Array.isArray(cell) && !isDoubted(cell)) element.title = `${column.field} ${cell[0]}`;
  element.append(contentOf(state, row, column, place, text));
  return element;
}

function classOf(state, row, column, cell) {
  const names = [];
  if (column.number) names.push("number");
  if (column.minor) names.push("minor");
  if ((row.label ?? textOf(cell)).length > longName && !column.prose) names.push("long");
  if (rawOf(cell) === 0) names.push("zero");
  if (column.prose) names.push("prose");
  if (column.bar && row.index !== undefined && hasBar(state, column, cell)) names.push("bar");
  if (column.field === "verdict" || column.field === "status") names.push("verdict", `verdict-${rawOf(cell)}`);
  return names.join(" ");
}

function hasBar(state, column, cell) {
  return state.largest[column.index] > 0 && knownOf(cell) !== null;
}

function contentOf(state, row, column, place, text) {
  const links = state.table.links;
  if (place === 0 && links && row.index !== undefined) return made("a", { href: `#${links[row.index]}` }, ...breakable(text));
  if (row.index === undefined || !text || !linesOf(state, row, column, place).length) return text;
  const why = button("", { class: "why", "aria-expanded": "false" }, () => toggleWorking(state, row, place, why));
  why.append(...breakable(text));
  return why;
}

/* Let a long path break after points and slashes, not within a name. */
function breakable(text) {
  if (text.length <= longName) return [text];
  return text.split(/(?<=[./])/).flatMap((part) => [part, document.createElement("wbr")]);
}

/* Show the rows that pass the filter, in the chosen order. */
function refresh(state) {
  const rows = isFolded(state) ? [...state.folded] : state.rows.filter((row) => passes(state, row));
  if (state.sorted) rows.sort(comparison(state.sorted));
  state.visible = rows;
  state.body.replaceChildren(...elementsOf(state, 0, state.limit));
  if (state.foot) state.foot.hidden = state.words.length > 0;
  tellCount(state);
  markScrollable(state.scroll);
}

function elementsOf(state, first, last) {
  return state.visible.slice(first, last).flatMap((row) => [rowOf(state, row), ...(row.working ? [row.working] : [])]);
}

function tellCount(state) {
  const [visible, all] = [state.visible.length, state.rows.length];
  const rows = isFolded(state) ? `${all} rows, equal blocks once (×n: the sum of n; indented: one of them)`
    : visible === all ? `${all} ${all === 1 ? "row" : "rows"}` : `${visible} of ${all} rows`;
  const isCut = state.limit < visible;
  state.count.textContent = isCut ? `${rows}, the first ${state.limit} shown` : rows;
  state.more.hidden = !isCut;
  state.body.parentNode?.setAttribute("aria-rowcount", visible + 1);
}

function extend(state, scroll) {
  if (state.limit >= state.visible.length || scroll.scrollTop + 2 * scroll.clientHeight < scroll.scrollHeight) return;
  state.body.append(...elementsOf(state, state.limit, state.limit + someRows));
  state.limit += someRows;
  tellCount(state);
}

function showAll(state) {
  state.limit = Infinity;
  refresh(state);
}

function unfold(state, pressed) {
  state.isUnfolded = !state.isUnfolded;
  pressed.setAttribute("aria-pressed", state.isUnfolded);
  refresh(state);
}

function passes(state, row) {
  if (!state.words.length) return true;
  row.words ??= state.shown.map(({ index }) => `${textOf(row.cells[index])} ${knownOf(row.cells[index]) ?? ""}`).join(" ").toLowerCase();
  return state.words.every((word) => row.words.includes(word));
}

function comparison({ column, direction }) {
  const sign = direction === "ascending" ? 1 : -1;
  return (left, right) => {
    const [a, b] = [knownOf(left.cells[column.index]), knownOf(right.cells[column.index])];
    if (a === null || b === null) return (a === null) - (b === null) || left.index - right.index; // unknown values come last
    const order = typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b);
    return sign * order || left.index - right.index;
  };
}

/* The first press sorts (numbers in descending order), the second reverses, the third restores the original order. */
function sortBy(state, column) {
  const turns = column.number ? ["descending", "ascending"] : ["ascending", "descending"];
  const turn = state.sorted?.column === column ? turns.indexOf(state.sorted.direction) + 1 : 0;
  state.sorted = turn < turns.length ? { column, direction: turns[turn] } : null;
  state.shown.forEach((each, place) => {
    if (state.sorted?.column === each) state.heads[place].setAttribute("aria-sort", state.sorted.direction);
    else state.heads[place].removeAttribute("aria-sort");
  });
  state.limit = someRows;
  state.scroll.scrollTop = 0;
  refresh(state);
  say(state.sorted ? `sorted by ${column.heading}, ${state.sorted.direction}` : "in the order it had");
}

function filterBy(state, text) {
  state.limit = someRows;
  state.words = text.toLowerCase().split(/\s+/).filter(Boolean);
  refresh(state);
}

function showExact(state, pressed) {
  state.isExact = !state.isExact;
  pressed.setAttribute("aria-pressed", state.isExact);
  // Open derivations are opened again with the new rows.
  for (const row of [...state.rows, ...state.folded]) row.element = row.working = null;
  const [previous, next] = [state.foot, ...foot(state)];
  previous?.replaceWith(next);
  refresh(state);
}

/* Copy the rows that pass the filter as the CSV of the command line: every column, raw values. */
async function copy(state) {
  const rows = isFolded(state) ? state.rows : state.visible;
  const records = [state.columns.map((column) => column.field), ...rows.map((row) => row.cells.map(exactOf))];
  const text = records.map((record) => record.map(quoted).join(",")).join("\n") + "\n";
  say((await isCopied(text)) ? `copied ${rows.length} rows` : "the browser did not let this page copy");
}

function quoted(value) {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

async function isCopied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return isCopiedTheOldWay(text);
  }
}

function isCopiedTheOldWay(text) {
  const before = document.activeElement;
  const area = made("textarea", { class: "unseen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}


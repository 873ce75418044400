"use strict";
/* Charts, and the theme that they share with the page. The library is loaded with the first visible chart. */

const drawn = new Map(); // figure -> its drawing, with the function that finalizes it

function library() {
  if (!window.vegaEmbed) document.head.append(made("script", {}, document.getElementById("library").textContent));
  return window.vegaEmbed;
}

async function drawChart(figure, theme = isDark() ? "dark" : "light") {
  const place = figure.querySelector(".plot");
  const drawing = {};
  const before = drawn.get(figure);
  drawn.set(figure, drawing);
  const fresh = made("div", { "aria-hidden": "true" }); // .plot has the description; marks have none
  try {
    const options = { mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false, ast: true, loader: nowhere, tooltip: showTip };
    const result = await library()(fresh, await specOf(figure.dataset.chart, theme), options);
    if (drawn.get(figure) !== drawing) return result.finalize(); // the theme changed while drawing
    drawing.finalize = result.finalize;
    place.replaceChildren(fresh);
    markScrollable(place);
    before?.finalize?.();
  } catch (error) {
    place.textContent = `This chart could not be drawn: ${error.message}`;
    console.error(error);
  }
}

/* All data is in the page: a chart may load nothing else. */
const nowhere = {
  load: () => Promise.reject(new Error("this page loads nothing")),
  sanitize: () => Promise.reject(new Error("this page loads nothing")),
};

let datasets = null; // a promise

async function specOf(name, theme) {
  datasets ??= unpacked(data.datasets);
  // No ARIA on marks: screen readers get the chart's description.
  return { ...data.charts[name], datasets: await datasets, config: { ...data.themes[theme], background: "transparent", aria: false } };
}

function showTip(_handler, event, _item, value) {
  const tip = document.getElementById("tip");
  if (value === null || value === undefined || value === "") return hideTip();
  const entries = typeof value === "object" ? Object.entries(value) : [["", value]];
  tip.replaceChildren(made("dl", {}, ...entries.flatMap(([name, text]) => [made("dt", {}, name), made("dd", {}, String(text))])));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(8, Math.min(event.clientY + 14, innerHeight - height - 8))}px`;
}

function hideTip() {
  document.getElementById("tip").hidden = true;
}

/* The theme follows the system until the button is pressed; the choice is not stored. */

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  const toggle = document.getElementById("theme");
  toggle.textContent = isDark() ? "Light theme" : "Dark theme";
  for (const figure of drawn.keys()) drawChart(figure);
}

function toggleTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
}


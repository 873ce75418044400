"use strict";
/* Event handlers for opening, scrolling, resizing and printing the page. The last script of the page. */

/* Make boxes with overflow focusable, so that the keyboard can scroll them, and fade the edges behind which there is more. */
const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => markScrollable(target)));

function markScrollable(box) {
  const isLarger = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  if (isLarger) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
  const more = [];
  if (box.scrollWidth - box.clientWidth - box.scrollLeft > 2) more.push("right");
  if (box.scrollHeight - box.clientHeight - box.scrollTop > 2) more.push("below");
  box.dataset.more = more.join(" ");
}

function markScrolled({ target }) {
  if (target instanceof Element && target.matches(".scroll, .plot, .drawing")) markScrollable(target);
}

/* Tables far below are filled while the browser is idle; charts are drawn when they come near the viewport. */

function fillWhenIdle(places) {
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 30));
  const next = () => {
    const place = places.shift();
    if (!place) return;
    fillTable(place);
    idle(next);
  };
  idle(next);
}

function watch(elements, action) {
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      action(target);
    }
  }, { rootMargin: "600px" });
  elements.forEach((element) => observer.observe(element));
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.matches("details")) target.open = true;
  stayAt(target);
}

/* Keep a target at the top while tables and charts near it are drawn, until the reader moves or 5 s have passed. */

let leave = () => {};

function stayAt(target) {
  leave();
  const growth = new ResizeObserver(() => target.scrollIntoView());
  const moves = ["wheel", "touchstart", "pointerdown", "keydown"];
  leave = () => {
    growth.disconnect();
    moves.forEach((name) => removeEventListener(name, leave));
  };
  moves.forEach((name) => addEventListener(name, leave, { passive: true }));
  setTimeout(leave, 5000);
  growth.observe(document.getElementById("main"));
}

function followLink(event) {
  const link = event.target.closest("a[href^='#']");
  if (link && link.hash === location.hash) openTarget(); // no hashchange
}

/* Print with all sections open, in the light theme. */

function beforePrint() {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.closed = "";
  }
  for (const place of document.querySelectorAll(".table")) {
    fillTable(place);
    const state = filled.get(place);
    state.limitOnScreen ??= state.limit;
    showAll(state);
  }
  document.querySelectorAll(".chart").forEach((figure) => drawChart(figure, "light"));
}

function afterPrint() {
  for (const details of document.querySelectorAll("details[data-closed]")) {
    details.open = false;
    delete details.dataset.closed;
  }
  for (const place of document.querySelectorAll(".table")) {
    const state = filled.get(place);
    state.limit = state.limitOnScreen;
    state.limitOnScreen = null;
    refresh(state);
  }
  if (isDark()) showTheme();
}

function start() {
  const tables = [...document.querySelectorAll(".table")];
  const toggle = document.getElementById("theme");
  toggle.hidden = false;
  toggle.addEventListener("click", toggleTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  showTheme();
  const wide = matchMedia("(min-width: 1200px)");
  document.querySelector(".contents details").open = wide.matches;
  wide.addEventListener("change", () => (document.querySelector(".contents details").open = wide.matches));
  document.querySelectorAll("[data-drawing]").forEach(startDrawing);
  document.querySelectorAll("[data-thumbnail]").forEach(drawThumbnail);
  document.querySelectorAll(".plot, .drawing").forEach((box) => sizes.observe(box));
  watch(tables, fillTable);
  watch([...document.querySelectorAll(".chart")], (figure) => drawChart(figure));
  fillWhenIdle(tables);
  document.addEventListener("keydown", closeOnEscape);
  document.addEventListener("scroll", hideTip, { passive: true });
  document.addEventListener("scroll", markScrolled, { capture: true, passive: true });
  document.addEventListener("click", followLink);
  addEventListener("hashchange", openTarget);
  addEventListener("beforeprint", beforePrint);
  addEventListener("afterprint", afterPrint);
  openTarget();
}

start();

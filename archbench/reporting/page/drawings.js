"use strict";
/* Drawings: zoom, and the inside of a module whose box is pressed. */

const ZOOM = 1.25;
const SMALLEST = 0.75; // at first, with text of 9 to 10 px; a larger drawing scrolls

function startDrawing(place) {
  const box = place.querySelector(".drawing");
  const state = { place, box, trail: [], whole: box.firstElementChild, pictures: null, scale: null };
  state.zooms = made("div", { class: "tools", role: "group", "aria-label": `Size of the drawing of ${place.dataset.name}` },
    control("−", "Smaller", () => zoom(state, 1 / ZOOM)),
    control("+", "Larger", () => zoom(state, ZOOM)),
    control("Fit", "Fit the width", () => zoom(state, null)));
  state.path = made("nav", { class: "tools", "aria-label": `Opened modules of ${place.dataset.name}`, hidden: "" });
  box.before(state.zooms, state.path);
  box.addEventListener("click", (event) => openBox(state, event.target));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    if (event.target.closest("[data-opens]")) event.preventDefault();
    openBox(state, event.target);
  });
  show(state, state.whole);
}

function control(text, label, action) {
  return button(text, { class: "control", "aria-label": label, title: label }, action);
}

async function openBox(state, target) {
  const block = target.closest("[data-opens]");
  if (!block) return;
  state.pictures ??= await unpacked(data.drawings[state.place.dataset.drawing]);
  state.trail.push(Number(block.dataset.opens));
  showTrail(state);
  state.path.querySelector("[aria-current]").focus();
}

function closeTo(state, length) {
  state.trail.length = length;
  showTrail(state);
  (state.path.querySelector("[aria-current]") ?? state.box).focus();
}

function showTrail(state) {
  const names = [state.place.dataset.name, ...state.trail.map((number) => state.pictures[number][0])];
  const last = names.length - 1;
  state.path.hidden = !last;
  state.path.replaceChildren(...names.flatMap((name, place) => [
    ...(place ? ["›"] : []),
    place === last ? made("span", { "aria-current": "page", tabindex: "-1" }, name)
      : control(name, `Back to ${name}`, () => closeTo(state, place)),
  ]));
  show(state, last ? parsed(state.pictures[state.trail.at(-1)][1]) : state.whole);
}

function show(state, picture) {
  state.box.replaceChildren(picture);
  for (const block of picture.querySelectorAll("[data-opens]")) {
    block.setAttribute("role", "button");
    block.setAttribute("tabindex", "0");
    block.setAttribute("aria-label", `Open ${block.querySelector("title").textContent}`);
  }
  applyScale(state);
  const isGraph = state.box.classList.contains("graph");  // volumes begin on the left
  state.box.scrollTo(isGraph ? (state.box.scrollWidth - state.box.clientWidth) / 2 : 0, 0);
}

/* A factor changes the size; null fits the width. */
function zoom(state, factor) {
  const picture = state.box.firstElementChild;
  const now = picture.getBoundingClientRect().width / picture.viewBox.baseVal.width || 1;
  state.scale = factor === null ? "fit" : Math.min(8, Math.max(0.1, now * factor));
  applyScale(state);
}

function applyScale(state) {
  const picture = state.box.firstElementChild;
  const { width } = picture.viewBox.baseVal;
  const usual = Math.min(1, Math.max(SMALLEST, state.box.clientWidth / width));
  picture.style.width = state.scale === "fit" ? "100%" : `${width * (state.scale ?? usual)}px`;
  picture.style.minWidth = picture.style.maxWidth = picture.style.maxHeight = state.scale === "fit" ? "" : "none";
  markScrollable(state.box);
}

function parsed(svg) {
  return document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true);
}

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/* Thumbnails: drawings without text; one that goes down is turned to go to the right. */

function drawThumbnail(place) {
  const drawing = document.querySelector(`#${CSS.escape(place.dataset.thumbnail)} .drawing svg`);
  const small = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const turned = document.createElementNS("http://www.w3.org/2000/svg", "g");
  const shapes = [...drawing.children].filter((part) => !part.matches("title, desc, defs, style, text, rect"));
  turned.append(...shapes.map((part) => part.cloneNode(true)));
  turned.querySelectorAll("text, title").forEach((part) => part.remove());
  for (const part of turned.querySelectorAll("*"))
    ["id", "role", "tabindex", "aria-label", "data-opens", "marker-end"].forEach((name) => part.removeAttribute(name));
  small.setAttribute("aria-hidden", "true");
  small.setAttribute("preserveAspectRatio", "xMinYMid");
  small.append(turned);
  place.append(small);
  const { width, height } = turned.getBBox();
  if (height > width) turned.setAttribute("transform", "rotate(-90)");
  const box = small.getBBox();
  small.setAttribute("viewBox", [box.x, box.y, box.width, box.height].join(" "));
}

// Functions that make and find elements of the page, and format values.

import { show } from "./pictures.js";

export const find = (selector, inside = document) => inside.querySelector(selector);

/** An element with attributes, listeners (keys that begin with "on") and children. */
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "text", "rect", "g", "circle"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The picture of a face, as an image. */
export function face(address, attributes = {}) {
  const image = make("img", { draggable: "false", ...attributes });
  show(image, address);
  return image;
}

/** Delays calls of a function until none has come for some milliseconds (debounce). */
export function settled(call, wait_ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), wait_ms);
  };
}

let noticed = 0;
/** Shows one line at the foot of the page for some seconds. */
export function notice(text) {
  find("#notice").textContent = text;
  clearTimeout(noticed);
  noticed = setTimeout(() => { find("#notice").textContent = ""; }, 7000);
}

/** Lets the arrow keys move through a grid of buttons. */
export function arrows(grid) {
  grid.addEventListener("keydown", (event) => {
    const tiles = [...grid.querySelectorAll("button.tile")];
    const at = tiles.indexOf(document.activeElement);
    if (at < 0) return;
    const columns = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    tiles[Math.min(tiles.length - 1, Math.max(0, at + step))].focus();
  });
}

export const grouped = (number) => number.toLocaleString("en");

/** The label of a column on the page, and its unit. */
export function named(column) {
  const unit = column.endsWith("_deg") ? "°" : "";
  const text = column.replace(/_deg$/, "").replace(/^pose_/, "").replace("mouth_opening", "mouth open").replaceAll("_", " ");
  return { text, unit };
}

export function shown(column, value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value;
  const { unit } = named(column);
  return unit ? `${value.toFixed(0)}${unit}` : value.toFixed(2);
}

const FIRST = ["yaw", "pitch", "roll", "mouth"];
/** Attributes in the order in which they are shown: the most wanted first, then the rest as in the dataset. */
export function ordered(attributes) {
  const rank = ({ column }) => { const at = FIRST.findIndex((word) => column.includes(word)); return at < 0 ? FIRST.length : at; };
  return [...attributes].sort((one, other) => rank(one) - rank(other));
}

/** The time of a face in its video, as text. */
export const moment = (face) => face.time_s !== null ? `${face.time_s.toFixed(1)} s` : face.frame !== null ? `frame ${face.frame}` : "";

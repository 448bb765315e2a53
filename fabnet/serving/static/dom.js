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
  const unit = column.endsWith("_deg") ? "°" : column.endsWith("_px") ? " px" : "";
  const text = column.replace(/_(deg|px)$/, "").replace(/^pose_/, "").replace(/_pm$/, " ±").replace(/^landmarks\d+/, "points").replace("mouth_opening", "mouth open")
    .replace(/^(units|expression)_(?=AU\d|neutral|happ|surprise|sad|anger|disgust|fear|contempt)/, "").replaceAll("_", " ");
  return { text, unit };
}

/** A class as text, without the name of its column. */
export const plain = (value, column) => (value.startsWith(`${column}_`) ? value.slice(column.length + 1) : value).replaceAll("_", " ");

/** A value with its unit, and the half-width that holds 90 % of its errors if it is known. */
export function shown(column, value, halfWidth = null) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value;
  const { unit } = named(column);
  const digits = unit ? 0 : 2;
  return value.toFixed(digits) + unit + (halfWidth === null || halfWidth === undefined ? "" : ` ± ${halfWidth.toFixed(digits)}`);
}

/** The mark of a number that is hardly reliable. */
export const experimental = (text) => make("i", { title: "experimental: hardly reliable" }, text);

/** What was read off a face, as names and values of a list; of classes, the likeliest. */
export function facts(attributes, dataset) {
  const flags = ["in_range", "out_of_range"];
  const owners = new Set(dataset.classes.map(({ column }) => column));
  for (const [column, value] of Object.entries(attributes)) if (typeof value === "string") owners.add(column);
  const isOwned = (column) => [...owners].some((owner) => !flags.includes(owner) && column.startsWith(`${owner}_`));
  const unsure = new Set(dataset.attributes.filter((each) => each.is_experimental).map(({ column }) => column));
  const found = [];
  const inOrder = Object.entries(attributes).sort(([one], [other]) => rank(one) - rank(other));
  for (const [column, value] of inOrder) {
    if (value === null || flags.includes(column)) continue;
    if (typeof value === "string") {
      const sure = attributes[value] ?? attributes[`${column}_${value}`];
      if (value) found.push([[named(column).text], plain(value, column) + (typeof sure === "number" ? ` ${(100 * sure).toFixed(0)} %` : ""), "word"]);
    } else if (!isOwned(column) && !(column.endsWith("_pm") && column.slice(0, -3) in attributes)) {
      found.push([[named(column).text, unsure.has(column) ? experimental(" exp.") : null], shown(column, value, attributes[`${column}_pm`])]);
    }
  }
  return found.map(([name, value, kind]) => make("div", kind ? { class: kind } : {}, make("dt", {}, ...name), make("dd", {}, value)));
}

const FIRST = ["yaw", "pitch", "roll", "mouth_opening", "smile", "mouth"];
function rank(column) {
  const at = FIRST.findIndex((word) => column.includes(word));
  return at < 0 ? FIRST.length + /_pm_px$/.test(column) : at;
}

/** Attributes in the order in which they are shown: the most wanted first, then the rest as in the dataset. */
export const ordered = (attributes) => [...attributes].sort((one, other) => rank(one.column) - rank(other.column));

/** The time of a face in its video, as text. */
export const moment = (face) => face.time_s !== null ? `${face.time_s.toFixed(1)} s` : face.frame !== null ? `frame ${face.frame}` : "";

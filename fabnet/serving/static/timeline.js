// A video over time: charts of the predicted attributes, with the face beside them.

import { crop, json } from "./api.js";
import { find, make, named, notice, settled, shown } from "./dom.js";
import { release, show } from "./pictures.js";

const WIDTH = 1000, HEIGHT = 200;
const COLOURS = 6;
const MOST_CLASSES = 4;

export class TimelineView {
  constructor(dataset, { open }) {
    this.dataset = dataset;
    this.open = open;
    this.box = find("#timeline");
    this.input = find("#video");
    this.input.addEventListener("input", settled(() => this.list(), 150));
    this.input.addEventListener("change", () => this.load(this.input.value));
  }

  /** Shows the first video, unless one is shown already. */
  async show() {
    if (this.data) return;
    const videos = await this.list();
    if (videos.length) await this.load(videos[0].name);
    else this.box.replaceChildren(make("p", { class: "say" }, "No video of this dataset has two or more frames."));
  }

  async list() {
    const videos = await json("/api/videos", { contains: this.data?.video === this.input.value ? "" : this.input.value });
    find("#videos").replaceChildren(...videos.map(({ name, faces }) => make("option", { value: name }, `${faces} faces`)));
    return videos;
  }

  /** Shows a video, at a row if one is given. */
  async load(video, row) {
    let data;
    try {
      data = await json("/api/timeline", { video });
    } catch (error) {
      notice(error.message);
      return;
    }
    this.data = data;
    this.input.value = data.video;
    this.charts = [];
    const plain = this.dataset.attributes.filter((each) => each.classes === null && this.has(each.column));
    const angles = plain.filter(({ column }) => column.endsWith("_deg"));
    const parts = [];
    if (angles.length) parts.push(this.chart("Head pose, degrees", angles));
    for (const { column } of this.dataset.classes) {
      const likely = this.dataset.attributes.filter((each) => each.classes === column && this.has(each.column));
      likely.sort((one, other) => this.mean(other.column) - this.mean(one.column));
      if (likely.length) parts.push(this.chart(`${named(column).text}, probability`, likely.slice(0, MOST_CLASSES)));
    }
    for (const each of plain.filter((one) => !angles.includes(one)).slice(0, COLOURS)) parts.push(this.chart(named(each.column).text, [each]));
    if (!parts.length) parts.push(make("p", { class: "say" }, "No probe was run on these faces, so there are no charts."));
    this.slider = make("input", {
      type: "range", min: 0, max: data.rows.length - 1, step: 1, value: 0, class: "time", "aria-label": "Moment of the video",
      oninput: () => this.go(Number(this.slider.value)),
    });
    this.picture = make("img", { alt: "" });
    this.face = make("button", { type: "button", class: "tile face", onclick: () => this.open(this.data.rows[this.place]) }, this.picture);
    this.said = make("dl", { "aria-live": "off" });
    this.when = make("p", { class: "when" });
    this.box.replaceChildren(
      make("div", { class: "beside" }, this.face, make("div", {}, this.when, this.said)),
      make("div", { class: "charts" }, make("div", { class: "over" }, this.slider), ...parts));
    const first = data.rows.findIndex((each) => each !== null);
    this.go(Math.max(0, row === undefined ? first : data.rows.indexOf(row)));
  }

  has(column) { return this.data.attributes[column].some((value) => value !== null); }

  mean(column) { return this.data.attributes[column].reduce((sum, value) => sum + (value ?? 0), 0); }

  x(place) {
    const { times } = this.data;
    const length = times[times.length - 1] - times[0];
    return length > 0 ? WIDTH * (times[place] - times[0]) / length : WIDTH / 2;
  }

  chart(title, attributes) {
    const all = attributes.flatMap(({ column }) => this.data.attributes[column]).filter((value) => value !== null);
    let [low, high] = [Math.min(...all), Math.max(...all)];
    if (title.endsWith("degrees")) [low, high] = [Math.min(low, -10), Math.max(high, 10)];
    if (title.endsWith("probability")) [low, high] = [0, 1];
    const room = Math.max(high - low, 1e-6) * 0.06;
    const y = (value) => HEIGHT * (1 - (value - low + room) / (high - low + 2 * room));
    const lines = attributes.map(({ column }, number) => make("path", { d: this.path(column, y), class: `line c${number % COLOURS}` }));
    const cursor = make("line", { class: "cursor", y1: 0, y2: HEIGHT });
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title} over time` },
      low < 0 && high > 0 ? make("line", { class: "zero", x1: 0, x2: WIDTH, y1: y(0), y2: y(0) }) : null, ...lines, cursor);
    const values = attributes.map(() => make("b", {}));
    const scrub = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = svg.getBoundingClientRect();
      this.near(WIDTH * (event.clientX - box.left) / box.width);
    };
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); scrub(event); });
    svg.addEventListener("pointermove", scrub);
    this.charts.push({ attributes, cursor, values });
    const number = (value) => title.endsWith("degrees") ? `${Math.round(value)}°` : value.toFixed(2);
    return make("figure", {},
      make("figcaption", {}, make("span", { class: "title" }, title), ...attributes.map(({ column, value }, place) =>
        make("span", { class: `key c${place % COLOURS}` }, value?.replaceAll("_", " ") ?? named(column).text, " ", values[place]))),
      make("div", { class: "plot" }, make("span", { class: "high" }, number(high)), make("span", { class: "low" }, number(low)), svg));
  }

  /** The path of a line, interrupted at frames without a face and between tracks. */
  path(column, y) {
    const values = this.data.attributes[column];
    let text = "", before = null;
    values.forEach((value, place) => {
      if (value === null) { before = null; return; }
      const track = this.data.tracks[place];
      text += `${before === track ? "L" : "M"}${this.x(place).toFixed(1)} ${y(value).toFixed(1)}`;
      if (before !== track) text += "h0.01"; // shows a single frame as a dot
      before = track;
    });
    return text;
  }

  near(x) {
    let best = 0;
    for (let place = 0; place < this.data.rows.length; place++) {
      if (Math.abs(this.x(place) - x) < Math.abs(this.x(best) - x)) best = place;
    }
    this.go(best);
  }

  go(place) {
    this.place = place;
    const { rows, times, is_frames, attributes } = this.data;
    const row = rows[place];
    this.face.disabled = row === null;
    this.face.setAttribute("aria-label", row === null ? "no face in this frame" : "Open this face");
    if (row === null) {
      release(this.picture);
      this.picture.removeAttribute("src");
    } else show(this.picture, crop(row));
    this.when.textContent = (is_frames ? `frame ${times[place]}` : `${times[place].toFixed(2)} s`) + (row === null ? ": no face" : "");
    this.slider.value = place;
    this.slider.setAttribute("aria-valuetext", this.when.textContent);
    const facts = [];
    for (const chart of this.charts) {
      chart.cursor.setAttribute("x1", this.x(place));
      chart.cursor.setAttribute("x2", this.x(place));
      chart.attributes.forEach(({ column, value }, number) => {
        const text = shown(column, attributes[column][place]);
        chart.values[number].textContent = text;
        if (value === null) facts.push(make("dt", {}, named(column).text), make("dd", {}, text));
      });
    }
    for (const { column } of this.dataset.classes) {
      const likely = this.dataset.attributes.filter((each) => each.classes === column && attributes[each.column][place] !== null);
      likely.sort((one, other) => attributes[other.column][place] - attributes[one.column][place]);
      if (likely.length) facts.push(make("dt", {}, named(column).text), make("dd", {}, likely[0].value.replaceAll("_", " ")));
    }
    this.said.replaceChildren(...facts);
  }
}

// A video over time: charts of the predicted attributes, with the face beside them.

import { crop, json, thumbnail } from "./api.js";
import { Chart, clock, COLOURS } from "./chart.js";
import { table } from "./csv.js";
import { experimental, facts, find, grouped, make, named, notice, plain, settled, shown } from "./dom.js";
import { isComing, preload, release, show } from "./pictures.js";

const MOST_CLASSES = 3, MOST_UNITS = 6;
const AHEAD = 8;
const FRAMES_PER_S = 25; // of a video whose times are unknown
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const isUnit = (column) => /(^|_)AU\d/.test(column);
const isShare = (each) => each.classes !== null || isUnit(each.column) || each.column.startsWith("smile");

export class TimelineView {
  constructor(dataset, { open }) {
    this.dataset = dataset;
    this.open = open;
    this.box = find("#timeline");
    this.input = find("#video");
    this.charts = [];
    this.input.addEventListener("input", settled(() => this.list(), 150));
    this.input.addEventListener("change", () => this.load(this.input.value));
    this.track = find("#track");
    this.track.addEventListener("change", () => this.load(this.data.video, undefined, this.track.value));
    find("#play").addEventListener("click", () => this.playing ? this.pause() : this.play());
    const speed = find("#speed");
    speed.append(...SPEEDS.map((value) => make("option", { value, selected: value === 1 }, `${value} ×`)));
    speed.addEventListener("change", () => { if (this.playing) this.play(); });
    find("#time-in").addEventListener("click", () => this.zoomBy(1 / 2));
    find("#time-out").addEventListener("click", () => this.zoomBy(2));
    find("#time-home").addEventListener("click", () => this.whole());
    find("#save").addEventListener("click", () => this.save());
    this.detailSoon = settled(() => this.detail(), 250);
    document.addEventListener("pointerdown", (event) => {
      if (!find("#choose").contains(event.target)) find("#choose").open = false;
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (this.data) this.draw(); });
  }

  /** Shows the video of a row, or else the first one, unless one is shown already. */
  async show(row = null) {
    if (this.data) return;
    const videos = await this.list();
    find("#time-bar").hidden = !videos.length;
    const { video = null } = row === null ? {} : await json(`/api/v1/faces/${row}`).catch(() => ({}));
    if (videos.some(({ name }) => name === video)) await this.load(video, row);
    else if (videos.length) await this.load(videos[0].name);
    else this.box.replaceChildren(make("p", { class: "say" }, "No video of this dataset has two or more frames."));
  }

  hide() { this.pause(); }

  async list() {
    const videos = await json("/api/v1/videos", { contains: this.data?.video === this.input.value ? "" : this.input.value });
    find("#videos").replaceChildren(...videos.map(({ name, faces }) => make("option", { value: name }, `${faces} faces`)));
    return videos;
  }

  /** Shows a video, at a row if one is given, and one of its tracks; by default all if no two are in one frame. */
  async load(video, row, track = "") {
    this.pause();
    let data;
    try {
      data = await json("/api/v1/timeline", { video, ...(track ? { track } : {}) });
      const { times, rows, tracks, all_tracks: all } = data;
      const isCrowded = !track && times.some((time, place) => place && time === times[place - 1] && tracks[place] !== tracks[place - 1] && rows[place] !== null && rows[place - 1] !== null);
      if (isCrowded) { await this.load(video, row, all[0].name); return; }
    } catch (error) {
      notice(error.message);
      return;
    }
    const isNew = this.data?.video !== data.video;
    this.data = data;
    this.input.value = data.video;
    this.asked = { video, ...(track ? { track } : {}) };
    this.view = null;
    this.fill(track, isNew);
    this.choices();
    this.build();
    this.draw();
    const first = data.rows.findIndex((each) => each !== null);
    const at = row === undefined ? -1 : data.rows.indexOf(row);
    this.go(at >= 0 ? at : Math.max(0, first));
  }

  /** The choice among tracks. */
  fill(track, isNew) {
    const all = this.data.all_tracks;
    this.track.parentElement.hidden = all.length < 2;
    if (isNew || !this.track.options.length) {
      this.isApart = !track;
      this.track.replaceChildren(
        ...(track ? [] : [make("option", { value: "" }, "all, one after another")]),
        ...all.map(({ name, faces }) => make("option", { value: name }, `${name} (${grouped(faces)} frames)`)));
    }
    this.track.value = track;
  }

  /** The attributes that this video has. */
  available() { return this.dataset.attributes.filter(({ column }) => this.data.attributes[column]?.some((value) => value !== null)); }

  /** The attributes that are shown: those that were chosen, or the most telling ones. */
  chosen() {
    const there = this.available();
    if (this.picked) return there.filter(({ column }) => this.picked.has(column));
    const values = ({ column }) => this.data.attributes[column].filter((value) => value !== null);
    const mean = (each) => values(each).reduce((sum, value) => sum + value, 0) / Math.max(1, values(each).length);
    const most = (list, count) => [...list].sort((one, other) => mean(other) - mean(one)).slice(0, count);
    const usual = new Set(there.filter((each) => each.classes === null && !isUnit(each.column) && !/_pm_px$/.test(each.column)).slice(0, 5));
    for (const { column } of this.dataset.classes) most(there.filter((each) => each.classes === column), MOST_CLASSES).forEach((each) => usual.add(each));
    const present = there.filter((each) => isUnit(each.column) && values(each).some((value) => value >= 0.5));
    most(present, MOST_UNITS).forEach((each) => usual.add(each));
    return there.filter((each) => usual.has(each));
  }

  title(each) {
    if (each.column.endsWith("_deg")) return "Head pose, degrees";
    if (each.classes !== null) return `${named(each.classes).text}, probability`;
    if (isUnit(each.column)) return "Action units, probability";
    return named(each.column).text + (isShare(each) ? ", probability" : "");
  }

  groups(attributes) {
    const groups = new Map();
    for (const each of attributes) groups.set(this.title(each), [...(groups.get(this.title(each)) ?? []), each]);
    return groups;
  }

  label(each) { return plain(each.value ?? "", each.classes) || named(each.column).text; }

  choices() {
    const chosen = new Set(this.chosen().map(({ column }) => column));
    const changed = () => {
      this.picked = new Set([...find("#choices").querySelectorAll("input:checked")].map((box) => box.value));
      this.draw();
      this.go(this.place);
    };
    const singles = [], fields = [];
    for (const [title, attributes] of this.groups(this.available())) {
      const boxes = attributes.map((each) => make("label", { class: "check" },
        make("input", { type: "checkbox", value: each.column, checked: chosen.has(each.column), onchange: changed }),
        this.label(each), each.is_experimental ? experimental(" experimental") : null));
      if (attributes.length > 1) fields.push(make("fieldset", {}, make("legend", {}, title.replace(/,.*/, "")), ...boxes));
      else singles.push(...boxes);
    }
    if (singles.length) fields.splice(1, 0, make("fieldset", {}, make("legend", {}, "Face"), ...singles));
    find("#choices").replaceChildren(...fields);
    find("#choose").hidden = !fields.length;
  }

  build() {
    const { rows } = this.data;
    this.slider = make("input", {
      type: "range", min: 0, max: rows.length - 1, step: 1, value: 0, class: "time", "aria-label": "Moment of the video",
      oninput: () => { this.pause(); this.go(Number(this.slider.value)); },
    });
    this.picture = make("img", { alt: "" });
    this.face = make("button", { type: "button", class: "tile face", onclick: () => this.open(this.data.rows[this.place]) }, this.picture);
    this.said = make("dl", { "aria-live": "off" });
    this.when = make("p", { class: "when" });
    this.why = make("p", { class: "why" });
    this.plots = make("div", {});
    this.box.replaceChildren(
      make("div", { class: "beside" }, this.face, make("div", {}, this.when, this.why, this.said)),
      make("div", { class: "charts" }, make("div", { class: "over" }, this.slider), this.plots));
    new ResizeObserver(() => { if (this.plots.clientWidth) for (const { chart } of this.charts) chart.resize(); }).observe(this.plots);
  }

  /** Draws the charts of the chosen attributes. */
  draw() {
    for (const { chart } of this.charts) chart.remove();
    this.charts = [];
    this.plots.replaceChildren();
    const groups = this.groups(this.chosen());
    if (!groups.size) {
      this.plots.append(make("p", { class: "say" }, this.available().length ? "Choose attributes to see them." : "No probe was run on these faces, so there are no charts."));
      return;
    }
    const { times, is_frames: isFrames } = this.data;
    const [grey, cut] = [this.grey(), this.broken()];
    for (const [title, attributes] of groups) {
      const values = attributes.map(() => make("b", {}));
      const keys = attributes.map((each, number) => make("span", { class: `key c${number % COLOURS}` },
        this.label(each), each.is_experimental ? experimental(" experimental") : null, " ", values[number]));
      const box = make("div", { class: "plot" });
      this.plots.append(make("figure", {}, make("figcaption", {}, make("span", { class: "title" }, title), ...keys), box));
      const lines = attributes.map(({ column, half_width: width }) => ({
        values: cut(this.data.attributes[column]), widths: width ? cut(this.data.attributes[width]) : null,
      }));
      const isProbability = title.endsWith("probability");
      const chart = new Chart(box, { times: cut.times, lines }, {
        isFrames, grey, label: `${title} over time`, unit: title.endsWith("degrees") ? "°" : "",
        range: isProbability ? [-0.02, 1.02] : null,
      }, { zoomed: (from, to) => this.zoomed(from, to), at: (time) => { this.pause(); this.near(time); } });
      chart.zoom(...(this.view ?? [times[0], this.end()]));
      this.charts.push({ chart, attributes, values });
    }
  }

  end() {
    const { times } = this.data;
    return times.at(-1) > times[0] ? times.at(-1) : times[0] + 1;
  }

  /** A function that leaves a gap in values between two tracks; its `times` are those of the values. */
  broken() {
    const { times, tracks, rows } = this.data;
    const breaks = new Set(tracks.flatMap((track, place) => place && track !== tracks[place - 1] && rows[place] !== null && rows[place - 1] !== null ? [place] : []));
    const cut = (values, between = () => null) => values.flatMap((value, place) => breaks.has(place) ? [between(place), value] : [value]);
    cut.times = cut(times, (place) => (times[place] + times[place - 1]) / 2);
    return cut;
  }

  /** Stretches of time in which the face is out of range. */
  grey() {
    const { times, classes } = this.data;
    const found = [];
    const half = times.length > 1 ? (times.at(-1) - times[0]) / (times.length - 1) / 2 : 0;
    times.forEach((time, place) => {
      if (!classes.out_of_range?.[place]) return;
      const last = found.at(-1);
      if (last && last.place === place - 1) Object.assign(last, { 1: time + half, place });
      else found.push(Object.assign([time - half, time + half], { place }));
    });
    return found;
  }

  zoomed(from, to) {
    this.view = [from, to];
    for (const { chart } of this.charts) chart.zoom(from, to);
    this.detailSoon();
  }

  zoomBy(factor) {
    const [from, to] = this.view ?? [this.data.times[0], this.end()];
    const middle = this.data.times[this.place];
    const centre = middle >= from && middle <= to ? middle : (from + to) / 2;
    const [low, high] = [centre - (centre - from) * factor, centre + (to - centre) * factor];
    const isPart = this.data.rows.length < this.data.total || this.asked.last !== undefined;
    if (!isPart && low <= this.data.times[0] && high >= this.end()) this.whole();
    else this.zoomed(low, high);
  }

  async whole() {
    this.view = null;
    if (this.asked.last !== undefined) await this.again({});
    for (const { chart } of this.charts) chart.zoom(this.data.times[0], this.end());
  }

  /** Asks for every row of the stretch, if only some are here. */
  async detail() {
    if (!this.view) return;
    const { times, places, total, rows } = this.data;
    const [from, to] = this.view;
    if (this.asked.last !== undefined && (from < times[0] || to > times.at(-1))) { await this.again({}); return; }
    if (places.length >= total || (places.at(-1) - places[0] + 1) <= rows.length) return;
    const inside = places.filter((_, place) => times[place] >= from && times[place] <= to);
    if (inside.length > rows.length / 2 || !inside.length) return;
    await this.again({ first: Math.min(...inside), last: Math.max(...inside) });
  }

  async again(part) {
    const { video, track } = this.asked;
    const asked = { video, ...(track ? { track } : {}), ...part };
    const moment = this.data.times[this.place];
    try {
      const data = await json("/api/v1/timeline", asked);
      if (this.data.video !== data.video) return;
      this.data = data;
    } catch (error) { notice(error.message); return; }
    this.asked = asked;
    this.slider.max = this.data.rows.length - 1;
    this.draw();
    this.near(moment);
  }

  near(time) {
    const { times } = this.data;
    let best = 0;
    for (let place = 0; place < times.length; place++) {
      if (Math.abs(times[place] - time) < Math.abs(times[best] - time)) best = place;
    }
    this.go(best);
  }

  go(place, isQuick = false) {
    this.place = place;
    const { rows, times, is_frames: isFrames, attributes, classes } = this.data;
    const row = rows[place];
    this.face.disabled = row === null;
    this.face.setAttribute("aria-label", row === null ? "no face in this frame" : "Open this face");
    if (row === null) {
      release(this.picture);
      this.picture.removeAttribute("src");
    } else if (!isQuick) show(this.picture, crop(row));
    else {
      if (!isComing(this.picture)) show(this.picture, thumbnail(row));
      preload(rows.slice(place + 1, place + 1 + AHEAD).filter((each) => each !== null).map(thumbnail));
    }
    this.when.textContent = (isFrames ? `frame ${times[place]}` : clock(times[place], 0.01)) + (row === null ? ": no face" : "");
    const why = classes.out_of_range?.[place];
    this.why.textContent = why ? `out of range: ${why}` : "";
    this.box.classList.toggle("greyed", Boolean(why));
    this.slider.value = place;
    this.slider.setAttribute("aria-valuetext", this.when.textContent);
    for (const { chart, attributes: drawn, values } of this.charts) {
      chart.mark(times[place]);
      drawn.forEach(({ column, half_width: width }, number) => {
        values[number].textContent = shown(column, attributes[column][place], width ? attributes[width][place] : null);
      });
    }
    const now = Object.fromEntries(this.chosen().flatMap(({ column, half_width: width, classes: owner }) =>
      [column, ...(width ? [width] : [])].map((name) => [name, attributes[name][place]]).concat(owner ? [[owner, classes[owner][place]]] : [])));
    this.said.replaceChildren(...facts(now, this.dataset));
  }

  play() {
    const { times, is_frames: isFrames } = this.data;
    const rate = Number(find("#speed").value) * (isFrames ? FRAMES_PER_S : 1);
    const [from, to] = this.view ?? [times[0], times.at(-1)];
    const now = times[this.place];
    const start = now >= from && now < Math.min(to, times.at(-1)) ? now : Math.max(from, times[0]);
    const began = performance.now();
    const step = (at) => {
      if (this.playing !== step) return;
      const time = start + Math.max(0, at - began) / 1000 * rate;
      let place = this.place;
      if (times[place] > time) place = 0;
      while (place + 1 < times.length && times[place + 1] <= time) place++;
      if (place !== this.place) this.go(place, true);
      if (time >= Math.min(to, times.at(-1))) this.pause();
      else requestAnimationFrame(step);
    };
    this.playing = step;
    find("#play").textContent = "❚❚ Pause";
    requestAnimationFrame(step);
  }

  pause() {
    if (!this.playing) return;
    this.playing = null;
    find("#play").textContent = "▶ Play";
    this.go(this.place);
  }

  /** Downloads what is shown: the chosen attributes in the stretch of time. */
  save() {
    const { times, tracks, is_frames: isFrames, attributes, classes, video } = this.data;
    const [from, to] = this.view ?? [times[0], times.at(-1)];
    const chosen = this.chosen();
    const owners = new Set(chosen.map((each) => each.classes).filter(Boolean));
    const texts = [...owners, ...["in_range", "out_of_range"].filter((name) => name in classes)];
    const numbers = chosen.flatMap(({ column, half_width: width }) => width ? [column, width] : [column]);
    const lines = times.flatMap((time, place) => time < from || time > to ? [] : [[
      time, tracks[place], ...texts.map((name) => classes[name][place]), ...numbers.map((name) => attributes[name][place])]]);
    const link = make("a", {
      href: URL.createObjectURL(new Blob([table([[isFrames ? "frame" : "time_s", "track", ...texts, ...numbers], ...lines])], { type: "text/csv" })),
      download: `${video.replace(/[^\p{L}\p{N}._-]+/gu, "_")}.csv`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}

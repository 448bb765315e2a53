// The map: one point per face, and as many pictures as there is room for.

import { bytes, floats, json, thumbnail } from "./api.js";
import { find, grouped, make, named, notice, shown } from "./dom.js";
import { release, show } from "./pictures.js";

const PICTURE = 44;
const KEPT_PICTURES = 800;
const MOST_POINTS = 150000;
const LOW = [49, 104, 190], MIDDLE = [150, 150, 150], HIGH = [214, 106, 30];

export class FaceMap {
  constructor(dataset, { open }) {
    this.open = open;
    this.canvas = find("#map");
    this.pictures = new Map();
    this.fingers = new Map();
    this.where = [];
    this.mask = null;
    this.values = null;
    this.cursor = -1;
    this.home();
    const methods = find("#map-method"), colours = find("#map-colour");
    methods.append(...dataset.maps.map((method) => make("option", { value: method }, method.toUpperCase())));
    colours.append(make("option", { value: "" }, "none"),
      ...dataset.attributes.map(({ column }) => make("option", { value: column }, named(column).text)));
    methods.addEventListener("change", () => this.load());
    colours.addEventListener("change", () => this.colour(dataset.attributes.find((each) => each.column === colours.value)));
    find("#map-in").addEventListener("click", () => this.zoom(1.5));
    find("#map-out").addEventListener("click", () => this.zoom(1 / 1.5));
    find("#map-home").addEventListener("click", () => { this.home(); this.soon(); });
    new ResizeObserver(() => { this.keep(); this.soon(); }).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.soon());
    this.listen();
  }

  home() { Object.assign(this, { x: 0, y: 0, scale: 1 }); }

  async show(where) {
    this.where = where;
    const text = JSON.stringify(where);
    try {
      if (!this.places) await this.load();
      if (this.masked !== text) {
        const mask = where.length ? await bytes("/api/v1/faces/mask", { where }) : null;
        if (text !== JSON.stringify(this.where)) return;
        this.mask = mask;
        this.masked = text;
      }
    } catch (error) { notice(error.message); }
    this.soon();
  }

  async load() {
    const method = find("#map-method").value;
    const say = find("#map-say");
    say.textContent = "computing the map (only once) …";
    const isLate = () => method !== find("#map-method").value;  // another method was chosen meanwhile
    let isDone = false;
    const isOver = () => isDone || isLate();
    const watching = setInterval(() => this.watch(method, isOver), 400);
    try {
      const places = await floats(`/api/v1/map/${method}`);
      if (isLate()) return;
      this.places = places;
      say.textContent = "Faces with similar embeddings are near each other.";
    } catch (error) { if (!isLate()) say.textContent = error.message; }
    isDone = true;
    clearInterval(watching);
    if (!isLate()) find("#map-progress").hidden = true;
    this.keep();
    this.soon();
  }

  /** Shows how far the server is with the map. */
  async watch(method, isOver) {
    const { stage, share, seconds } = await json(`/api/v1/map/${method}/progress`).catch(() => ({}));
    const bar = find("#map-progress");
    if (!stage || isOver()) return;
    bar.hidden = false;
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    const done = share === null ? "" : ` ${Math.round(100 * share)} %,`;
    find("#map-say").textContent = `computing the map (only once): ${stage},${done} ${Math.round(seconds)} s`;
  }

  async colour(attribute) {
    const scale = find("#map-scale");
    scale.hidden = !attribute;
    this.values = null;
    this.coloured = attribute;
    if (attribute) {
      try {
        const values = await floats(`/api/v1/columns/${encodeURIComponent(attribute.column)}`);
        if (this.coloured !== attribute) return;
        const sorted = values.filter(Number.isFinite).sort();
        const [low, high] = [0.02, 0.98].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
        this.values = { values, low, high: Math.max(high, low + 1e-6) };
        scale.firstChild.textContent = shown(attribute.column, low);
        scale.lastChild.textContent = shown(attribute.column, high);
      } catch (error) { notice(error.message); }
    }
    this.soon();
  }

  soon() {
    if (this.waiting || !this.places || this.canvas.clientWidth === 0) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
  }

  unit() { return Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * 0.46 * this.scale; }

  /** The position of a row on the canvas. */
  at(row) {
    const unit = this.unit();
    return [
      this.canvas.clientWidth / 2 + (this.places[2 * row] - this.x) * unit,
      this.canvas.clientHeight / 2 - (this.places[2 * row + 1] - this.y) * unit,
    ];
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const dense = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * dense) || this.canvas.height !== Math.round(height * dense)) {
      this.canvas.width = Math.round(width * dense);
      this.canvas.height = Math.round(height * dense);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.canvas);
    const accent = style.getPropertyValue("--accent"), faint = style.getPropertyValue("--line");
    const rows = this.places.length / 2;
    const size = Math.min(6, Math.max(2, (250 / Math.sqrt(rows)) * Math.sqrt(this.scale)));
    const every = Math.max(1, Math.floor(rows / MOST_POINTS / this.scale));
    const visible = [];
    for (let row = 0; row < rows; row += every) {
      const [x, y] = this.at(row);
      if (!(x > -PICTURE && y > -PICTURE && x < width + PICTURE && y < height + PICTURE)) continue; // NaN too
      const meets = !this.mask || this.mask[row];
      pen.fillStyle = meets ? this.tint(row, accent) : faint;
      pen.fillRect(x - size / 2, y - size / 2, size, size);
      if (meets) visible.push([row, x, y]);
    }
    this.drawPictures(pen, visible, accent);
    if (this.cursor >= 0) this.ring(pen, this.cursor, accent);
  }

  tint(row, otherwise) {
    const value = this.values?.values[row];
    if (!Number.isFinite(value)) return this.values ? "transparent" : otherwise;
    const { low, high } = this.values;
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    const [from, to, part] = share < 0.5 ? [LOW, MIDDLE, 2 * share] : [MIDDLE, HIGH, 2 * share - 1];
    return `rgb(${from.map((each, place) => Math.round(each + (to[place] - each) * part)).join(" ")})`;
  }

  /** Draws pictures where there is room, in order of rows: none covers another, and they stay the same while panning. */
  drawPictures(pen, visible, accent) {
    const unit = this.unit(), near = [-1, 0, 1];
    const taken = new Map(); // cell (as large as a picture) -> position of the picture in it
    this.drawn = [];
    for (const [row, x, y] of visible) {
      const i = Math.floor(this.places[2 * row] * unit / PICTURE), j = Math.floor(this.places[2 * row + 1] * unit / PICTURE);
      const covers = ([px, py]) => Math.abs(px - x) < PICTURE + 3 && Math.abs(py - y) < PICTURE + 3;
      if (near.some((di) => near.some((dj) => { const other = taken.get(`${i + di} ${j + dj}`); return other && covers(other); }))) continue;
      taken.set(`${i} ${j}`, [x, y]);
      const picture = this.picture(row);
      if (!picture.complete || !picture.naturalWidth) continue;
      const half = PICTURE / 2;
      pen.drawImage(picture, x - half, y - half, PICTURE, PICTURE);
      if (this.values) {
        pen.strokeStyle = this.tint(row, accent);
        pen.lineWidth = 2.5;
        pen.strokeRect(x - half, y - half, PICTURE, PICTURE);
      }
      this.drawn.push([row, x, y]);
    }
  }

  picture(row) {
    let picture = this.pictures.get(row);
    if (!picture) {
      picture = new Image();
      picture.onload = () => this.soon();
      show(picture, thumbnail(row));
      this.pictures.set(row, picture);
      if (this.pictures.size > KEPT_PICTURES) {
        const [oldest, image] = this.pictures.entries().next().value;
        release(image);
        this.pictures.delete(oldest);
      }
    }
    return picture;
  }

  ring(pen, row, accent) {
    const [x, y] = this.at(row);
    const half = PICTURE * 0.75, picture = this.picture(row);
    if (picture.complete && picture.naturalWidth) pen.drawImage(picture, x - half, y - half, 2 * half, 2 * half);
    pen.strokeStyle = accent;
    pen.lineWidth = 3;
    pen.strokeRect(x - half, y - half, 2 * half, 2 * half);
  }

  /** Zooms around a point of the canvas; by default around the face at the cursor, or the middle. */
  zoom(times, point) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const [px, py] = point || (this.cursor >= 0 ? this.at(this.cursor) : [width / 2, height / 2]);
    const dx = (px - width / 2) / this.unit(), dy = (height / 2 - py) / this.unit();
    const scale = Math.min(200, Math.max(0.5, this.scale * times));
    const kept = 1 - this.scale / scale;
    this.x += dx * kept;
    this.y += dy * kept;
    this.scale = scale;
    this.soon();
  }

  pan(dx, dy) {
    this.x -= dx / this.unit();
    this.y += dy / this.unit();
    this.soon();
  }

  /** Pans until the face at the cursor is visible. */
  keep() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!this.places || this.cursor < 0 || width === 0) return;
    const [x, y] = this.at(this.cursor);
    if (!Number.isFinite(x)) return;
    this.pan(Math.min(0, width - PICTURE - x) + Math.max(0, PICTURE - x), Math.min(0, height - PICTURE - y) + Math.max(0, PICTURE - y));
  }

  /** Puts the cursor on a row that was opened elsewhere. */
  mark(row) {
    if (row === null || row === this.cursor) return;
    this.cursor = row;
    this.keep();
  }

  /** The row of the picture at a point, else the row nearest to it. */
  hit(x, y) {
    const half = PICTURE / 2;
    for (const [row, px, py] of [...(this.drawn || [])].reverse()) {
      if (Math.abs(px - x) <= half && Math.abs(py - y) <= half) return row;
    }
    return this.nearest(([px, py]) => Math.hypot(px - x, py - y), 14);
  }

  nearest(distance, most) {
    let best = -1, least = most;
    for (let row = 0; row < this.places.length / 2; row++) {
      if (this.mask && !this.mask[row]) continue;
      const found = distance(this.at(row));
      if (found < least) [best, least] = [row, found];
    }
    return best;
  }

  /** Moves the cursor to the next face in a direction; faces off that direction count as further away. */
  go(right, down) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const [x, y] = this.cursor >= 0 ? this.at(this.cursor) : [width / 2, height / 2];
    const next = this.cursor < 0
      ? this.nearest(([px, py]) => Math.hypot(px - x, py - y), Infinity)
      : this.nearest(([px, py]) => {
        const along = (px - x) * right + (py - y) * down, askew = Math.abs((px - x) * down + (py - y) * right);
        return along > PICTURE / 4 && askew <= along ? along + askew : Infinity;
      }, Infinity);
    if (next < 0) return;
    this.cursor = next;
    this.keep();
    this.soon();
    find("#map-say").textContent = `row ${grouped(next)}; Enter opens it`;
  }

  listen() {
    const { canvas, fingers } = this;
    const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * 0.0015), place(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, place(event));
      this.moved = fingers.size > 1 ? Infinity : 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const now = place(event), before = fingers.get(event.pointerId);
      if (!this.places) return;
      if (!before) {
        canvas.style.cursor = this.hit(...now) >= 0 ? "pointer" : "grab";
        return;
      }
      if (fingers.size === 2) {
        const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
        this.zoom(Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1])),
          [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
      } else {
        this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
        this.pan(now[0] - before[0], now[1] - before[1]);
      }
      fingers.set(event.pointerId, now);
    });
    const lifted = (event) => {
      const was = fingers.get(event.pointerId);
      fingers.delete(event.pointerId);
      if (event.type === "pointerup" && was && this.moved < 5 && this.places) {
        const row = this.hit(...was);
        if (row >= 0) { this.cursor = row; this.soon(); this.open(row); }
      }
    };
    canvas.addEventListener("pointerup", lifted);
    canvas.addEventListener("pointercancel", lifted);
    canvas.addEventListener("keydown", (event) => {
      if (!this.places) return;
      const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (way) this.go(...way);
      else if (event.key === "+" || event.key === "=") this.zoom(1.5);
      else if (event.key === "-") this.zoom(1 / 1.5);
      else if (event.key === "0" || event.key === "Home") { this.home(); this.soon(); }
      else if (event.key === "Enter" && this.cursor >= 0) this.open(this.cursor);
      else return;
      event.preventDefault();
    });
  }
}

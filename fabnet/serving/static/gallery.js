// The gallery: only as many tiles as fit the screen, for any number of faces; rows are fetched in pages.

import { json, thumbnail } from "./api.js";
import { find, grouped, make, notice } from "./dom.js";
import { release, show } from "./pictures.js";

const PAGE = 100;
const KEPT_PAGES = 60;
const GAP = 6;
const MANY = 4; // faces of a track on average from which they are grouped at first

export class Gallery {
  constructor(scroller, dataset, { open, count }) {
    this.scroller = scroller;
    this.dataset = dataset;
    this.group = find("#group");
    this.group.checked = (sessionStorage.getItem("group") ?? String(dataset.tracks > 1 && dataset.faces >= MANY * dataset.tracks)) === "true";
    this.group.addEventListener("change", () => {
      sessionStorage.setItem("group", String(this.group.checked));
      this.enter(null);
    });
    find("#leave").addEventListener("click", () => this.enter(null));
    this.spacer = find(".spacer", scroller);
    this.open = open;
    this.count = count;
    this.where = [];
    this.total = 0;
    this.pages = new Map();
    this.tiles = new Map();
    this.active = 0;
    this.columns = 1;
    this.step = 100;
    scroller.addEventListener("scroll", () => this.soon(), { passive: true });
    scroller.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.layout()).observe(scroller);
  }

  /** Shows the faces that meet the conditions, from the first one. */
  async show(where) {
    this.where = where;
    this.pages = new Map();
    this.active = 0;
    this.scroller.scrollTop = 0;
    for (const tile of this.tiles.values()) {
      release(find("img", tile));
      tile.remove();
    }
    this.tiles.clear();
    const { pages } = this;
    await this.page(0);
    if (pages === this.pages) this.layout();
  }

  /** Shows the faces of a face's track alone; null: all tracks. */
  async enter(face) {
    this.inside = face;
    find("#leave").hidden = !face;
    find("#inside").textContent = face ? `${face.video || face.id}${face.track ? `, track ${face.track}` : ""}` : "";
    await this.show(this.where);
    if (face) this.activate(0);
  }

  /** What the gallery asks for: one face of each track, the faces of one track, or all faces. */
  query() {
    if (this.inside) return { track_of: this.inside.row };
    return this.group.checked ? { by_track: true } : {};
  }

  said(total) {
    const { faces } = this.dataset;
    if (this.inside) return `${grouped(total)} faces of this track`;
    return this.group.checked ? `${grouped(total)} ${total === 1 ? "track" : "tracks"}` : `${grouped(total)} of ${grouped(faces)} faces`;
  }

  layout() {
    const width = this.scroller.clientWidth - 2 * GAP;
    if (width <= 0) return;
    const least = width < 500 ? 72 : 92;
    this.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    this.step = (width + GAP) / this.columns;
    this.spacer.style.height = `${Math.ceil(this.total / this.columns) * this.step + GAP}px`;
    this.render();
  }

  soon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.render(); });
  }

  range() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / this.step) - 2) * this.columns;
    const last = Math.min(this.total, (Math.ceil((scrollTop + clientHeight) / this.step) + 2) * this.columns);
    return [first, last];
  }

  render() {
    const [first, last] = this.range();
    for (const [index, tile] of this.tiles) {
      if ((index < first || index >= last) && tile !== document.activeElement) {
        release(find("img", tile));
        tile.remove();
        this.tiles.delete(index);
      }
    }
    for (let index = first; index < last; index++) this.tile(index);
    this.fetchSoon();
  }

  tile(index) {
    let tile = this.tiles.get(index);
    if (!tile) {
      tile = make("button", {
        class: "tile", type: "button", role: "option", tabindex: index === this.active ? 0 : -1,
        "aria-posinset": index + 1, "aria-setsize": this.total, "aria-selected": "false", "aria-label": "a face",
        onclick: () => this.choose(index),
      }, make("img", { alt: "", draggable: "false", decoding: "async" }));
      this.tiles.set(index, tile);
      this.spacer.append(tile);
    }
    const side = this.step - GAP;
    tile.style.width = tile.style.height = `${side}px`;
    tile.style.transform =
      `translate(${GAP + (index % this.columns) * this.step}px, ${GAP + Math.floor(index / this.columns) * this.step}px)`;
    this.fill(tile, index);
  }

  fill(tile, index) {
    const face = this.face(index);
    if (!face || tile.dataset.row === String(face.row)) return;
    tile.dataset.row = face.row;
    const many = face.count > 1 ? face.count : 0;
    tile.title = many ? `${face.video}, track ${face.track}: ${grouped(many)} faces` : face.id;
    tile.setAttribute("aria-label", `${face.identity}, ${tile.title}`);
    tile.classList.toggle("stack", many > 0);
    find("small", tile)?.remove();
    if (many) tile.append(make("small", {}, grouped(many)));
    tile.setAttribute("aria-selected", String(face.row === this.selected));
    show(find("img", tile), thumbnail(face.row));
  }

  face(index) {
    const page = this.pages.get(Math.floor(index / PAGE));
    return Array.isArray(page) ? page[index % PAGE] : undefined;
  }

  /** Fetches pages once scrolling pauses, so that pages that are scrolled past are never fetched. */
  fetchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const [first, last] = this.range();
      for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) this.page(page);
    }, 40);
  }

  async page(number) {
    if (this.pages.has(number)) return;
    const { where, pages } = this;
    pages.set(number, "asked for");
    try {
      const found = await json("/api/v1/faces", { where, start: number * PAGE, count: PAGE, ...this.query() });
      if (pages !== this.pages) return;
      this.pages.set(number, found.faces);
      if (number === 0) {
        this.total = found.total;
        this.count(this.said(found.total));
      }
      if (this.pages.size > KEPT_PAGES) this.pages.delete(this.pages.keys().next().value);
      for (const [index, tile] of this.tiles) this.fill(tile, index);
    } catch (error) {
      pages.delete(number);
      notice(error.message);
    }
  }

  choose(index) {
    const face = this.face(index);
    if (!face) return;
    if (face.count > 1) { this.enter(face); return; }
    this.activate(index);
    this.open(face.row);
  }

  /** Marks the tile of the open row. */
  mark(row) {
    this.selected = row;
    for (const tile of this.tiles.values()) tile.setAttribute("aria-selected", String(tile.dataset.row === String(row)));
  }

  activate(index) {
    const before = this.tiles.get(this.active);
    if (before) before.tabIndex = -1;
    this.active = index;
    const top = Math.floor(index / this.columns) * this.step;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.step > scrollTop + clientHeight) this.scroller.scrollTop = top + this.step + GAP - clientHeight;
    this.render();
    const tile = this.tiles.get(index);
    tile.tabIndex = 0;
    tile.focus({ preventScroll: true });
  }

  key(event) {
    const inPage = Math.max(1, Math.floor(this.scroller.clientHeight / this.step)) * this.columns;
    const step = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns,
      PageDown: inPage, PageUp: -inPage, Home: -this.total, End: this.total,
    }[event.key];
    if (step === undefined || !this.total || !event.target.classList.contains("tile")) return;
    event.preventDefault();
    this.activate(Math.min(this.total - 1, Math.max(0, this.active + step)));
  }
}

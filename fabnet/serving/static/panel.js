// The panel with the open face, or a photo, and the faces nearest to it.

import { crop, json, thumbnail } from "./api.js";
import { arrows, face as picture, facts, find, make, moment } from "./dom.js";

const NEAREST = 30;

/** The video and the time of a face; `bdi` keeps the writing direction of a name from affecting the rest. */
function whereabouts(face) {
  const video = face.video && face.video !== face.identity ? [make("bdi", {}, face.video)] : [];
  const when = moment(face);
  return video.length && when ? [...video, `, ${when}`] : [...video, when];
}

export class Panel {
  constructor(dataset, { open, close, compare, timeline }) {
    Object.assign(this, { dataset, open, close, compare, timeline });
    this.element = find("#panel");
    this.others = true;
    this.asked = 0;
  }

  hide() {
    this.asked++;
    this.shown = null;
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  /** Shows a row and its neighbours. */
  async face(row, where) {
    const asked = ++this.asked;
    this.shown = { row }; // set before the request, so that two events for the same row draw it once
    const face = await json(`/api/v1/faces/${row}`).catch((error) => {
      if (asked === this.asked) this.shown = null;
      throw error;
    });
    if (asked !== this.asked) return;
    this.frame(
      picture(crop(row), { class: "large", alt: `face of ${face.identity}` }),
      make("div", { class: "who" },
        make("h2", {}, face.identity),
        make("p", { class: "say" }, ...whereabouts(face))),
      this.read(face.attributes),
      make("div", { class: "actions" },
        make("button", { type: "button", id: "to-compare", onclick: () => this.compare(row) }, "Compare"),
        make("button", { type: "button", id: "to-timeline", onclick: () => this.timeline(face) }, "Timeline"),
        make("label", { class: "check" }, make("input", {
          type: "checkbox", id: "others", ...(this.others ? { checked: true } : {}),
          onchange: (event) => { this.others = event.target.checked; this.refresh(where); },
        }), "other people only")),
    );
    await this.neighbours(asked, () => json(`/api/v1/faces/${row}/nearest`, { k: NEAREST, other_people: this.others, where }));
  }

  /** Searches by a face of a photo, the largest by default. */
  async photo(file, where, chosen = 0) {
    const asked = ++this.asked;
    const isAgain = this.shown?.file === file;
    this.shown = { file, chosen };
    if (!isAgain) {
      this.frame(
        make("div", { class: "large", id: "found" }),
        make("div", { class: "who" }, make("h2", {}, "Your photo"), make("p", { class: "say" }, file.name || ""),
          make("p", { class: "say" }, "It is processed on the machine that serves this page, and not kept.")),
        make("div", { id: "read" }),
      );
    }
    const found = await this.neighbours(asked, () => json("/api/v1/nearest", { k: NEAREST, where, face: chosen }, {
      method: "POST", body: file, headers: { "content-type": file.type || "application/octet-stream" },
    }));
    if (asked !== this.asked) return;
    if (!found) {
      if (!isAgain) find("#found")?.remove();
      return;
    }
    find("#found").replaceWith(make("img", { class: "large", id: "found", alt: "the chosen face of the photo", src: found.crop }));
    const faces = found.photo.map(({ picture: src }, place) => make("button", {
      type: "button", class: "tile", "aria-pressed": String(place === chosen), "aria-label": `face ${place + 1} of ${found.photo.length}`,
      onclick: () => this.photo(file, where, place),
    }, make("img", { src, alt: "" })));
    const grid = make("div", { class: "tiles", id: "photo-faces", role: "group", "aria-label": "Faces of the photo" }, ...faces);
    arrows(grid);
    const had = find("#photo-faces")?.contains(document.activeElement);
    find("#read").replaceChildren(...(faces.length > 1 ? [grid] : []), this.read(found.photo[chosen].attributes));
    if (had) faces[chosen].focus();
  }

  /** What was read off a face, and a note if it is out of range. */
  read(attributes) {
    const why = attributes.out_of_range;
    return make("div", { class: why ? "read greyed" : "read" },
      why ? make("p", { class: "why" }, `out of range: ${why}`) : null,
      make("dl", {}, ...facts(attributes, this.dataset)));
  }

  /** Repeats the search with other conditions. */
  async refresh(where) {
    if (this.shown?.file) await this.photo(this.shown.file, where, this.shown.chosen);
    else if (this.shown) await this.face(this.shown.row, where);
  }

  frame(...content) {
    this.status = make("p", { class: "say", id: "nearest-say", "aria-live": "polite" }, "searching …");
    this.grid = make("div", { class: "tiles", id: "nearest", role: "group", "aria-label": "Nearest faces" });
    arrows(this.grid);
    this.element.replaceChildren(
      make("button", { type: "button", class: "close", id: "close", "aria-label": "Close", onclick: () => this.close() }, "×"),
      make("div", { class: "chosen" }, ...content),
      make("h3", {}, "Nearest faces"), this.status, this.grid);
    this.element.hidden = false;
  }

  async neighbours(asked, search) {
    const began = performance.now();
    try {
      const found = await search();
      if (asked !== this.asked) return null;
      this.grid.replaceChildren(...found.faces.map((face) => make("button", {
        type: "button", class: "tile", "data-row": face.row, title: face.id,
        "aria-label": `${face.identity}, similarity ${face.similarity.toFixed(2)}`, onclick: () => this.open(face.row),
      }, picture(thumbnail(face.row), { alt: "" }), make("small", {}, face.similarity.toFixed(2)))));
      this.status.textContent = found.faces.length
        ? `by the cosine of the embeddings, ${Math.round(performance.now() - began)} ms`
        : "no face meets the filters";
      return found;
    } catch (error) {
      if (asked === this.asked) this.status.textContent = error.message;
      return null;
    }
  }
}

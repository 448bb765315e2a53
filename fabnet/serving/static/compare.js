// The compare view: the first chosen face, reconstructed by the model's decoders from one or two others.

import { json, thumbnail } from "./api.js";
import { face, find, make } from "./dom.js";

const MOST = 3;

export class Compare {
  constructor(dataset, { changed }) {
    this.reason = dataset.compare;
    this.changed = changed;
    this.rows = [];
    this.box = find("#compare");
  }

  /** Chooses a face; beyond three, the oldest source is dropped. */
  add(row) {
    if (this.rows.includes(row)) return;
    if (this.rows.length === MOST) this.rows.splice(1, 1);
    this.rows.push(row);
    this.changed(this.rows.length);
  }

  remove(row) {
    this.rows = this.rows.filter((each) => each !== row);
    this.changed(this.rows.length);
    this.show();
  }

  lead(row) {
    this.rows = [row, ...this.rows.filter((each) => each !== row)];
    this.show();
  }

  async show() {
    const chosen = make("div", { class: "chosen-faces" }, ...this.rows.map((row, place) => make("figure", {},
      face(thumbnail(row), { alt: `row ${row}` }),
      make("figcaption", {}, place ? `source ${this.rows.length > 2 ? place : ""}` : "target"),
      make("div", { class: "actions" },
        place ? make("button", { type: "button", onclick: () => this.lead(row) }, "Make target") : null,
        make("button", { type: "button", class: "quiet", "aria-label": `Remove this ${place ? "source" : "target"}`, onclick: () => this.remove(row) }, "Remove")))));
    const result = make("div", { id: "compared", "aria-live": "polite" });
    this.box.replaceChildren(
      make("p", { class: "say" }, "Choose two or three faces with Compare, or with the key C. The network warps a source to the pose and expression of the target; all it knows of both are their embeddings."),
      chosen, result);
    if (this.reason) { result.append(make("p", { class: "note" }, this.reason)); return; }
    if (this.rows.length < 2) return;
    result.append(make("p", { class: "say" }, "reconstructing …"));
    const [target, ...source] = this.rows;
    const asked = this.rows;
    try {
      const made = await json("/api/v1/compare", { target, source });
      if (asked === this.rows) result.replaceChildren(...this.shown(made));
    } catch (error) {
      result.replaceChildren(make("p", { class: "note" }, error.message));
    }
  }

  shown(made) {
    const figure = (src, title, text = "") => make("figure", {}, make("img", { src, alt: title }), make("figcaption", {}, make("b", {}, title), text ? ` ${text}` : ""));
    const several = made.sources.length > 1;
    const strips = made.sources.map((each, place) => make("div", { class: "strip", role: "group", "aria-label": `source ${place + 1}` },
      figure(each.picture, several ? `source ${place + 1}` : "source", `error ${each.loss_unwarped.toFixed(3)}`),
      figure(made.target, "target"),
      figure(each.warped, made.reconstruction ? "warped" : "reconstruction", `error ${each.loss.toFixed(3)}`),
      figure(each.flow, "flow"),
      figure(each.movement, "movement"),
      each.confidence ? figure(each.confidence, "confidence", `${(100 * each.share).toFixed(0)} %`) : null));
    return [
      ...strips,
      made.reconstruction ? make("div", { class: "strip" }, figure(made.reconstruction, "reconstruction", `blended, error ${made.loss.toFixed(3)}`)) : null,
      made.note ? make("p", { class: "note" }, made.note[0].toUpperCase() + made.note.slice(1) + ".") : null,
      make("div", { class: "legend" }, make("img", { src: made.legend, alt: "" }),
        make("p", { class: "say" }, `Flow: the hue is the direction from each pixel to its origin in the source; full colour is a distance of ${made.flow_px.toFixed(1)} px of the network's input. The error is the mean difference from the target, 0 to 1.`)),
    ].filter(Boolean);
  }
}

// Sliders for predicted attributes; together they are the conditions for all views.

import { find, make, named, plain, settled, shown } from "./dom.js";

const OPEN = 6;

export class Filters {
  constructor(dataset, changed) {
    this.controls = [];
    this.changed = settled(() => changed(this.where()), 120);
    const box = find("#sliders");
    const plain = dataset.attributes.filter((each) => each.classes === null);
    const rows = plain.map((each) => this.between(each));
    box.append(...rows.slice(0, OPEN));
    for (const each of dataset.classes.filter(({ values }) => values.length)) box.append(this.among(each, dataset.attributes.filter((one) => one.classes === each.column)));
    if (rows.length > OPEN) box.append(make("details", { class: "more" }, make("summary", {}, "More"), ...rows.slice(OPEN)));
    if (!this.controls.length) {
      box.append(make("p", { class: "say" }, "No probe was run on these faces. With ", make("code", {}, "fabnet embed --probe FILE"),
        " you get sliders for pose, mouth and expression."));
    }
    find("#clear").addEventListener("click", () => { for (const each of this.controls) each.reset(); this.changed(); });
  }

  where() {
    const found = this.controls.map((each) => each.condition()).filter(Boolean);
    find("#clear").hidden = !found.length;
    return found;
  }

  /** A slider with two thumbs on one track. */
  between({ column, low, high }) {
    const { text } = named(column);
    const step = Math.max((high - low) / 200, 1e-6);
    const output = make("output", {});
    const input = (value, word) => make("input", {
      type: "range", min: low, max: high, step: "any", value, "data-column": column, "data-bound": word, "aria-label": `${text}, ${word}`,
    });
    const [least, most] = [input(low, "from"), input(high, "to")];
    const track = make("div", { class: "track" }, make("i"), least, most);
    const draw = () => {
      const [from, to] = [Number(least.value), Number(most.value)];
      track.firstChild.style.left = `${100 * (from - low) / (high - low)}%`;
      track.firstChild.style.right = `${100 * (high - to) / (high - low)}%`;
      for (const [each, value] of [[least, from], [most, to]]) each.setAttribute("aria-valuetext", shown(column, value));
      output.textContent = `${shown(column, from)} to ${shown(column, to)}`;
      least.style.zIndex = from > (low + high) / 2 ? 2 : 1;
    };
    const moved = (event) => {
      if (event.target === least) least.value = Math.min(Number(least.value), Number(most.value));
      else most.value = Math.max(Number(least.value), Number(most.value));
      draw();
      this.changed();
    };
    const keyed = (event) => { // because the step "any" makes arrow keys useless
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 20, PageDown: -20 }[event.key];
      if (steps === undefined) return;
      event.preventDefault();
      event.target.value = Number(event.target.value) + steps * step;
      moved(event);
    };
    for (const each of [least, most]) { each.addEventListener("input", moved); each.addEventListener("keydown", keyed); }
    this.controls.push({
      reset: () => { least.value = low; most.value = high; draw(); },
      condition: () => {
        const [from, to] = [Number(least.value), Number(most.value)];
        const bounds = [from - low > step / 2 ? from : "", high - to > step / 2 ? to : ""];
        return bounds.some((bound) => bound !== "") ? `${column}:${bounds.join(":")}` : null;
      },
    });
    draw();
    return make("div", { class: "filter", role: "group", "aria-label": text }, make("div", { class: "head" }, make("span", {}, text), output), track);
  }

  /** A choice of one class, and a slider for its least probability. */
  among({ column, values }, attributes) {
    const { text } = named(column);
    const select = make("select", { "aria-label": text, "data-column": column },
      make("option", { value: "" }, "any"), ...values.map((value) => make("option", { value }, plain(value, column))));
    const output = make("output", {});
    const slider = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": `${text}, minimum probability`, "data-column": column });
    const line = make("div", { class: "track one", hidden: true }, make("i"), slider);
    const chosen = () => attributes.find((each) => each.value === select.value);
    const draw = () => {
      line.hidden = !chosen();
      output.textContent = chosen() ? `at least ${slider.value} %` : "";
      slider.setAttribute("aria-valuetext", `${slider.value} %`);
      line.firstChild.style.left = `${slider.value}%`;
    };
    for (const each of [select, slider]) each.addEventListener("input", () => { draw(); this.changed(); });
    this.controls.push({
      reset: () => { select.value = ""; slider.value = 50; draw(); },
      condition: () => {
        if (!select.value) return null;
        return chosen() ? `${chosen().column}:${slider.value / 100}:` : `${column}:${select.value}`;
      },
    });
    draw();
    return make("div", { class: "filter", role: "group", "aria-label": text },
      make("div", { class: "head" }, make("span", {}, text), output), select, line);
  }
}

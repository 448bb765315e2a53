// The numbers beside the picture.

const NAMES = {
  pose_yaw_deg: "yaw", pose_pitch_deg: "pitch", pose_roll_deg: "roll",
  mouth_opening: "mouth opening", mouth_width: "mouth width", eyes_opening: "eye opening", smile: "smile",
  AU01: "inner brow raiser", AU02: "outer brow raiser", AU04: "brow lowerer", AU05: "upper lid raiser",
  AU06: "cheek raiser", AU09: "nose wrinkler", AU12: "lip corner puller", AU17: "chin raiser", AU20: "lip stretcher",
  AU25: "lips part", AU26: "jaw drop",
};
const TITLES = {
  pose: ["Head pose", "degrees"], openings: ["Mouth and eyes", "% of the height from forehead to chin"], smile: ["Smile", "probability"],
  expression: ["Expression", "what people would see in a still picture, not what somebody feels"],
  units: ["Action units", "probability; present from 50 %"], units_experimental: ["", "experimental: poor on people held out"],
};
const REASONS = {
  "no face": "the window does not look like a face", turned: "the head is turned too far", small: "the face is too small",
  dark: "hardly any light or contrast", covered: "something covers a part of the face", blurred: "the picture is blurred",
  "cut off": "a part of the face lies outside the picture",
  unlike: "the face is unlike those that were learned from",
};

/** An element with attributes and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const isOpening = (column) => column.endsWith("_opening") || column.endsWith("_width");

export class Panel {
  /**
   * @param element where the numbers go.
   * @param note says whether the face is in range.
   * @param tasks those of the face reader.
   */
  constructor(element, note, tasks) {
    Object.assign(this, { element, note, cells: [] });
    for (const task of tasks) {
      if (task.kind === "points") continue;
      const [title, say] = TITLES[task.name] ?? [task.name, ""];
      const section = make("section", { "data-task": task.name });
      if (title) section.append(make("h2", {}, title));
      if (say) section.append(make("p", { class: "say" }, say));
      section.append(make("dl", {}, ...task.columns.map((column) => this.line(task, column))));
      element.append(section);
    }
  }

  line(task, column) {
    const plain = task.kind === "classes" ? column.slice(task.name.length + 1) : NAMES[column] ?? column;
    const name = column.startsWith("AU") ? [make("b", {}, column), ` ${plain}`] : [plain];
    const number = make("dd", { "data-column": column });
    const bar = task.kind === "values" ? null : make("i");
    const mark = task.is_experimental ? [make("abbr", { title: "experimental" }, "?")] : [];
    this.cells.push({ column, number, bar, kind: task.kind });
    return make("div", { class: bar ? "bar" : "value" }, make("dt", {}, ...name, ...mark), ...(bar ? [make("span", {}, bar)] : []), number);
  }

  /** Shows a row; null: no face. */
  show(row) {
    this.element.classList.toggle("empty", !row);
    this.element.classList.toggle("out", Boolean(row && !row.in_range));
    this.note.className = row ? (row.in_range ? "in" : "out") : "";
    const why = row?.out_of_range ? row.out_of_range.split(", ").map((name) => REASONS[name] ?? name).join("; ") : "";
    this.write(this.note, !row ? "" : why ? `Out of range: ${why}. The numbers may be off by more than they say.` : "In range.");
    for (const { column, number, bar, kind } of this.cells) {
      if (bar) bar.style.width = row ? `${100 * row[column]}%` : "0";
      if (bar) bar.parentElement.parentElement.classList.toggle("on", Boolean(row && row[column] >= 0.5));
      if (!row) this.write(number, "–");
      else if (kind !== "values") this.write(number, `${Math.round(100 * row[column])} %`);
      else {
        const times = isOpening(column) ? 100 : 1;
        this.write(number, `${(times * row[column]).toFixed(1)} ± ${(times * row[`${column}_pm`]).toFixed(1)}`.replaceAll("-", "−"));
      }
    }
  }

  write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
}

// A chart over time, drawn by uPlot: lines with bands of certainty, and grey where the face is out of range.

const HEIGHT = 150, LOW_HEIGHT = 120;
export const COLOURS = 6;

/** The times of a stretch as text: 12.5, or 1:05 from a minute on. */
export function clock(seconds, step = 1) {
  const digits = [0, 1].find((count) => Math.abs(step * 10 ** count - Math.round(step * 10 ** count)) < 1e-9) ?? 2;
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  const rest = (seconds % 60).toFixed(digits);
  return `${Math.floor(seconds / 60)}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
}

export class Chart {
  /**
   * @param box the element to draw in.
   * @param data `times`, and `lines`: `values`, and `widths` or null, one for each time, null where unknown.
   * @param looks `isFrames`, `range` ([low, high], or null: of the data), `grey` ([from, to] of stretches), `label`.
   * @param told `zoomed(from, to)` and `at(time)` are called when the reader zooms or clicks.
   */
  constructor(box, { times, lines }, { isFrames, range, grey, label, unit }, told) {
    this.box = box;
    const style = getComputedStyle(box);
    const tone = (name) => style.getPropertyValue(name).trim();
    const soft = tone("--soft"), rule = { stroke: tone("--line"), width: 1 };
    const series = [{}], bands = [], data = [times];
    lines.forEach(({ values, widths }, number) => {
      const colour = tone(`--c${number % COLOURS}`);
      if (widths) {
        for (const sign of [1, -1]) {
          data.push(values.map((value, place) => value === null || widths[place] === null ? null : value + sign * widths[place]));
          series.push({ width: 0, points: { show: false } });
        }
        bands.push({ series: [data.length - 2, data.length - 1], fill: `${colour}2e` });
      }
      data.push(values);
      series.push({
        stroke: colour, width: 2, dash: number < COLOURS ? undefined : [6, 4],
        points: { size: 5, fill: colour, filter: (plot, index, isShown) => isShown ? null : alone(plot.data[index]) },
      });
    });
    this.plot = new uPlot({
      width: this.width(), height: this.height(), series, bands, legend: { show: false },
      padding: [8, 20, 0, 0], // the right one holds half of the last time
      scales: { x: { time: false }, y: range ? { range: () => range } : { range: (_, low, high) => roomy(low, high) } },
      axes: [
        { stroke: soft, grid: rule, ticks: rule, size: 30, font: "12px system-ui, sans-serif",
          values: (_, ticks, __, ___, step) => ticks.map((tick) => isFrames ? String(tick) : clock(tick, step)) },
        { stroke: soft, grid: rule, ticks: rule, size: 46, font: "12px system-ui, sans-serif",
          values: (_, ticks) => ticks.map((tick) => `${+tick.toFixed(3)}${unit}`) },
      ],
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, dist: 6 }, sync: { key: "time" } },
      hooks: {
        drawClear: [(plot) => this.shade(plot, grey, `${soft}24`)],
        setScale: [(plot, key) => { if (key === "x" && !this.isQuiet) told.zoomed(plot.scales.x.min, plot.scales.x.max); this.mark(); }],
        setSize: [() => this.mark()],
      },
    }, data, box);
    this.now = document.createElement("div");
    this.now.className = "now";
    this.plot.over.append(this.now);
    this.plot.over.addEventListener("click", (event) => {
      told.at(this.plot.posToVal(event.clientX - this.plot.over.getBoundingClientRect().left, "x"));
    });
    this.plot.root.setAttribute("role", "img");
    this.plot.root.setAttribute("aria-label", label);
  }

  width() { return Math.max(160, this.box.clientWidth); }

  height() { return this.width() < 500 ? LOW_HEIGHT : HEIGHT; }

  resize() { this.plot.setSize({ width: this.width(), height: this.height() }); }

  /** Shows a stretch of time. */
  zoom(min, max) {
    this.isQuiet = true;
    this.plot.batch(() => this.plot.setScale("x", { min, max }));
    this.isQuiet = false;
  }

  /** Moves the line of the moment. */
  mark(time = this.time) {
    this.time = time;
    if (time === undefined || !this.now) return;
    const left = this.plot.valToPos(time, "x");
    this.now.hidden = !(left >= 0 && left <= this.plot.over.clientWidth);
    this.now.style.left = `${left}px`;
  }

  shade(plot, grey, colour) {
    const { left, top, width, height } = plot.bbox;
    plot.ctx.fillStyle = colour;
    for (const stretch of grey) {
      const [from, to] = stretch.map((time) => Math.min(left + width, Math.max(left, plot.valToPos(time, "x", true))));
      plot.ctx.fillRect(from, top, Math.max(to - from, to > left && from < left + width ? 1 : 0), height);
    }
  }

  remove() { this.plot.destroy(); }
}

/** Indices of values between two unknown ones, which a line would not show. */
function alone(values) {
  const known = (place) => values[place] !== null && values[place] !== undefined;
  return values.flatMap((_, place) => known(place) && !known(place - 1) && !known(place + 1) ? [place] : []);
}

function roomy(low, high) {
  if (low === null || high === null) return [0, 1];
  const room = Math.max(high - low, 1e-3) * 0.08;
  return [low - room, high + room];
}

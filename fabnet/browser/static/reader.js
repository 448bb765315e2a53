// What is read off an embedding: `FaceReader` of fabnet/encoders/face_reader.py.

import { axes } from "./draw.js";

const RADIAN = Math.PI / 180;

/** The arrays and the metadata of a safetensors file. */
export function readSafetensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const arrays = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(entries)) {
    if (dtype !== "F32") throw new Error(`the array ${name} is ${dtype}; expected F32`);
    arrays[name] = { shape, data: new Float32Array(buffer.slice(8 + length + begin, 8 + length + end)) };
  }
  return { metadata, arrays };
}

/** A row times a matrix, only these of its columns. */
function times(row, { shape: [, width], data }, columns = [...Array(width).keys()]) {
  const made = new Float32Array(columns.length);
  for (let i = 0; i < row.length; i++) {
    const factor = row[i], start = i * width;
    for (let j = 0; j < columns.length; j++) made[j] += factor * data[start + columns[j]];
  }
  return made;
}

/** A vector in a window that is turned by an angle in degrees, as one in the picture: right and down. */
export function inPicture(right, down, turn) {
  const sin = Math.sin(turn * RADIAN), cos = Math.cos(turn * RADIAN);
  return [cos * right + sin * down, cos * down - sin * right];
}

/** Roll, pitch and yaw in degrees in a turned window as those in the picture (fabnet/faces/pose.py). */
function inCamera([roll, pitch, yaw], turn) {
  const [x, y, z] = axes(roll, pitch, yaw).map(([right, down, towards]) => [...inPicture(right, down, turn), towards]);
  const angles = [Math.atan2(-y[0], x[0]), Math.atan2(-z[1], z[2]), -Math.atan2(z[0], Math.hypot(x[0], y[0]))];
  return angles.map((angle) => angle / RADIAN);
}

/** The share of points x0, y0, x1, y1 ... that lie outside a box. */
function outside(points, [left, top, right, bottom]) {
  let count = 0;
  for (let at = 0; at < points.length; at += 2) {
    const x = points[at], y = points[at + 1];
    count += x < left || y < top || x > right || y > bottom;
  }
  return count / (points.length / 2);
}

export class FaceReader {
  /**
   * @param buffer the bytes of reader.safetensors.
   * @param settings `reader` of page.json.
   */
  constructor(buffer, settings) {
    const { metadata, arrays } = readSafetensors(buffer);
    if (metadata.format !== settings.format) throw new Error(`the face reader has the format ${metadata.format}; expected ${settings.format}`);
    Object.assign(this, { settings, arrays, ...JSON.parse(metadata.reader) });
    const names = this.tasks.flatMap((task) => task.columns), [roll] = settings.pose;
    this.placing = [...Array(settings.first).keys(), settings.first + names.indexOf(roll)];
  }

  outputs(embedding, columns) {
    const { waves, phases, coef, wave_coef: waveCoef, intercept } = this.arrays;
    const cosines = times(embedding, waves).map((value, place) => Math.cos(value + phases.data[place]));
    const plain = times(embedding, coef, columns), waved = times(cosines, waveCoef, columns);
    return plain.map((value, place) => value + waved[place] + intercept.data[columns ? columns[place] : place]);
  }

  /** The outputs that say where the face is; the last is the roll. */
  where(embedding) {
    return this.outputs(embedding, this.placing);
  }

  /** The canonical window around a face and its turn in degrees, from the outputs and the window that was seen. */
  placed(outputs, [x0, y0, x1, y1], turn) {
    const side = x1 - x0;
    const [right, down, scale] = Array.from(outputs.subarray(0, 3), (move) => Math.min(Math.max(move, -0.5), 0.5));
    const [moveX, moveY] = inPicture(right, down, turn), half = (side * Math.exp(scale)) / 2;
    const x = (x0 + x1) / 2 + moveX * side, y = (y0 + y1) / 2 + moveY * side;
    const box = [x - half, y - half, x + half, y + half].map(Math.fround);
    const roll = outputs[outputs.length - 1], most = this.settings.max_roll_deg, turned = Math.fround(turn + roll);
    if (Math.abs(roll) <= most) return { box, turn };
    return { box, turn: Math.abs(turned) <= most ? 0 : turned };
  }

  isFace(outputs) {
    const probability = this.settings.face_probability;
    return outputs[this.settings.face] > Math.log(probability / (1 - probability));
  }

  /** The columns that `fabnet read` gives, by name; points are one list x0, y0, x1, y1 ... */
  columns({ embedding, box, turn, shown, brightness, contrast, detail }) {
    const { settings } = this, { mean, whiten, spread, limits, signs_mean: signsMean, signs_scale: signsScale, coef } = this.arrays;
    const outputs = this.outputs(embedding), side = box[2] - box[0];
    const made = {};
    let first = settings.first;
    for (const task of this.tasks) {
      const values = Array.from(outputs.subarray(first, first + task.columns.length));
      first += values.length;
      if (task.kind === "points") {
        const middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
        made[`${task.name}_px`] = values.flatMap((_, place) => (place % 2 ? [] : (
          inPicture(values[place], values[place + 1], turn).map((value, axis) => (value * side) / 2 + middle[axis]))));
      } else if (task.kind === "classes") {
        const most = Math.max(...values), shares = values.map((value) => Math.exp(value - most));
        const sum = shares.reduce((one, other) => one + other);
        task.columns.forEach((name, place) => { made[name] = shares[place] / sum; });
        made[task.name] = task.columns[values.indexOf(most)].slice(task.name.length + 1);
      } else if (task.kind === "probabilities") {
        task.columns.forEach((name, place) => { made[name] = 0.5 * (1 + Math.tanh(values[place] / 2)); });
      } else {
        task.columns.forEach((name, place) => { made[name] = values[place]; });
      }
    }
    const distance = Math.hypot(...times(embedding.map((value, place) => value - mean.data[place]), whiten));
    const { pose_yaw_deg: yaw, pose_pitch_deg: pitch, pose_roll_deg: roll } = made;
    const signs = [Math.log2(Math.min(Math.max(side, 8), 200)), brightness, contrast, Math.abs(yaw), (yaw * yaw) / 45,
      Math.abs(pitch), Math.abs(roll), distance].map((sign, place) => (
      Math.min(Math.max((sign - signsMean.data[place]) / signsScale.data[place], -4), 4)));
    const widths = times([...signs, 1], spread).map((width) => Math.exp(Math.min(Math.max(width, -20), 20)));
    let place = 0;
    for (const task of this.tasks) {
      if (task.kind === "points") made[`${task.name}_pm_px`] = widths[place++] * side;
      if (task.kind === "values") task.columns.forEach((name) => { made[`${name}_pm`] = widths[place++]; });
    }
    const reasons = {
      "no face": !this.isFace(outputs),
      turned: Object.entries(settings.max_turn_deg).some(([name, limit]) => Math.abs(made[name]) > limit),
      small: side < limits.data[1],
      dark: brightness < settings.min_brightness || contrast < settings.min_contrast,
      blurred: detail < settings.min_detail && side >= settings.least_sharp_px,
      covered: outputs[settings.covered] > 0,
      "cut off": outside(made[`${settings.landmarks}_px`], shown) > settings.max_outside,
      unlike: distance > limits.data[0],
    };
    made.out_of_range = Object.keys(reasons).filter((name) => reasons[name]).join(", ");
    made.in_range = !made.out_of_range;
    if (turn) inCamera(settings.pose.map((name) => made[name]), turn).forEach((angle, at) => { made[settings.pose[at]] = angle; });
    return made;
  }
}

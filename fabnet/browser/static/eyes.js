// The canonical crop: a face is cut out where its own embedding puts it (fabnet/reading/canonical.py), and followed from
// frame to frame (fabnet/reading/follow.py, one face at a time).

import { area, overlap } from "./detect.js";
import { detailOf, lightOf, onPixels, windowOf } from "./picture.js";
import { inPicture } from "./reader.js";

export class Eyes {
  /**
   * @param settings page.json.
   * @param encode takes a Float32Array (3, size, size) RGB in 0 to 1, and gives the embedding.
   * @param reader a FaceReader.
   */
  constructor(settings, encode, reader) {
    Object.assign(this, { settings, encode, reader, size: settings.size });
    this.input = new Float32Array(3 * this.size * this.size);
  }

  /** Embeds one window of a picture: a box, and by how much it is turned about its middle. */
  async look(picture, { box: given, turn: asked }) {
    const box = onPixels(given, this.size), isShown = box[2] - box[0] <= 2 * Math.max(picture.width, picture.height);
    const turn = isShown ? asked : 0;
    const view = windowOf(picture, box, this.size, turn), count = this.size * this.size;
    for (let at = 0; at < count; at++) {
      for (let colour = 0; colour < 3; colour++) this.input[colour * count + at] = view.data[4 * at + colour] / 255;
    }
    const embedding = await this.encode(this.input), outputs = this.reader.where(embedding);
    const shown = [0, 0, picture.width, picture.height];
    const detail = detailOf(view, this.settings.reader.stride_px), next = this.reader.placed(outputs, box, turn);
    return { embedding, box, turn, shown, ...lightOf(view), detail, outputs, next };
  }

  /** Looks until the window stays where it is. */
  async settle(picture, window, { tolerance, looks } = this.settings.settle) {
    let seen = await this.look(picture, window);
    for (let count = 1; count < looks; count++) {
      const side = Math.max(seen.box[2] - seen.box[0], 1e-6);
      const move = Math.max(...seen.next.box.map((value, place) => Math.abs(value - seen.box[place])));
      if (move / side <= tolerance && seen.next.turn === seen.turn) break;
      seen = await this.look(picture, seen.next);
    }
    return seen;
  }

  /** The window of a detected face, whichever way up it is. */
  async find(picture, window, rule = this.settings.settle) {
    const { tried_deg: turns, sure, better } = this.settings.find, { face, covered } = this.reader.settings;
    const upright = await this.settle(picture, window, rule);
    if (upright.outputs[face] > sure && upright.outputs[covered] <= 0) return upright;
    let best = upright, least = Math.max(upright.outputs[face] + better, sure);
    for (const turn of turns) {
      const turned = await this.settle(picture, { ...window, turn }, rule);
      if (turned.outputs[face] > least && turned.outputs[covered] <= 0) [best, least] = [turned, turned.outputs[face]];
    }
    return best;
  }

  /** The window to begin with where a detector found a face: the encoder's window in the detector's crop. */
  firstWindow({ box: [x0, y0, x1, y1], turn = 0 }) {
    const { crop, window: [centreX, centreY, share] } = this.settings;
    const width = Math.max(x1 - x0, 1), height = Math.max(y1 - y0, 1);
    const side = crop.margin * (crop.framing === "voxceleb" ? Math.max(width, height) : Math.sqrt(width * height));
    const left = (x0 + x1) / 2 + (crop.shift_x - 0.5) * side, top = (y0 + y1) / 2 + (crop.shift_y - 0.5) * side;
    const first = [left + (centreX - share / 2) * side, top + (centreY - share / 2) * side];
    return { box: [...first, first[0] + share * side, first[1] + share * side].map(Math.fround), turn };
  }

  /** The box of a face, as a detector gives it, from the encoder's window around it. */
  faceBox({ box: [x0, y0, x1, y1], turn }) {
    const { crop, window: [centreX, centreY, share] } = this.settings;
    const side = (x1 - x0) / share, half = side / crop.margin / 2;
    const [right, down] = inPicture(centreX - 0.5 + crop.shift_x, centreY - 0.5 + crop.shift_y, turn);
    const x = (x0 + x1) / 2 - side * right, y = (y0 + y1) / 2 - side * down;
    return [x - half, y - half, x + half, y + half];
  }

  /** A row as `fabnet read` gives it. */
  row(seen, score) {
    return { score, box_px: this.faceBox(seen), ...this.reader.columns(seen) };
  }
}

/** Follows the largest face of a camera. */
export class Follower {
  constructor(eyes, detector) {
    Object.assign(this, { eyes, detector, settings: eyes.settings.follow, face: null, frames: 0 });
    this.searched_ms = this.turned_ms = -Infinity;
  }

  /** The row of the next frame; null where no face is. */
  async next(picture, now_ms) {
    const { settings, eyes } = this;
    let seen = null;
    if (this.face) {
      const { box, turn, velocity, score } = this.face;
      seen = await this.seen(picture, { box: box.map((value, place) => value + velocity[place]), turn })
        ?? await this.seen(picture, { box, turn }); // it may be beside where it was expected
      if (seen) this.keep(seen, score);
      else this.face = null;
    }
    const isDue = now_ms - this.searched_ms > 1000 * settings.search_every_s;
    if (isDue || (!this.face && this.frames++ % settings.search_empty === 0)) {
      this.searched_ms = now_ms;
      let [found] = await this.detector.frame(picture);
      if (!found && !this.face && now_ms - this.turned_ms > 1000 * settings.search_every_s) {
        this.turned_ms = now_ms; // rarely, because it takes three more searches
        [found] = await this.detector.turned(picture);
      }
      const window = found && eyes.firstWindow(found);
      if (found && this.face && overlap(window.box, this.face.box) > settings.same_face) {
        this.face.score = Math.max(this.face.score, found.score);
      } else if (found && !(this.face && area(this.face.box) > area(window.box))) {
        const { tolerance } = settings, { looks } = eyes.settings.settle;
        const other = this.there(picture, await eyes.find(picture, window, { tolerance, looks }));
        if (other) {
          this.face = null;
          seen = other;
          this.keep(seen, found.score);
        }
      }
    }
    return seen && eyes.row(seen, this.face.score);
  }

  async seen(picture, window) {
    return this.there(picture, await this.eyes.settle(picture, window, this.settings));
  }

  there(picture, seen) {
    const [x0, y0, x1, y1] = seen.next.box, x = (x0 + x1) / 2, y = (y0 + y1) / 2;
    const isInside = x >= 0 && y >= 0 && x < picture.width && y < picture.height;
    return isInside && this.eyes.reader.isFace(seen.outputs) ? seen : null;
  }

  keep(seen, score) {
    const { box, turn } = seen.next, before = this.face?.box ?? box;
    const velocity = box.map((value, place) => (value - before[place]) * this.settings.damping);
    this.face = { box, turn, velocity, score };
    this.frames = 0;
  }
}

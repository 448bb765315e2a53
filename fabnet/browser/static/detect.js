// Finds faces with YuNet, as fabnet/faces/detect/yunet.py does. A face is { box, score }, and has a turn if it lies on its
// side or upside down.

import { interpolated, part, quarterTurned, shrunk } from "./picture.js";

/** Area of a box. */
export const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
const LEAST_PX2 = 1e-6;

function shared(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

/** What two boxes share, over the area that they cover together. */
export function overlap(one, other) {
  const both = shared(one, other);
  return both / Math.max(area(one) + area(other) - both, LEAST_PX2);
}

const overlapOfSmaller = (one, other) => shared(one, other) / Math.max(Math.min(area(one), area(other)), LEAST_PX2);

/** Removes duplicate faces; best score first. */
function suppressed(faces, maxShared) {
  const kept = [];
  for (const face of [...faces].sort((one, other) => other.score - one.score)) {
    if (kept.every((other) => overlapOfSmaller(face.box, other.box) <= maxShared)) kept.push(face);
  }
  return kept;
}

const largestFirst = (faces) => faces.sort((one, other) => area(other.box) - area(one.box));

export class Detector {
  /**
   * @param settings `detector` of page.json.
   * @param run takes (H, W, 3) bytes BGR with H and W, and gives { scores, boxes } of the network's cells.
   */
  constructor(settings, run) {
    Object.assign(this, { settings, run });
  }

  /** The faces of a frame of video, largest first. */
  frame(picture) {
    return this.search(picture, this.settings.min_face_share);
  }

  /** The faces of a photo, largest first: small ones are looked for only if there are no large ones. */
  async photo(picture) {
    const large = await this.anyWayUp(picture, this.settings.min_face_share);
    return large.length ? large : this.anyWayUp(picture, this.settings.photo_share);
  }

  /** The faces of a picture, which is turned and searched again if they are in doubt (faces/detect/turned.py). */
  async anyWayUp(picture, share) {
    const { upright_score: upright, max_shared: maxShared } = this.settings;
    const found = await this.search(picture, share), scores = found.map(({ score }) => score).sort((one, other) => one - other);
    const half = scores.length / 2, median = (scores[Math.floor(half - 0.5)] + scores[Math.floor(half)]) / 2;
    if (median >= upright) return found;
    return largestFirst(suppressed([...found, ...(await this.turned(picture, share))], maxShared));
  }

  /** The faces that lie on their side or upside down, largest first. */
  async turned(picture, share = this.settings.min_face_share) {
    const { width, height } = picture, found = [];
    for (const [turn, quarters, place] of [
      [-90, 1, (x, y) => [width - y, x]], [180, 2, (x, y) => [width - x, height - y]], [90, 3, (x, y) => [y, height - x]],
    ]) {
      for (const { box: [x0, y0, x1, y1], score } of await this.search(quarterTurned(picture, quarters), share)) {
        const [[left, top], [right, bottom]] = [place(x0, y0), place(x1, y1)];
        const box = [Math.min(left, right), Math.min(top, bottom), Math.max(left, right), Math.max(top, bottom)];
        if (score >= this.settings.turned_score) found.push({ box, score, turn });
      }
    }
    return largestFirst(suppressed(found, this.settings.max_shared));
  }

  /** Side in pixels of the smallest face that is looked for. */
  smallest({ width, height }, share) {
    const longer = Math.max(width, height), shorter = Math.min(width, height);
    const longerPx = Math.min(longer, Math.sqrt(longer * shorter * this.settings.long));
    return Math.max(this.settings.min_face_px, Math.min(share * longerPx, shorter / 4));
  }

  async search(picture, share) {
    const shrink = this.smallest(picture, share) / this.settings.searched_face_px;
    const width = Math.max(1, Math.round(picture.width / shrink)), height = Math.max(1, Math.round(picture.height / shrink));
    const small = shrink > 1 ? shrunk(picture, width, height) : interpolated(picture, width, height);
    const by = [picture.width / width, picture.height / height];
    const found = (await this.inTiles(small)).map((face) => this.asMtcnn(scaled(face, by)));
    return largestFirst(found);
  }

  /** The face with the box that MTCNN would give it, on which the encoders were trained. */
  asMtcnn({ box: [x0, y0, x1, y1], score }) {
    const { to_mtcnn_y: moved, to_mtcnn_width: wider, to_mtcnn_height: higher } = this.settings;
    const x = (x0 + x1) / 2, y = (y0 + y1) / 2 + moved * Math.sqrt((x1 - x0) * (y1 - y0));
    const halfX = ((x1 - x0) * wider) / 2, halfY = ((y1 - y0) * higher) / 2;
    return { box: [x - halfX, y - halfY, x + halfX, y + halfY], score };
  }

  /** The faces of a picture of any size: those of its tiles, and larger ones in the picture at half its size. */
  async inTiles(picture) {
    const { tile_px: tile, overlap_px: lap, max_shared: maxShared } = this.settings;
    const { width, height } = picture;
    if (Math.max(width, height) <= tile) return this.find(picture);
    const halfWidth = Math.max(1, width >> 1), halfHeight = Math.max(1, height >> 1);
    const large = await this.inTiles(shrunk(picture, halfWidth, halfHeight));
    const found = large.map((face) => scaled(face, [width / halfWidth, height / halfHeight]));
    for (let top = 0; top < Math.max(1, height - lap); top += tile - lap) {
      for (let left = 0; left < Math.max(1, width - lap); left += tile - lap) {
        const wide = Math.min(tile, width - left), high = Math.min(tile, height - top);
        const whole = (await this.find(part(picture, left, top, wide, high))).filter(({ box }) => !(
          (box[0] < this.settings.edge_px && left > 0) || (box[1] < this.settings.edge_px && top > 0)
          || (box[2] > wide - this.settings.edge_px && left + wide < width)
          || (box[3] > high - this.settings.edge_px && top + high < height)));
        found.push(...whole.map(({ box: [x0, y0, x1, y1], score }) => ({ box: [x0 + left, y0 + top, x1 + left, y1 + top], score })));
      }
    }
    return suppressed(found, maxShared);
  }

  /** The faces of a picture that the network sees whole, each once, at the mean of the boxes found for it. */
  async find(picture) {
    const cells = await this.cells(picture);
    const found = suppressed(cells, this.settings.max_shared).map((best) => {
      const same = cells.filter((each) => overlap(each.box, best.box) > this.settings.min_same);
      const weight = same.reduce((sum, each) => sum + each.score, 0);
      const box = best.box.map((_, place) => same.reduce((sum, each) => sum + each.score * each.box[place], 0) / weight);
      return { box, score: best.score };
    });
    return found.filter((face) => face.score >= this.settings.min_score);
  }

  /** What every cell that sees a face says of it. */
  async cells(picture) {
    const { strides_px: strides, min_cell_score: minScore } = this.settings;
    const step = strides.at(-1);
    const width = Math.ceil(picture.width / step) * step, height = Math.ceil(picture.height / step) * step;
    const image = new Uint8Array(3 * width * height);
    for (let y = 0; y < picture.height; y++) {
      for (let x = 0, at = 4 * picture.width * y, to = 3 * width * y; x < picture.width; x++, at += 4, to += 3) {
        image[to] = picture.data[at + 2]; image[to + 1] = picture.data[at + 1]; image[to + 2] = picture.data[at];
      }
    }
    const { scores, boxes } = await this.run(image, height, width);
    const found = [];
    let cell = 0;
    for (const stride of strides) {
      for (let row = 0; row < height / stride; row++) {
        for (let column = 0; column < width / stride; column++, cell++) {
          if (scores[cell] < minScore) continue;
          const [right, down, wide, high] = boxes.subarray(4 * cell, 4 * cell + 4);
          const x = (column + right) * stride, y = (row + down) * stride;
          const halfX = (Math.exp(Math.min(wide, 10)) * stride) / 2, halfY = (Math.exp(Math.min(high, 10)) * stride) / 2;
          found.push({ box: [x - halfX, y - halfY, x + halfX, y + halfY], score: this.scored(scores[cell]) });
        }
      }
    }
    return found;
  }

  /** The score that is given for the network's. */
  scored(score) {
    const [from, to] = this.settings.scores;
    const place = Math.max(from.findLastIndex((each) => each <= score), 0);
    if (place >= from.length - 1) return to.at(-1);
    return to[place] + ((score - from[place]) / (from[place + 1] - from[place])) * (to[place + 1] - to[place]);
  }
}

function scaled({ box: [x0, y0, x1, y1], score }, [x, y]) {
  return { box: [x0 * x, y0 * y, x1 * x, y1 * y], score };
}

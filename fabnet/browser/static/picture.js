// Pictures and what is done to them: shrinking, enlarging, cutting out squares.
//
// A picture is { width, height, data }, as ImageData: rows of RGBA, four bytes a pixel; the fourth is not used. Boxes are
// [x0, y0, x1, y1] in pixels, pixel centres at integers + 0.5, as everywhere in fabnet. The functions give the numbers of
// fabnet/faces/crop.py, which uses OpenCV, up to one grey level.

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
const EDGE = 1e-3, BORDER = 2;

/** Rounds halves to the even neighbour, as numpy and OpenCV do. */
export function rint(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

const blank = (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) });

/** A picture turned anticlockwise by a number of quarters. */
export function quarterTurned(picture, quarters) {
  if (quarters === 0) return picture;
  const { width, height, data } = picture, made = blank(height, width);
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height), to = new Uint32Array(made.data.buffer);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) to[(width - 1 - x) * height + y] = from[at];
  }
  return quarterTurned(made, quarters - 1);
}

/** For every pixel of a shrunk row, the first pixel that it covers, and the share of each. */
function areas(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
    const begin = place * scale, end = begin + scale;
    const width = Math.min(scale, from - begin);
    const last = Math.min(Math.floor(end), from - 1), whole = Math.min(Math.ceil(begin), last);
    const shares = [];
    let first = whole;
    if (whole - begin > EDGE) { first = whole - 1; shares.push((whole - begin) / width); }
    for (let pixel = whole; pixel < last; pixel++) shares.push(1 / width);
    if (end - last > EDGE) shares.push(Math.min(end - last, 1, width) / width);
    return { first, shares };
  });
}

/** Shrinks a picture; every pixel is the mean of the area that it covers. */
export function shrunk(picture, width, height) {
  if (picture.width === width && picture.height === height) return picture;
  const made = blank(width, height), { data } = picture;
  const columns = areas(picture.width, width), rows = areas(picture.height, height);
  const line = new Float32Array(3 * width);
  for (let y = 0; y < height; y++) {
    line.fill(0);
    rows[y].shares.forEach((share, down) => {
      const start = 4 * picture.width * (rows[y].first + down);
      for (let x = 0; x < width; x++) {
        const { first, shares } = columns[x];
        let red = 0, green = 0, blue = 0, at = start + 4 * first;
        for (let right = 0; right < shares.length; right++, at += 4) {
          const part = shares[right];
          red += part * data[at]; green += part * data[at + 1]; blue += part * data[at + 2];
        }
        line[3 * x] += share * red; line[3 * x + 1] += share * green; line[3 * x + 2] += share * blue;
      }
    });
    for (let x = 0, to = 4 * width * y; x < width; x++, to += 4) {
      for (let colour = 0; colour < 3; colour++) made.data[to + colour] = line[3 * x + colour] + 1e-4; // halves go up
    }
  }
  return made;
}

/** Samples a picture between its pixels: pixel (x, y) of the result lies at first + step * (x, y), in pixel numbers. */
function sampled(picture, width, height, firstX, stepX, firstY, stepY) {
  const made = blank(width, height), { data } = picture;
  const lefts = new Int32Array(width), rights = new Int32Array(width), shares = new Float64Array(width);
  for (let x = 0; x < width; x++) {
    const at = firstX + stepX * x, left = Math.floor(at);
    lefts[x] = 4 * clamp(left, 0, picture.width - 1); rights[x] = 4 * clamp(left + 1, 0, picture.width - 1);
    shares[x] = at - left;
  }
  for (let y = 0, to = 0; y < height; y++) {
    const at = firstY + stepY * y, top = Math.floor(at), down = at - top;
    const above = 4 * picture.width * clamp(top, 0, picture.height - 1);
    const below = 4 * picture.width * clamp(top + 1, 0, picture.height - 1);
    for (let x = 0; x < width; x++, to += 4) {
      const left = lefts[x], right = rights[x], share = shares[x];
      for (let colour = 0; colour < 3; colour++) {
        const upper = data[above + left + colour] * (1 - share) + data[above + right + colour] * share;
        const lower = data[below + left + colour] * (1 - share) + data[below + right + colour] * share;
        made.data[to + colour] = upper * (1 - down) + lower * down;
      }
    }
  }
  return made;
}

/** Resizes a picture by interpolation between neighbouring pixels. */
export function interpolated(picture, width, height) {
  if (picture.width === width && picture.height === height) return picture;
  const stepX = picture.width / width, stepY = picture.height / height;
  return sampled(picture, width, height, stepX / 2 - 0.5, stepX, stepY / 2 - 0.5, stepY);
}

/** Cuts out a part on whole pixels; beyond the picture its border is repeated. */
export function part(picture, left, top, width, height) {
  const made = blank(width, height), { data } = picture;
  for (let y = 0, to = 0; y < height; y++) {
    const row = 4 * picture.width * clamp(top + y, 0, picture.height - 1);
    for (let x = 0; x < width; x++, to += 4) {
      const at = row + 4 * clamp(left + x, 0, picture.width - 1);
      for (let colour = 0; colour < 3; colour++) made.data[to + colour] = data[at + colour];
    }
  }
  return made;
}

/** Cuts a box out of a picture and resizes it to a square. */
function cut(picture, [x0, y0, x1, y1], size) {
  const inner = size * Math.max(1, Math.ceil((x1 - x0) / size - 1e-6));
  const stepX = (x1 - x0) / inner, stepY = (y1 - y0) / inner;
  const made = sampled(picture, inner, inner, x0 + stepX / 2 - 0.5, stepX, y0 + stepY / 2 - 0.5, stepY);
  return shrunk(made, size, size);
}

/** Cuts out a square on whole pixels and shrinks it: it is halved, then interpolated to twice the size and halved. */
function shrunkSquare(picture, left, top, side, size) {
  let square = part(picture, left, top, side, side);
  const inner = side >= 2 * size ? 2 * size : size;
  while (square.width >= 2 * inner) {
    const half = (square.width + 1) >> 1;
    square = shrunk(square, half, half);
  }
  return shrunk(interpolated(square, inner, inner), size, size);
}

/** Moves a window that is at least twice as large as the network's input to whole pixels. */
export function onPixels(box, size) {
  const [x0, y0, x1, y1] = box.map(Math.fround);
  if (x1 - x0 < 2 * size) return [x0, y0, x1, y1];
  const left = rint(x0), top = rint(y0);
  const [right, bottom] = [[left, x1 - x0], [top, y1 - y0]].map(([first, side]) => {
    const step = 2 ** Math.max(Math.floor(Math.log2(Math.max(side, 1) / size)) - 1, 0);
    return first + rint(side / step) * step;
  });
  return [left, top, right, bottom];
}

/** Turns what a box shows about its middle, so that a head that leans stands upright. */
function upright(picture, [x0, y0, x1, y1], turn) {
  const left = Math.floor(x0) - BORDER, top = Math.floor(y0) - BORDER;
  const made = blank(Math.ceil(x1) + BORDER - left, Math.ceil(y1) + BORDER - top), { data } = picture;
  const x = (x0 + x1) / 2 - 0.5, y = (y0 + y1) / 2 - 0.5, sin = Math.sin(turn), cos = Math.cos(turn);
  for (let row = 0, to = 0; row < made.height; row++) {
    for (let column = 0; column < made.width; column++, to += 4) {
      const right = left + column - x, down = top + row - y;
      const atX = x + cos * right + sin * down, atY = y + cos * down - sin * right;
      const first = Math.floor(atX), upper = Math.floor(atY), across = atX - first, below = atY - upper;
      const near = 4 * clamp(first, 0, picture.width - 1), far = 4 * clamp(first + 1, 0, picture.width - 1);
      const high = 4 * picture.width * clamp(upper, 0, picture.height - 1);
      const low = 4 * picture.width * clamp(upper + 1, 0, picture.height - 1);
      for (let colour = 0; colour < 3; colour++) {
        const above = data[high + near + colour] * (1 - across) + data[high + far + colour] * across;
        const under = data[low + near + colour] * (1 - across) + data[low + far + colour] * across;
        made.data[to + colour] = above * (1 - below) + under * below;
      }
    }
  }
  return { turned: made, box: [x0 - left, y0 - top, x1 - left, y1 - top] };
}

/** Cuts out a window from `onPixels` at the size of the network's input, turned by an angle in degrees, anticlockwise. */
export function windowOf(picture, box, size, turn = 0) {
  if (turn) {
    const part = upright(picture, box, (turn * Math.PI) / 180);
    return windowOf(part.turned, part.box, size);
  }
  const side = Math.trunc(box[2] - box[0]);
  return side < 2 * size ? cut(picture, box, size) : shrunkSquare(picture, box[0], box[1], side, size);
}

/** The grey level of a pixel. */
function greyAt({ data, width }, x, y) {
  const at = 4 * (width * y + x);
  return (9798 * data[at] + 19235 * data[at + 1] + 3735 * data[at + 2] + 16384) >> 15;
}

/** How fine the detail in the middle of a square picture is (detail_of in faces/quality.py). */
export function detailOf(view, stride) {
  const first = Math.floor(view.width / 5), last = view.width - first;
  const difference = (px, right, down) => {
    let sum = 0, count = 0;
    for (let y = first; y < last - px * down; y++) {
      for (let x = first; x < last - px * right; x++, count++) {
        sum += Math.abs(greyAt(view, x + px * right, y + px * down) - greyAt(view, x, y));
      }
    }
    return sum / count;
  };
  return Math.min(...[[1, 0], [0, 1]].map((way) => difference(1, ...way) / Math.max(difference(stride, ...way), 1e-6)));
}

/** Mean and standard deviation of the grey levels in the middle of a square picture, in 0 to 1. */
export function lightOf(view) {
  const edge = Math.floor(view.width / 4);
  let count = 0, sum = 0, squares = 0;
  for (let y = edge; y < view.width - edge; y++) {
    for (let x = edge; x < view.width - edge; x++) {
      const grey = greyAt(view, x, y);
      count++; sum += grey; squares += grey * grey;
    }
  }
  const mean = sum / count;
  return { brightness: mean / 255, contrast: Math.sqrt(Math.max(squares / count - mean * mean, 0)) / 255 };
}

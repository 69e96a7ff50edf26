/**
 * Contour of a mask, tile by tile. Grid coordinates: the pixel (x, y) fills the square from
 * (x, y) to (x + 1, y + 1). Outside the grid is background, so contours are closed.
 */

import type { Box } from "./protocol";

/** Side of a tile in pixels. */
export const TILE = 256;

/**
 * Half a mask in width and height: a pixel is set where at least two of its four are. Past an odd
 * border the last ones count twice. Written into `half`, whose rows are `across` long, from `at` on.
 */
export function halve(
  mask: Uint8Array,
  width: number,
  height: number,
  half: Uint8Array,
  across = Math.ceil(width / 2),
  at = 0,
): void {
  const pairs = width >> 1;
  for (let y = 0; 2 * y < height; y++) {
    const to = at + y * across;
    let above = 2 * y * width;
    let below = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < pairs; x++, above += 2, below += 2) {
      const count =
        (mask[above] ?? 0) + (mask[above + 1] ?? 0) + (mask[below] ?? 0) + (mask[below + 1] ?? 0);
      half[to + x] = count >> 1 === 0 ? 0 : 1;
    }
    if (pairs * 2 < width) half[to + pairs] = (mask[above] ?? 0) | (mask[below] ?? 0);
  }
}

/** Line pieces, four numbers each: x0, y0, x1, y1. */
export type Segments = Float32Array;

/** Points less than this part of a pixel apart count as one when pieces are joined. */
const FINE = 1024;

/**
 * The same pieces, ordered and turned so that one begins where the one before it ends as often as
 * possible: a line drawn in one go takes a third of the time of its pieces.
 */
export function chained(pieces: Segments): Segments {
  const count = pieces.length / 4;
  const key = (at: number): number =>
    Math.round((pieces[at] ?? 0) * FINE) * 2 ** 26 + Math.round((pieces[at + 1] ?? 0) * FINE);
  const ends = new Map<number, number[]>();
  for (let end = 0; end < 2 * count; end++) {
    const found = ends.get(key(2 * end));
    if (found === undefined) ends.set(key(2 * end), [end]);
    else found.push(end);
  }
  const out = new Float32Array(pieces.length);
  const used = new Uint8Array(count);
  // Ends are numbered: 2 * piece is its beginning, and one more its end.
  const next = (end: number): number | undefined =>
    ends.get(key(2 * end))?.find((other) => other >> 1 !== end >> 1 && used[other >> 1] === 0);
  let length = 0;
  for (let first = 0; first < count; first++) {
    if (used[first] === 1) continue;
    // Back to where the line begins, or once around.
    let from: number | undefined = 2 * first;
    for (let steps = 0; steps < count; steps++) {
      const before = next(from);
      if (before === undefined || before >> 1 === first) break;
      from = before ^ 1;
    }
    while (from !== undefined) {
      used[from >> 1] = 1;
      const to: number = from ^ 1;
      for (const at of [2 * from, 2 * from + 1, 2 * to, 2 * to + 1]) {
        out[length++] = pieces[at] ?? 0;
      }
      from = next(to);
    }
  }
  return out;
}

class Builder {
  #data = new Float32Array(256);
  #length = 0;
  readonly #dx: number;
  readonly #dy: number;

  constructor(dx = 0, dy = 0) {
    this.#dx = dx;
    this.#dy = dy;
  }

  add(x0: number, y0: number, x1: number, y1: number): void {
    if (this.#length + 4 > this.#data.length) {
      const larger = new Float32Array(this.#data.length * 2);
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data[this.#length++] = x0 + this.#dx;
    this.#data[this.#length++] = y0 + this.#dy;
    this.#data[this.#length++] = x1 + this.#dx;
    this.#data[this.#length++] = y1 + this.#dy;
  }

  done(): Segments {
    return this.#data.slice(0, this.#length);
  }
}

interface Part {
  mask: Uint8Array;
  width: number;
  height: number;
  /** The pixel corners to visit, half-open. */
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/**
 * Contour inside one tile: along the pixels' edges when `exact`, else smoothed, which looks right
 * while pixels are small.
 */
export function traceTile(
  mask: Uint8Array,
  width: number,
  height: number,
  column: number,
  row: number,
  exact: boolean,
): Segments {
  const x0 = column * TILE;
  const y0 = row * TILE;
  // The last tiles also take the corners on the far border.
  const x1 = x0 + TILE >= width ? width + 1 : x0 + TILE;
  const y1 = y0 + TILE >= height ? height + 1 : y0 + TILE;
  const out = new Builder();
  if (isPlain(mask, width, height, [x0 - 1, y0 - 1, x1, y1])) return out.done();
  (exact ? traceEdges : traceSmooth)({ mask, width, height, x0, y0, x1, y1 }, out);
  return out.done();
}

/** How far a contour looks beyond its tile. */
export const REACH = 2;

/**
 * Contour inside the tile at `column`, `row` of a large mask, of which only a part is at hand: the
 * tile and `REACH` pixels around it, as far as the mask goes. `size` is that of the mask. Positions
 * are those of the mask.
 */
export function tracePart(
  part: { values: Uint8Array; width: number; height: number; x: number; y: number },
  size: { width: number; height: number },
  column: number,
  row: number,
  exact: boolean,
): Segments {
  const { values: mask, width, height, x, y } = part;
  const end = (start: number, length: number): number =>
    start + TILE >= length ? length + 1 : start + TILE;
  const out = new Builder(x, y);
  const corners = {
    x0: column * TILE - x,
    y0: row * TILE - y,
    x1: end(column * TILE, size.width) - x,
    y1: end(row * TILE, size.height) - y,
  };
  (exact ? traceEdges : traceSmooth)({ mask, width, height, ...corners }, out);
  return out.done();
}

/** Whether no contour runs through a part of the mask; outside of the grid is background. */
function isPlain(mask: Uint8Array, width: number, height: number, [x0, y0, x1, y1]: Box): boolean {
  const [left, top] = [Math.max(x0, 0), Math.max(y0, 0)];
  const [right, bottom] = [Math.min(x1, width), Math.min(y1, height)];
  const first = mask[top * width + left];
  if (first === 1 && (left > x0 || top > y0 || right < x1 || bottom < y1)) return false;
  for (let y = top; y < bottom; y++) {
    for (let at = y * width + left; at < y * width + right; at++) {
      if (mask[at] !== first) return false;
    }
  }
  return true;
}

function traceEdges({ mask, width, height, x0, y0, x1, y1 }: Part, out: Builder): void {
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : (mask[y * width + x] ?? 0);
  for (let y = y0; y < y1; y++) {
    let start = -1;
    for (let x = x0; x <= x1; x++) {
      const edge = x < x1 && at(x, y - 1) !== at(x, y);
      if (edge && start < 0) start = x;
      if (!edge && start >= 0) {
        out.add(start, y, x, y);
        start = -1;
      }
    }
  }
  for (let x = x0; x < x1; x++) {
    let start = -1;
    for (let y = y0; y <= y1; y++) {
      const edge = y < y1 && at(x - 1, y) !== at(x, y);
      if (edge && start < 0) start = y;
      if (!edge && start >= 0) {
        out.add(x, start, x, y);
        start = -1;
      }
    }
  }
}

/** The contour runs where the soft mask (0 to 9) crosses this level. */
const LEVEL = 4.5;

/**
 * Marching squares over the soft mask, held to the side of the level that the pixel itself is on:
 * smooth, and nothing that is one pixel thin gets lost. One cell per pixel corner (x, y); `code`
 * has the pixels around it (8 and 4 above, 2 and 1 below), two of which move on to the next cell.
 */
function traceSmooth(part: Part, out: Builder): void {
  const { mask, width, height, x0, y0, x1, y1 } = part;
  const at = (x: number, y: number): number => {
    if (x < 0 || y < 0 || x >= width || y >= height) return 0;
    const soft = softAt(mask, width, height, x, y);
    return mask[y * width + x] === 1 ? Math.max(soft, 5) : Math.min(soft, 4);
  };
  for (let y = y0; y < y1; y++) {
    const above = y > 0 ? (y - 1) * width : -1;
    const below = y < height ? y * width : -1;
    const column = (x: number): number => {
      if (x < 0 || x >= width) return 0;
      const top = above < 0 ? 0 : (mask[above + x] ?? 0);
      return (top << 2) | (below < 0 ? 0 : (mask[below + x] ?? 0));
    };
    let code = column(x0 - 1);
    for (let x = x0; x < x1; x++) {
      code = ((code & 5) << 1) | column(x);
      if (code === 0 || code === 15) continue;
      cell(out, code, x, y, at(x - 1, y - 1), at(x, y - 1), at(x - 1, y), at(x, y));
    }
  }
}

/** One pixel of `softAlpha`. */
function softAt(mask: Uint8Array, width: number, height: number, x: number, y: number): number {
  let sum = 0;
  for (let dy = -1; dy <= 1; dy++) {
    const row = Math.min(Math.max(y + dy, 0), height - 1) * width;
    for (let dx = -1; dx <= 1; dx++) {
      sum += mask[row + Math.min(Math.max(x + dx, 0), width - 1)] ?? 0;
    }
  }
  return sum;
}

/** Where the level lies between two neighbours, 0 to 1 from the first. */
const crossing = (from: number, to: number): number => (LEVEL - from) / (to - from);

function cell(
  out: Builder,
  code: number,
  x: number,
  y: number,
  a: number,
  b: number,
  c: number,
  d: number,
): void {
  const up = x - 0.5 + crossing(a, b);
  const down = x - 0.5 + crossing(c, d);
  const left = y - 0.5 + crossing(a, c);
  const right = y - 0.5 + crossing(b, d);
  const west = x - 0.5;
  const east = x + 0.5;
  const north = y - 0.5;
  const south = y + 0.5;
  if (code === 8 || code === 7 || code === 9) out.add(west, left, up, north);
  if (code === 4 || code === 11 || code === 6) out.add(up, north, east, right);
  if (code === 2 || code === 13 || code === 6) out.add(west, left, down, south);
  if (code === 1 || code === 14 || code === 9) out.add(down, south, east, right);
  if (code === 3 || code === 12) out.add(west, left, east, right);
  if (code === 5 || code === 10) out.add(up, north, down, south);
}

/**
 * The mask with a soft edge one pixel wide, for a part of it: how many of the 3 x 3 pixels around
 * each are in the mask, 0 to 9. Pixels past the border repeat the border.
 */
export function softAlpha(
  mask: Uint8Array,
  width: number,
  height: number,
  [x0, y0, x1, y1]: Box,
): Uint8Array {
  const out = new Uint8Array((x1 - x0) * (y1 - y0));
  const sums = new Uint8Array(x1 - x0 + 2);
  let index = 0;
  for (let y = y0; y < y1; y++) {
    const above = Math.max(y - 1, 0) * width;
    const here = y * width;
    const below = Math.min(y + 1, height - 1) * width;
    for (let column = 0; column < sums.length; column++) {
      const x = Math.min(Math.max(x0 + column - 1, 0), width - 1);
      sums[column] = (mask[above + x] ?? 0) + (mask[here + x] ?? 0) + (mask[below + x] ?? 0);
    }
    for (let column = 0; column < x1 - x0; column++) {
      out[index++] = (sums[column] ?? 0) + (sums[column + 1] ?? 0) + (sums[column + 2] ?? 0);
    }
  }
  return out;
}

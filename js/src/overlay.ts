/**
 * The mask in the page: exact at every zoom, however large the image. Tiles are tinted and traced
 * when they first come into sight, at the size in which they are seen; so neither memory nor the
 * work of a change grows with the image.
 */

import { chained, REACH, type Segments, softAlpha, TILE, tracePart } from "./contour";
import type { Box, Result } from "./protocol";
import { MaskLevels, type Part, SparseMap } from "./sparse";

/**
 * Inflate a zlib stream (`zlib.compress` in Python). Bytes go straight into the stream: those of a
 * `Blob` would come by way of the browser's other process.
 */
export async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  const written = writer.write(bytes).then(() => writer.close());
  const reader = readable.getReader();
  const parts: Uint8Array[] = [];
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      parts.push(next.value);
    }
  } finally {
    // What is wrong with the bytes, reading them says as well.
    written.catch(() => undefined);
  }
  const only = parts[0];
  if (parts.length === 1 && only !== undefined) return only;
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Write the bits of `numpy.packbits` (row-major, most significant first) into a part of `mask`. */
export function unpackBits(mask: Uint8Array, width: number, box: Box, bits: Uint8Array): void {
  const [x0, y0, x1, y1] = box;
  if (bits.length !== Math.ceil(((x1 - x0) * (y1 - y0)) / 8)) {
    throw new RangeError(`overlay of ${bits.length} bytes does not fill the box ${box}`);
  }
  let index = 0;
  for (let y = y0; y < y1; y++) {
    for (let at = y * width + x0; at < y * width + x1; at++) {
      mask[at] = ((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
      index++;
    }
  }
}

export type Colour = readonly [number, number, number];

/** Tinted tiles that are kept, and contours: both can be made again. */
const TINTED = 192;
const TRACED = 2048;

const NOTHING: Segments = new Float32Array(0);

export class Overlay {
  width = 0;
  height = 0;
  /** Revision of the kernel that is shown; -1 before the first. */
  rev = -1;
  #colour: Colour;
  #map = new SparseMap(0, 0);
  #levels = new MaskLevels(this.#map);
  /** By depth, column and row; the latest used last. */
  readonly #tinted = new Map<string, HTMLCanvasElement | boolean>();
  readonly #traced = new Map<string, Segments>();

  constructor(colour: Colour) {
    this.#colour = colour;
  }

  get colour(): Colour {
    return this.#colour;
  }

  /** Paint in another colour from now on. */
  tint(colour: Colour): void {
    if (colour.every((part, index) => part === this.#colour[index])) return;
    this.#colour = colour;
    this.#tinted.clear();
  }

  /** Bytes of the mask itself. */
  get bytes(): number {
    return this.#map.bytes;
  }

  at(x: number, y: number): number {
    return this.#map.at(x, y);
  }

  /** A part of the mask, row by row. */
  pixels(box: Box): Uint8Array {
    const part = this.#map.part(box, 0);
    if (typeof part !== "number") return part.values;
    return new Uint8Array((box[2] - box[0]) * (box[3] - box[1])).fill(part);
  }

  /**
   * Take a result's overlay. Returns false, and changes nothing, when it is a patch of a revision
   * that is not the one shown: then a full overlay has to be asked for. A full overlay is empty
   * outside its box.
   */
  apply(result: Pick<Result, "rev" | "base" | "grid" | "box">, bits: Uint8Array): boolean {
    const { rev, base, grid, box } = result;
    const [width, height] = grid;
    if (base !== null && (base !== this.rev || width !== this.width || height !== this.height)) {
      return false;
    }
    const [x0, y0, x1, y1] = box;
    if (x1 > width || y1 > height) throw new RangeError(`box ${box} is not in the grid ${grid}`);
    const filled = x1 > x0 && y1 > y0;
    const map = base === null ? new SparseMap(width, height) : this.#map;
    if (filled) map.setBits(box, bits);
    if (base === null) {
      [this.width, this.height] = [width, height];
      this.#map = map;
      this.#levels = new MaskLevels(map);
      this.#tinted.clear();
      this.#traced.clear();
    } else if (filled) {
      this.#levels.changed(box);
      this.#forget(box);
    }
    this.rev = rev;
    return true;
  }

  /** Tiles of the mask made `depth` times half as large: how many columns and rows. */
  grid(depth: number): SparseMap {
    return this.#levels.level(depth);
  }

  /** A tile of the mask made `depth` times half as large; a number if all of it is one value. */
  tile(column: number, row: number, depth: number): Part | number {
    return this.#part(column, row, depth, 0);
  }

  /**
   * Contour of one tile, in pixels of the mask made `depth` times half as large (pixel edges are
   * whole numbers).
   */
  contour(column: number, row: number, depth: number, exact: boolean): Segments {
    return remembered(this.#traced, `${depth},${column},${row},${exact}`, TRACED, () => {
      const map = this.#levels.level(depth);
      const part = this.#part(column, row, depth, REACH);
      if (typeof part !== "number") return chained(tracePart(part, map, column, row, exact));
      const border =
        column === 0 || row === 0 || column === map.columns - 1 || row === map.rows - 1;
      if (part === 0 || !border) return NOTHING;
      return chained(tracePart(dense(part, map, column, row), map, column, row, exact));
    });
  }

  /** A tile in the mask's colour; `true` if all of it is mask, `false` if none. */
  fill(column: number, row: number, depth: number, hard: boolean): HTMLCanvasElement | boolean {
    return remembered(this.#tinted, `${depth},${column},${row},${hard}`, TINTED, () => {
      const part = this.#part(column, row, depth, 1);
      if (typeof part === "number") return part === 1;
      return this.#paint(part, column, row, depth, hard);
    });
  }

  #part(column: number, row: number, depth: number, margin: number): Part | number {
    const map = this.#levels.level(depth);
    const [width, height] = map.size(column, row);
    const [x, y] = [column * TILE, row * TILE];
    return this.#levels.part(depth, [x, y, x + width, y + height], margin);
  }

  #paint(part: Part, column: number, row: number, depth: number, hard: boolean): HTMLCanvasElement {
    const [width, height] = this.#levels.level(depth).size(column, row);
    const [x, y] = [column * TILE - part.x, row * TILE - part.y];
    const box: Box = [x, y, x + width, y + height];
    const alpha = (hard ? hardAlpha : softAlpha)(part.values, part.width, part.height, box);
    const tint = tintTable(this.#colour);
    const pixels = new Uint32Array(alpha.length);
    for (let index = 0; index < alpha.length; index++) {
      pixels[index] = tint[alpha[index] ?? 0] ?? 0;
    }
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    canvas.getContext("2d")?.putImageData(data, 0, 0);
    return canvas;
  }

  /** Drop what was made of a part of the mask, at every size. */
  #forget([x0, y0, x1, y1]: Box): void {
    for (const known of [this.#tinted, this.#traced]) {
      for (const key of known.keys()) {
        const [depth = 0, column = 0, row = 0] = key.split(",").map(Number);
        const [side, reach] = [TILE * 2 ** depth, (REACH + 1) * 2 ** depth];
        const beside = (column + 1) * side + reach <= x0 || column * side - reach >= x1;
        if (!beside && (row + 1) * side + reach > y0 && row * side - reach < y1) known.delete(key);
      }
    }
  }
}

/** Look up, or make and keep; what was not used for longest goes first. */
function remembered<T>(known: Map<string, T>, key: string, most: number, make: () => T): T {
  let found = known.get(key);
  if (found === undefined) {
    found = make();
    for (const oldest of known.keys()) {
      if (known.size < most) break;
      known.delete(oldest);
    }
  } else {
    known.delete(key);
  }
  known.set(key, found);
  return found;
}

/** A tile of one value with what is around it, to trace the border of the mask. */
function dense(value: number, map: SparseMap, column: number, row: number): Part {
  const x = Math.max(0, column * TILE - REACH);
  const y = Math.max(0, row * TILE - REACH);
  const width = Math.min(map.width, (column + 1) * TILE + REACH) - x;
  const height = Math.min(map.height, (row + 1) * TILE + REACH) - y;
  return { values: new Uint8Array(width * height).fill(value), width, height, x, y };
}

/** The mask itself as 0 and 9, for a part of it. */
function hardAlpha(mask: Uint8Array, width: number, _: number, [x0, y0, x1, y1]: Box): Uint8Array {
  const out = new Uint8Array((x1 - x0) * (y1 - y0));
  let index = 0;
  for (let y = y0; y < y1; y++) {
    for (let at = y * width + x0; at < y * width + x1; at++) out[index++] = 9 * (mask[at] ?? 0);
  }
  return out;
}

/** The ten pixel values of the tint, in the byte order of this machine. */
function tintTable([red, green, blue]: Colour): Uint32Array {
  const bytes = new Uint8Array(40);
  for (let level = 0; level < 10; level++) {
    bytes.set([red, green, blue, Math.round((level * 255) / 9)], level * 4);
  }
  return new Uint32Array(bytes.buffer);
}

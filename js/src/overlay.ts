/**
 * The mask in the page: bits from the kernel, a tinted picture of them with a soft edge, and
 * their contour. Work is proportional to the part that changed.
 */

import { halve, type Segments, softAlpha, TILE, traceTile } from "./contour";
import type { Box, Result } from "./protocol";

/** Inflate a zlib stream (`zlib.compress` in Python). */
export async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
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

/** Rows painted at a time, so that a large mask needs no large buffer. */
const BAND = 512;

interface Level {
  mask: Uint8Array;
  width: number;
  height: number;
}

export class Overlay {
  width = 0;
  height = 0;
  mask = new Uint8Array(0);
  /** Revision of the kernel that is shown; -1 before the first. */
  rev = -1;
  canvas: HTMLCanvasElement | null = null;
  #colour: Colour;
  /** The mask at half, a quarter, … of its size, made when first drawn that small. */
  readonly #halves: Level[] = [];
  readonly #tiles = new Map<string, Segments>();

  constructor(colour: Colour) {
    this.#colour = colour;
  }

  /**
   * Take a result's overlay. Returns false, and changes nothing, when it is a patch of a revision
   * that is not the one shown: then a full overlay has to be asked for.
   */
  apply(result: Pick<Result, "rev" | "base" | "grid" | "box">, bits: Uint8Array): boolean {
    const { rev, base, grid, box } = result;
    const [width, height] = grid;
    if (base !== null && (base !== this.rev || width !== this.width || height !== this.height)) {
      return false;
    }
    if (base === null) this.#resize(width, height);
    const [x0, y0, x1, y1] = box;
    if (x1 > width || y1 > height) throw new RangeError(`box ${box} is not in the grid ${grid}`);
    if (x1 > x0 && y1 > y0) {
      unpackBits(this.mask, width, box, bits);
      this.#paint(box);
      this.#forget(box);
    }
    this.rev = rev;
    return true;
  }

  /** Paint in another colour from now on. */
  tint(colour: Colour): void {
    if (colour.every((part, index) => part === this.#colour[index])) return;
    this.#colour = colour;
    if (this.canvas !== null) this.#paint([0, 0, this.width, this.height]);
  }

  get colour(): Colour {
    return this.#colour;
  }

  /**
   * Contour of one tile, in pixels of the mask made `depth` times half as large (pixel edges are
   * whole numbers). Traced once.
   */
  contour(column: number, row: number, depth: number, exact: boolean): Segments {
    const key = `${depth},${column},${row},${exact}`;
    let found = this.#tiles.get(key);
    if (found === undefined) {
      const { mask, width, height } = this.#level(depth);
      found = traceTile(mask, width, height, column, row, exact);
      this.#tiles.set(key, found);
    }
    return found;
  }

  #level(depth: number): Level {
    if (depth === 0) return this;
    const known = this.#halves[depth - 1];
    if (known !== undefined) return known;
    const from = this.#level(depth - 1);
    const [width, height] = [Math.ceil(from.width / 2), Math.ceil(from.height / 2)];
    const level = { mask: new Uint8Array(width * height), width, height };
    halve(from.mask, from.width, from.height, level.mask, [0, 0, width, height]);
    this.#halves[depth - 1] = level;
    return level;
  }

  #resize(width: number, height: number): void {
    if (width !== this.width || height !== this.height || this.canvas === null) {
      this.width = width;
      this.height = height;
      this.mask = new Uint8Array(width * height);
      this.canvas = document.createElement("canvas");
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.#halves.length = 0;
    this.#tiles.clear();
  }

  #paint([x0, y0, x1, y1]: Box): void {
    const context = this.canvas?.getContext("2d");
    if (!context) return;
    const left = Math.max(x0 - 1, 0);
    const right = Math.min(x1 + 1, this.width);
    const bottom = Math.min(y1 + 1, this.height);
    const tint = tintTable(this.#colour);
    for (let top = Math.max(y0 - 1, 0); top < bottom; top += BAND) {
      const part: Box = [left, top, right, Math.min(top + BAND, bottom)];
      const alpha = softAlpha(this.mask, this.width, this.height, part);
      const pixels = new Uint32Array(alpha.length);
      for (let index = 0; index < alpha.length; index++) {
        pixels[index] = tint[alpha[index] ?? 0] ?? 0;
      }
      const data = new ImageData(
        new Uint8ClampedArray(pixels.buffer),
        part[2] - part[0],
        part[3] - part[1],
      );
      context.putImageData(data, left, top);
    }
  }

  /** Bring the smaller masks up to date, and drop the contours that a change touched. */
  #forget(box: Box): void {
    let from: Level = this;
    let [x0, y0, x1, y1] = box;
    this.#dropTiles(0, [x0, y0, x1, y1]);
    this.#halves.forEach((level, index) => {
      [x0, y0, x1, y1] = [x0 >> 1, y0 >> 1, (x1 + 1) >> 1, (y1 + 1) >> 1];
      halve(from.mask, from.width, from.height, level.mask, [x0, y0, x1, y1]);
      this.#dropTiles(index + 1, [x0, y0, x1, y1]);
      from = level;
    });
  }

  #dropTiles(depth: number, [x0, y0, x1, y1]: Box): void {
    const tile = (position: number): number => Math.floor(position / TILE);
    for (let row = tile(y0 - 2); row <= tile(y1 + 1); row++) {
      for (let column = tile(x0 - 2); column <= tile(x1 + 1); column++) {
        this.#tiles.delete(`${depth},${column},${row},true`);
        this.#tiles.delete(`${depth},${column},${row},false`);
      }
    }
  }
}

/** The ten pixel values of the tint, in the byte order of this machine. */
function tintTable([red, green, blue]: Colour): Uint32Array {
  const bytes = new Uint8Array(40);
  for (let level = 0; level < 10; level++) {
    bytes.set([red, green, blue, Math.round((level * 255) / 9)], level * 4);
  }
  return new Uint32Array(bytes.buffer);
}

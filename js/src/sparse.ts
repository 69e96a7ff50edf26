/**
 * A large map of small numbers (a mask, or which object a pixel belongs to) in tiles. A tile of one
 * value costs a byte, so memory grows with the length of the edges and not with the image.
 */

import { halve, TILE } from "./contour";
import type { Box } from "./protocol";

/** A tile: its pixels, row by row, or the one value that all of them have. */
export type Tile = Uint8Array | number;

/** A part of a map, cut out with a margin where the map goes on. */
export interface Part {
  values: Uint8Array;
  width: number;
  height: number;
  /** Where the part begins in the map. */
  x: number;
  y: number;
}

export class SparseMap {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  readonly #plain: Uint8Array;
  readonly #mixed = new Map<number, Uint8Array>();

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.columns = Math.ceil(width / TILE);
    this.rows = Math.ceil(height / TILE);
    this.#plain = new Uint8Array(this.columns * this.rows);
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.#plain.length + this.#mixed.size * TILE * TILE;
  }

  /** Width and height of a tile: the last ones may be smaller. */
  size(column: number, row: number): [number, number] {
    return [Math.min(TILE, this.width - column * TILE), Math.min(TILE, this.height - row * TILE)];
  }

  tile(column: number, row: number): Tile {
    const index = row * this.columns + column;
    return this.#mixed.get(index) ?? this.#plain[index] ?? 0;
  }

  put(column: number, row: number, tile: Tile): void {
    const index = row * this.columns + column;
    if (typeof tile !== "number") {
      if (!isPlain(tile)) {
        this.#mixed.set(index, tile);
        return;
      }
      tile = tile[0] ?? 0;
    }
    this.#mixed.delete(index);
    this.#plain[index] = tile;
  }

  at(x: number, y: number): number {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return 0;
    const [column, row] = [Math.floor(x / TILE), Math.floor(y / TILE)];
    const tile = this.tile(column, row);
    if (typeof tile === "number") return tile;
    return tile[(y - row * TILE) * this.size(column, row)[0] + x - column * TILE] ?? 0;
  }

  /** Write the bits of `numpy.packbits` (row-major, most significant first) into a box. */
  setBits(box: Box, bits: Uint8Array): void {
    const [x0, y0, x1, y1] = this.#checked(box);
    const across = x1 - x0;
    if (bits.length !== Math.ceil((across * (y1 - y0)) / 8)) {
      throw new RangeError(`overlay of ${bits.length} bytes does not fill the box ${box}`);
    }
    this.#eachTile(box, (column, row, [left, top, right, bottom]) => {
      const start = (top - y0) * across + left - x0;
      const length = right - left;
      const [width, height] = this.size(column, row);
      if (length === width && bottom - top === height) {
        const value = plainBits(bits, start, across, length, height);
        if (value !== null) {
          this.put(column, row, value);
          return;
        }
      }
      const tile = this.#dense(column, row);
      for (let y = top; y < bottom; y++) {
        const at = (y - row * TILE) * width + left - column * TILE;
        unpackRow(bits, start + (y - top) * across, tile, at, length);
      }
      this.put(column, row, tile);
    });
  }

  /** Write bytes, row by row, into a box. */
  setBytes(box: Box, values: Uint8Array): void {
    const [x0, y0, x1, y1] = this.#checked(box);
    const across = x1 - x0;
    if (values.length !== across * (y1 - y0)) {
      throw new RangeError(`overlay of ${values.length} bytes does not fill the box ${box}`);
    }
    this.#eachTile(box, (column, row, [left, top, right, bottom]) => {
      const tile = this.#dense(column, row);
      const width = this.size(column, row)[0];
      for (let y = top; y < bottom; y++) {
        const from = (y - y0) * across + left - x0;
        tile.set(
          values.subarray(from, from + right - left),
          (y - row * TILE) * width + left - column * TILE,
        );
      }
      this.put(column, row, tile);
    });
  }

  fill(value: number): void {
    this.#mixed.clear();
    this.#plain.fill(value);
  }

  /** A box of the map grown by `margin`, as far as the map goes; a number if all is one value. */
  part(box: Box, margin: number): Part | number {
    const x0 = Math.max(0, box[0] - margin);
    const y0 = Math.max(0, box[1] - margin);
    const x1 = Math.min(this.width, box[2] + margin);
    const y1 = Math.min(this.height, box[3] + margin);
    const around: Box = [x0, y0, x1, y1];
    const plain = this.#plainIn(around);
    if (plain !== null) return plain;
    const width = x1 - x0;
    const values = new Uint8Array(width * (y1 - y0));
    this.#eachTile(around, (column, row, [left, top, right, bottom]) => {
      const tile = this.tile(column, row);
      const across = this.size(column, row)[0];
      for (let y = top; y < bottom; y++) {
        const at = (y - y0) * width + left - x0;
        if (typeof tile === "number") values.fill(tile, at, at + right - left);
        else {
          const from = (y - row * TILE) * across + left - column * TILE;
          values.set(tile.subarray(from, from + right - left), at);
        }
      }
    });
    return { values, width, height: y1 - y0, x: x0, y: y0 };
  }

  #plainIn(box: Box): number | null {
    let value: number | null = null;
    let same = true;
    this.#eachTile(box, (column, row) => {
      const tile = this.tile(column, row);
      if (typeof tile !== "number" || (value !== null && tile !== value)) same = false;
      else value = tile;
    });
    return same ? (value ?? 0) : null;
  }

  #dense(column: number, row: number): Uint8Array {
    const tile = this.tile(column, row);
    if (typeof tile !== "number") return tile;
    const [width, height] = this.size(column, row);
    return new Uint8Array(width * height).fill(tile);
  }

  #checked(box: Box): Box {
    const [x0, y0, x1, y1] = box;
    if (x0 < 0 || y0 < 0 || x1 > this.width || y1 > this.height) {
      throw new RangeError(`box ${box} is not in the grid ${[this.width, this.height]}`);
    }
    return box;
  }

  #eachTile(box: Box, visit: (column: number, row: number, part: Box) => void): void {
    const [x0, y0, x1, y1] = box;
    for (let row = Math.floor(y0 / TILE); row * TILE < y1; row++) {
      for (let column = Math.floor(x0 / TILE); column * TILE < x1; column++) {
        visit(column, row, [
          Math.max(x0, column * TILE),
          Math.max(y0, row * TILE),
          Math.min(x1, (column + 1) * TILE),
          Math.min(y1, (row + 1) * TILE),
        ]);
      }
    }
  }
}

/** Whether all numbers of a tile are the same; four are looked at together. */
function isPlain(tile: Uint8Array): boolean {
  const first = tile[0] ?? 0;
  const words = (tile.byteOffset & 3) === 0 ? tile.length >> 2 : 0;
  const word = first * 0x01010101;
  const view = words === 0 ? null : new Uint32Array(tile.buffer, tile.byteOffset, words);
  for (let index = 0; view !== null && index < words; index++) {
    if (view[index] !== word) return false;
  }
  for (let index = words * 4; index < tile.length; index++) {
    if (tile[index] !== first) return false;
  }
  return true;
}

/** Write `length` bits from the one at `from` on as bytes; whole bytes of bits at once. */
function unpackRow(
  bits: Uint8Array,
  from: number,
  out: Uint8Array,
  at: number,
  length: number,
): void {
  let index = from;
  let to = at;
  const end = from + length;
  for (; index < end && (index & 7) !== 0; index++) {
    out[to++] = ((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
  }
  for (; index + 8 <= end; index += 8, to += 8) {
    const byte = bits[index >> 3] ?? 0;
    out[to] = byte >> 7;
    out[to + 1] = (byte >> 6) & 1;
    out[to + 2] = (byte >> 5) & 1;
    out[to + 3] = (byte >> 4) & 1;
    out[to + 4] = (byte >> 3) & 1;
    out[to + 5] = (byte >> 2) & 1;
    out[to + 6] = (byte >> 1) & 1;
    out[to + 7] = byte & 1;
  }
  for (; index < end; index++) {
    out[to++] = ((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
  }
}

/** The bit that all of a rectangle of bits have, `null` if they differ. */
function plainBits(
  bits: Uint8Array,
  start: number,
  across: number,
  length: number,
  height: number,
): number | null {
  const value = ((bits[start >> 3] ?? 0) >> (7 - (start & 7))) & 1;
  const full = value === 1 ? 255 : 0;
  for (let row = 0; row < height; row++) {
    let index = start + row * across;
    const end = index + length;
    for (; index < end && (index & 7) !== 0; index++) {
      if ((((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) !== value) return null;
    }
    for (; index + 8 <= end; index += 8) {
      if (bits[index >> 3] !== full) return null;
    }
    for (; index < end; index++) {
      if ((((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) !== value) return null;
    }
  }
  return value;
}

/** A mask at its full size, and at half, a quarter, … of it: tiles of those are made when needed. */
export class MaskLevels {
  readonly #levels: SparseMap[];
  /** Which tiles of the smaller ones are up to date. */
  readonly #known: Set<number>[] = [];

  constructor(full: SparseMap) {
    this.#levels = [full];
  }

  level(depth: number): SparseMap {
    let found = this.#levels[depth];
    if (found === undefined) {
      const from = this.level(depth - 1);
      found = new SparseMap(Math.ceil(from.width / 2), Math.ceil(from.height / 2));
      this.#levels[depth] = found;
      this.#known[depth] = new Set();
    }
    return found;
  }

  /** A part of a level; see `SparseMap.part`. */
  part(depth: number, box: Box, margin: number): Part | number {
    const map = this.level(depth);
    const tile = (position: number, last: number): number =>
      Math.min(last, Math.max(0, Math.floor(position / TILE)));
    for (let row = tile(box[1] - margin, map.rows - 1); ; row++) {
      for (let column = tile(box[0] - margin, map.columns - 1); ; column++) {
        this.#make(depth, column, row);
        if (column >= tile(box[2] + margin - 1, map.columns - 1)) break;
      }
      if (row >= tile(box[3] + margin - 1, map.rows - 1)) break;
    }
    return map.part(box, margin);
  }

  /** Forget what was made of a box of the full mask. */
  changed(box: Box): void {
    for (let depth = 1; depth < this.#levels.length; depth++) {
      const map = this.#levels[depth];
      const known = this.#known[depth];
      if (map === undefined || known === undefined) continue;
      const side = TILE * 2 ** depth;
      for (let row = Math.floor(box[1] / side); row * side < box[3]; row++) {
        for (let column = Math.floor(box[0] / side); column * side < box[2]; column++) {
          known.delete(row * map.columns + column);
        }
      }
    }
  }

  #make(depth: number, column: number, row: number): void {
    const map = this.level(depth);
    const known = this.#known[depth];
    const index = row * map.columns + column;
    if (known === undefined || known.has(index)) return;
    known.add(index);
    const from = this.level(depth - 1);
    const [width, height] = map.size(column, row);
    const half = new Uint8Array(width * height);
    let plain: Tile | null = null;
    let mixed = false;
    // Tiles have even sides but for the last ones, so each makes a quarter of its own.
    for (let y = 2 * row; y < Math.min(2 * row + 2, from.rows); y++) {
      for (let x = 2 * column; x < Math.min(2 * column + 2, from.columns); x++) {
        if (depth > 1) this.#make(depth - 1, x, y);
        const tile = from.tile(x, y);
        const size = from.size(x, y);
        const at = (y - 2 * row) * (TILE / 2) * width + (x - 2 * column) * (TILE / 2);
        if (typeof tile !== "number") halve(tile, ...size, half, width, at);
        else if (tile !== 0) {
          for (let line = 0; 2 * line < size[1]; line++) {
            half.fill(tile, at + line * width, at + line * width + Math.ceil(size[0] / 2));
          }
        }
        mixed ||= typeof tile !== "number" || (plain !== null && tile !== plain);
        plain ??= tile;
      }
    }
    map.put(column, row, mixed ? half : (plain ?? 0));
  }
}

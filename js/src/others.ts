/**
 * All visible objects but the active one, as one map of codes: its cost does not grow with their
 * number. Tiles are painted when they come into sight, at the size in which they are seen.
 */

import { TILE } from "./contour";
import type { ObjectEntry, Result } from "./protocol";
import { type Part, SparseMap } from "./sparse";

/** How solid the inside is, of 255; the edge is solid. */
const INSIDE = 140;
/** Painted tiles that are kept. */
const PAINTED = 192;

export class OthersOverlay {
  width = 0;
  height = 0;
  #map = new SparseMap(0, 0);
  #ids: readonly number[] = [];
  #shown = false;
  /** Changes with everything that is to be seen of it. */
  version = 0;
  #colours = new Uint32Array(256);
  #key = "";
  /** By depth, column and row; the latest used last. `null` where there is nothing. */
  readonly #painted = new Map<string, HTMLCanvasElement | null>();

  /** Take a result's part; `bytes` are the codes in its box. */
  apply({ grid, others }: Pick<Result, "grid" | "others">, bytes: Uint8Array): void {
    this.version += 1;
    const [width, height] = grid;
    if (others.base === null || width !== this.width || height !== this.height) {
      [this.width, this.height] = [width, height];
      this.#map = new SparseMap(width, height);
      this.#painted.clear();
    }
    this.#ids = others.ids;
    const [x0, y0, x1, y1] = others.box;
    this.#map.setBytes(others.box, bytes);
    if (x1 > x0 && y1 > y0) {
      this.#shown = true;
      this.#forget(x0, y0, x1, y1);
    }
  }

  /** Paint in the objects' colours from now on. */
  colour(objects: readonly ObjectEntry[]): void {
    const colours = this.#ids.map((id) => objects.find((other) => other.id === id)?.colour ?? "");
    const key = colours.join();
    if (key === this.#key) return;
    this.#key = key;
    this.version += 1;
    this.#colours = table(colours);
    this.#painted.clear();
  }

  get isEmpty(): boolean {
    return !this.#shown;
  }

  at(x: number, y: number): number {
    return this.#map.at(x, y);
  }

  /** A tile of the map of which only every 2^depth-th pixel is looked at; `null`: nothing there. */
  fill(column: number, row: number, depth: number): HTMLCanvasElement | boolean {
    const key = `${depth},${column},${row}`;
    let found = this.#painted.get(key);
    if (found === undefined) {
      found = this.#paint(column, row, depth);
      for (const oldest of this.#painted.keys()) {
        if (this.#painted.size < PAINTED) break;
        this.#painted.delete(oldest);
      }
    } else {
      this.#painted.delete(key);
    }
    this.#painted.set(key, found);
    return found ?? false;
  }

  #paint(column: number, row: number, depth: number): HTMLCanvasElement | null {
    const step = 2 ** depth;
    const width = Math.min(TILE, Math.ceil(this.width / step) - column * TILE);
    const height = Math.min(TILE, Math.ceil(this.height / step) - row * TILE);
    const codes = this.#sampled(column * TILE, row * TILE, width, height, step);
    if (codes === null) return null;
    const across = width + 2;
    const pixels = new Uint32Array(width * height);
    let index = 0;
    for (let y = 1; y <= height; y++) {
      for (let at = y * across + 1; at <= y * across + width; at++, index++) {
        const code = codes[at] ?? 0;
        if (code === 0) continue;
        const edge =
          codes[at - 1] !== code ||
          codes[at + 1] !== code ||
          codes[at - across] !== code ||
          codes[at + across] !== code;
        const colour = this.#colours[code] ?? 0;
        pixels[index] = edge ? colour : (colour & TRANSPARENT) | FAINT;
      }
    }
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    canvas.getContext("2d")?.putImageData(data, 0, 0);
    return canvas;
  }

  /** Codes on a grid with one row and column more on each side; the border repeats itself. */
  #sampled(
    left: number,
    top: number,
    width: number,
    height: number,
    step: number,
  ): Uint8Array | null {
    const box = [left * step, top * step, (left + width) * step, (top + height) * step] as const;
    const inside = [
      box[0],
      box[1],
      Math.min(box[2], this.width),
      Math.min(box[3], this.height),
    ] as [number, number, number, number];
    const part = this.#map.part(inside, step);
    if (part === 0) return null;
    const out = new Uint8Array((width + 2) * (height + 2));
    if (typeof part === "number") return out.fill(part);
    let index = 0;
    for (let y = -1; y <= height; y++) {
      const from = place(box[1] + y * step, step, part.y, part.height) * part.width;
      for (let x = -1; x <= width; x++) {
        out[index++] = part.values[from + place(box[0] + x * step, step, part.x, part.width)] ?? 0;
      }
    }
    return out;
  }

  #forget(x0: number, y0: number, x1: number, y1: number): void {
    for (const key of this.#painted.keys()) {
      const [depth = 0, column = 0, row = 0] = key.split(",").map(Number);
      const [side, reach] = [TILE * 2 ** depth, 2 * 2 ** depth];
      const beside = (column + 1) * side + reach <= x0 || column * side - reach >= x1;
      const apart = (row + 1) * side + reach <= y0 || row * side - reach >= y1;
      if (!beside && !apart) this.#painted.delete(key);
    }
  }
}

/** Where in a part the middle of a step of the map is, kept inside of it. */
function place(position: number, step: number, start: Part["x"], length: number): number {
  return Math.min(length - 1, Math.max(0, position + (step >> 1) - start));
}

const mask = (...bytes: [number, number, number, number]): number =>
  new Uint32Array(new Uint8Array(bytes).buffer)[0] ?? 0;
// In the byte order of this machine.
const TRANSPARENT = mask(255, 255, 255, 0);
const FAINT = mask(0, 0, 0, INSIDE);

function table(colours: readonly string[]): Uint32Array<ArrayBuffer> {
  const bytes = new Uint8Array(256 * 4);
  colours.forEach((colour, place) => {
    bytes.set([...rgb(colour), 255], (1 + (place % 255)) * 4);
  });
  return new Uint32Array(bytes.buffer);
}

/** `#rrggbb` to numbers; grey for anything else. */
export function rgb(colour: string): [number, number, number] {
  const value = /^#[0-9a-f]{6}$/i.test(colour) ? Number.parseInt(colour.slice(1), 16) : 0x808080;
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/**
 * All visible objects but the active one, as one picture: its cost does not grow with their number.
 */

import type { Box, ObjectEntry, Others, Result } from "./protocol";

/** How solid the inside is, of 255; the edge is solid. */
const INSIDE = 140;

export class OthersOverlay {
  width = 0;
  height = 0;
  codes = new Uint8Array(0);
  canvas: HTMLCanvasElement | null = null;
  #ids: readonly number[] = [];
  #colours = new Uint32Array(256);
  #key = "";

  /** Take a result's part; `bytes` are the codes in its box. */
  apply({ grid, others }: Pick<Result, "grid" | "others">, bytes: Uint8Array): void {
    const [width, height] = grid;
    if (others.base === null || width !== this.width || height !== this.height) {
      this.#resize(width, height);
    }
    this.#ids = others.ids;
    const [x0, y0, x1, y1] = others.box;
    const length = x1 - x0;
    if (bytes.length !== length * (y1 - y0)) {
      throw new RangeError(`${bytes.length} codes do not fill the box ${others.box}`);
    }
    for (let y = y0; y < y1; y++) {
      const row = bytes.subarray((y - y0) * length, (y - y0 + 1) * length);
      this.codes.set(row, y * width + x0);
    }
  }

  /** Paint what changed: the box, or everything when a colour is another one. */
  paint({ box }: Others, objects: readonly ObjectEntry[]): void {
    const colours = this.#ids.map((id) => objects.find((other) => other.id === id)?.colour ?? "");
    const key = `${this.#ids.join()} ${colours.join()}`;
    const whole = key !== this.#key;
    this.#key = key;
    if (whole) this.#colours = table(colours);
    this.#paint(whole ? [0, 0, this.width, this.height] : box);
  }

  get isEmpty(): boolean {
    return this.#ids.length === 0;
  }

  #resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.codes = new Uint8Array(width * height);
    this.canvas = null;
    this.#key = "";
  }

  #paint([x0, y0, x1, y1]: Box): void {
    if (this.isEmpty && this.canvas === null) return;
    if (this.canvas === null) {
      this.canvas = document.createElement("canvas");
      this.canvas.width = this.width;
      this.canvas.height = this.height;
    }
    const context = this.canvas.getContext("2d");
    const [left, top] = [Math.max(x0 - 1, 0), Math.max(y0 - 1, 0)];
    const [right, bottom] = [Math.min(x1 + 1, this.width), Math.min(y1 + 1, this.height)];
    if (!context || right <= left || bottom <= top) return;
    const pixels = new Uint32Array((right - left) * (bottom - top));
    let index = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        pixels[index++] = this.#pixel(x, y);
      }
    }
    const bytes = new Uint8ClampedArray(pixels.buffer);
    context.putImageData(new ImageData(bytes, right - left, bottom - top), left, top);
  }

  #pixel(x: number, y: number): number {
    const { codes, width, height } = this;
    const at = y * width + x;
    const code = codes[at] ?? 0;
    if (code === 0) return 0;
    const edge =
      (x > 0 && codes[at - 1] !== code) ||
      (x < width - 1 && codes[at + 1] !== code) ||
      (y > 0 && codes[at - width] !== code) ||
      (y < height - 1 && codes[at + width] !== code);
    const colour = this.#colours[code] ?? 0;
    return edge ? colour : (colour & TRANSPARENT) | FAINT;
  }
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

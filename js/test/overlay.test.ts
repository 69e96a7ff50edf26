import { describe, expect, it } from "vitest";
import { softAlpha, TILE, traceTile } from "../src/contour";
import { inflate, Overlay } from "../src/overlay";
import type { Box, Result } from "../src/protocol";
import { bytes, image, replies, rows } from "./recorded";

function fill(width: number, height: number, ...boxes: Box[]): Uint8Array {
  const mask = new Uint8Array(width * height);
  for (const [x0, y0, x1, y1] of boxes) {
    for (let y = y0; y < y1; y++) mask.fill(1, y * width + x0, y * width + x1);
  }
  return mask;
}

/** All contours of a mask, tile by tile, as pairs of end points. */
function outline(mask: Uint8Array, width: number, height: number, exact: boolean) {
  const pieces: [number, number, number, number][] = [];
  for (let row = 0; row * TILE < height; row++) {
    for (let column = 0; column * TILE < width; column++) {
      const data = traceTile(mask, width, height, column, row, exact);
      for (let index = 0; index < data.length; index += 4) {
        pieces.push([...data.subarray(index, index + 4)] as [number, number, number, number]);
      }
    }
  }
  return pieces;
}

const length = (pieces: [number, number, number, number][]): number =>
  pieces.reduce((sum, [x0, y0, x1, y1]) => sum + Math.hypot(x1 - x0, y1 - y0), 0);

/** Every end of a piece is the end of another: closed curves. */
function isClosed(pieces: [number, number, number, number][]): boolean {
  const ends = new Map<string, number>();
  for (const [x0, y0, x1, y1] of pieces) {
    for (const end of [`${x0.toFixed(3)},${y0.toFixed(3)}`, `${x1.toFixed(3)},${y1.toFixed(3)}`]) {
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  }
  return [...ends.values()].every((count) => count % 2 === 0);
}

describe("overlay", () => {
  it("draws the masks of the recorded messages, whole and as patches", async () => {
    const overlay = new Overlay([0, 0, 255]);
    let patches = 0;
    for (const { content, buffers, mask } of replies) {
      if (content.kind !== "result") continue;
      const result = content as unknown as Result;
      const buffer = buffers[0];
      const bits = buffer === undefined ? new Uint8Array(0) : await inflate(bytes(buffer));
      expect(overlay.apply(result, bits)).toBe(true);
      expect(rows(overlay.pixels([0, 0, image.width, image.height]), image.width)).toEqual(mask);
      expect(overlay.rev).toBe(result.rev);
      if (result.base !== null) patches += 1;
    }
    expect(patches).toBeGreaterThan(2);
  });

  it("refuses a patch of another revision and stays as it was", () => {
    const overlay = new Overlay([0, 0, 255]);
    const grid: [number, number] = [8, 1];
    const box: Box = [0, 0, 8, 1];
    expect(overlay.apply({ rev: 3, base: 2, grid, box }, new Uint8Array([255]))).toBe(false);
    expect(overlay.apply({ rev: 3, base: null, grid, box }, new Uint8Array([0b11000001]))).toBe(
      true,
    );
    expect(overlay.apply({ rev: 6, base: 5, grid, box }, new Uint8Array([255]))).toBe(false);
    expect([...overlay.pixels(box)]).toEqual([1, 1, 0, 0, 0, 0, 0, 1]);
    const part: Box = [2, 0, 5, 1];
    expect(overlay.apply({ rev: 4, base: 3, grid, box: part }, new Uint8Array([0b10100000]))).toBe(
      true,
    );
    expect([...overlay.pixels(box)]).toEqual([1, 1, 1, 0, 1, 0, 0, 1]);
  });

  it("refuses bits that do not fill the box, and boxes outside the grid", () => {
    const overlay = new Overlay([0, 0, 255]);
    const box: Box = [0, 0, 9, 1];
    expect(() =>
      overlay.apply({ rev: 1, base: null, grid: [8, 1], box }, new Uint8Array(2)),
    ).toThrow("not in the grid");
    expect(() =>
      overlay.apply({ rev: 1, base: null, grid: [8, 1], box: [0, 0, 8, 1] }, new Uint8Array(2)),
    ).toThrow("does not fill");
    expect(overlay.rev).toBe(-1);
  });

  it("is empty outside of the box of a whole mask", () => {
    const overlay = new Overlay([0, 0, 255]);
    const grid: [number, number] = [8, 1];
    const bits = new Uint8Array([255]);
    overlay.apply({ rev: 1, base: null, grid, box: [0, 0, 8, 1] }, bits);
    overlay.apply({ rev: 2, base: null, grid, box: [2, 0, 4, 1] }, bits.fill(192));
    expect([...overlay.pixels([0, 0, 8, 1])]).toEqual([0, 0, 1, 1, 0, 0, 0, 0]);
    overlay.apply({ rev: 3, base: null, grid, box: [0, 0, 0, 0] }, new Uint8Array(0));
    expect([...overlay.pixels([0, 0, 8, 1])]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("traces again only what a patch touched", () => {
    const overlay = new Overlay([0, 0, 255]);
    const grid: [number, number] = [600, 600];
    const nothing = new Uint8Array((600 * 600) / 8);
    overlay.apply({ rev: 1, base: null, grid, box: [0, 0, 600, 600] }, nothing);
    const [near, far] = [overlay.contour(0, 0, 0, false), overlay.contour(2, 2, 0, false)];
    overlay.apply({ rev: 2, base: 1, grid, box: [10, 10, 18, 11] }, new Uint8Array([255]));
    expect(overlay.contour(2, 2, 0, false)).toBe(far);
    expect(overlay.contour(0, 0, 0, false)).not.toBe(near);
    expect(overlay.contour(0, 0, 0, false).length).toBeGreaterThan(0);
  });
});

describe("smaller masks", () => {
  it("follow every patch as if they were made anew", () => {
    const grid: [number, number] = [61, 43];
    const patched = new Overlay([0, 0, 255]);
    const bits = new Uint8Array(Math.ceil((61 * 43) / 8));
    patched.apply({ rev: 1, base: null, grid, box: [0, 0, 61, 43] }, bits);
    patched.contour(0, 0, 3, false);
    const boxes: Box[] = [
      [3, 5, 30, 22],
      [44, 30, 61, 43],
      [17, 11, 18, 12],
    ];
    boxes.forEach((box, index) => {
      const size = (box[2] - box[0]) * (box[3] - box[1]);
      const filled = new Uint8Array(Math.ceil(size / 8)).fill(index === 2 ? 0 : 255);
      patched.apply({ rev: index + 2, base: index + 1, grid, box }, filled);
    });
    const anew = new Overlay([0, 0, 255]);
    const pixels = patched.pixels([0, 0, 61, 43]);
    const packed = bits.map((_, index) =>
      [...pixels.subarray(index * 8, index * 8 + 8)].reduce(
        (byte, pixel, place) => byte | (pixel << (7 - place)),
        0,
      ),
    );
    anew.apply({ rev: 1, base: null, grid, box: [0, 0, 61, 43] }, packed);
    for (const depth of [1, 2, 3]) {
      expect(patched.contour(0, 0, depth, true)).toEqual(anew.contour(0, 0, depth, true));
      expect(patched.contour(0, 0, depth, true).length).toBeGreaterThan(0);
    }
  });
});

describe("soft edge", () => {
  it("counts the neighbours and repeats the border", () => {
    const mask = fill(5, 3, [0, 0, 3, 3]);
    expect([...softAlpha(mask, 5, 3, [0, 0, 5, 3])]).toEqual([
      9, 9, 6, 3, 0, 9, 9, 6, 3, 0, 9, 9, 6, 3, 0,
    ]);
  });

  it("is the same in parts", () => {
    const mask = fill(40, 30, [3, 4, 20, 11], [18, 9, 33, 28]);
    const whole = softAlpha(mask, 40, 30, [0, 0, 40, 30]);
    const part = softAlpha(mask, 40, 30, [7, 5, 22, 14]);
    for (let y = 5; y < 14; y++) {
      expect(part.slice((y - 5) * 15, (y - 4) * 15)).toEqual(whole.slice(y * 40 + 7, y * 40 + 22));
    }
  });
});

describe("contour", () => {
  it("follows the pixels' edges exactly", () => {
    const pieces = outline(fill(20, 12, [3, 2, 9, 7]), 20, 12, true);
    expect(pieces).toHaveLength(4);
    expect(length(pieces)).toBe(2 * (6 + 5));
    expect(isClosed(pieces)).toBe(true);
  });

  it.each([true, false])("is closed across tiles, holes and the border (exact: %s)", (exact) => {
    const mask = fill(600, 530, [0, 0, 300, 280], [250, 240, 600, 530], [590, 0, 600, 9]);
    for (let y = 100; y < 140; y++) mask.fill(0, y * 600 + 90, y * 600 + 130);
    const pieces = outline(mask, 600, 530, exact);
    expect(isClosed(pieces)).toBe(true);
    const expected =
      2 * (300 + 280) + 2 * (350 + 290) - 2 * (50 + 40) + 2 * (10 + 9) + 2 * (40 + 40);
    expect(Math.abs(length(pieces) - expected)).toBeLessThan(exact ? 1e-6 : 20);
  });

  it("is smooth on a disk and keeps what is one pixel thin", () => {
    const size = 100;
    const mask = new Uint8Array(size * size);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) mask[y * size + x] = Math.hypot(x - 50, y - 50) <= 30 ? 1 : 0;
    }
    const round = outline(mask, size, size, false);
    expect(Math.abs(length(round) / (2 * Math.PI * 30.3) - 1)).toBeLessThan(0.03);
    const line = outline(fill(30, 9, [5, 4, 25, 5]), 30, 9, false);
    expect(isClosed(line)).toBe(true);
    expect(length(line)).toBeGreaterThan(38);
  });
});

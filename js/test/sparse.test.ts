import { describe, expect, it } from "vitest";
import { chained, halve, REACH, TILE, tracePart, traceTile } from "../src/contour";
import type { Box } from "../src/protocol";
import { MaskLevels, SparseMap } from "../src/sparse";

const [WIDTH, HEIGHT] = [700, 530];

/** A disk with a hole, and a line one pixel thin. */
function drawn(): Uint8Array {
  const mask = new Uint8Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const far = Math.hypot(x - 330, y - 260);
      mask[y * WIDTH + x] = (far < 240 && far > 30) || y === 521 ? 1 : 0;
    }
  }
  return mask;
}

function cut(mask: Uint8Array, [x0, y0, x1, y1]: Box, width = WIDTH): Uint8Array {
  const out = new Uint8Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) {
    out.set(mask.subarray(y * width + x0, y * width + x1), (y - y0) * (x1 - x0));
  }
  return out;
}

function packed(pixels: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(pixels.length / 8));
  pixels.forEach((value, index) => {
    if (value === 1) bits[index >> 3] = (bits[index >> 3] ?? 0) | (128 >> (index & 7));
  });
  return bits;
}

function dense(map: SparseMap): Uint8Array {
  const part = map.part([0, 0, map.width, map.height], 0);
  if (typeof part === "number") return new Uint8Array(map.width * map.height).fill(part);
  return part.values;
}

/** `toEqual` takes seconds for arrays as large as these. */
function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(found.length).toBe(expected.length);
  expect(found.findIndex((value, index) => value !== expected[index])).toBe(-1);
}

describe("sparse map", () => {
  it("takes bits of any box and gives them back", () => {
    const mask = drawn();
    const map = new SparseMap(WIDTH, HEIGHT);
    const boxes: Box[] = [
      [0, 0, WIDTH, HEIGHT],
      [3, 5, 4, 6],
      [100, 250, 513, 258],
      [256, 0, 512, 530],
    ];
    const expected = new Uint8Array(WIDTH * HEIGHT);
    for (const box of boxes.toReversed()) {
      map.setBits(box, packed(cut(mask, box)));
      for (let y = box[1]; y < box[3]; y++) {
        const [from, to] = [y * WIDTH + box[0], y * WIDTH + box[2]];
        expected.set(mask.subarray(from, to), from);
      }
      expectSame(dense(map), expected);
    }
    expect(map.at(330, 260)).toBe(0);
    expect(map.at(330, 200)).toBe(1);
    expect(map.at(-1, 0)).toBe(0);
  });

  it("keeps one byte of a tile that is all the same", () => {
    const map = new SparseMap(20 * TILE, 10 * TILE);
    expect(map.bytes).toBe(200);
    const ones = new Uint8Array((4 * TILE * TILE) / 8).fill(255);
    map.setBits([TILE, TILE, 3 * TILE, 3 * TILE], ones);
    expect(map.bytes).toBe(200);
    expect(map.tile(1, 2)).toBe(1);
    map.setBits([300, 300, 301, 301], new Uint8Array([0]));
    expect(map.bytes).toBe(200 + TILE * TILE);
    map.setBits([300, 300, 301, 301], new Uint8Array([128]));
    expect(map.bytes).toBe(200);
  });

  it("takes bytes", () => {
    const map = new SparseMap(300, 2);
    map.setBytes([254, 0, 258, 2], new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    expect([253, 254, 255, 256, 257, 258].map((x) => map.at(x, 1))).toEqual([0, 5, 6, 7, 8, 0]);
    map.fill(3);
    expect(map.at(255, 0)).toBe(3);
  });

  it("refuses what does not fit", () => {
    const map = new SparseMap(300, 200);
    expect(() => map.setBits([0, 0, 301, 1], new Uint8Array(38))).toThrow(RangeError);
    expect(() => map.setBits([0, 0, 9, 1], new Uint8Array(1))).toThrow(RangeError);
    expect(() => map.setBytes([0, 0, 9, 1], new Uint8Array(8))).toThrow(RangeError);
  });

  it("cuts parts with a margin, as far as the map goes", () => {
    const mask = drawn();
    const map = new SparseMap(WIDTH, HEIGHT);
    map.setBits([0, 0, WIDTH, HEIGHT], packed(mask));
    const part = map.part([256, 512, 512, 530], 3);
    if (typeof part === "number") throw new Error("it is mixed");
    expect([part.x, part.y, part.width, part.height]).toEqual([253, 509, 262, 21]);
    expectSame(part.values, cut(mask, [253, 509, 515, 530]));
    map.fill(1);
    expect(map.part([0, 0, 9, 9], 2)).toBe(1);
  });
});

describe("smaller masks", () => {
  it("are what halving the whole mask gives, also after a change", () => {
    const mask = drawn();
    const map = new SparseMap(WIDTH, HEIGHT);
    map.setBits([0, 0, WIDTH, HEIGHT], packed(mask));
    const levels = new MaskLevels(map);
    const check = () => {
      let [fine, width, height] = [mask, WIDTH, HEIGHT];
      for (let depth = 1; depth < 4; depth++) {
        const [across, down] = [Math.ceil(width / 2), Math.ceil(height / 2)];
        const half = new Uint8Array(across * down);
        halve(fine, width, height, half);
        levels.part(depth, [0, 0, across, down], 0);
        expectSame(dense(levels.level(depth)), half);
        [fine, width, height] = [half, across, down];
      }
    };
    check();
    const box: Box = [250, 200, 270, 215];
    for (let y = box[1]; y < box[3]; y++) mask.fill(0, y * WIDTH + box[0], y * WIDTH + box[2]);
    map.setBits(box, packed(cut(mask, box)));
    levels.changed(box);
    check();
  });
});

describe("half a mask", () => {
  it("has the pixels of which two or more were set; a last odd one counts twice", () => {
    const mask = Uint8Array.from([...[1, 0, 0, 0, 1], ...[1, 0, 0, 1, 0], ...[1, 0, 1, 1, 0]]);
    const half = new Uint8Array(6);
    halve(mask, 5, 3, half);
    expect([...half]).toEqual([1, 0, 1, 1, 1, 0]);
    const framed = new Uint8Array(4 * 4);
    halve(mask, 5, 3, framed, 4, 5);
    expect([...framed]).toEqual([0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0]);
  });
});

describe("contour of a part", () => {
  it.each([true, false])("is that of the whole mask (exact: %s)", (exact) => {
    const mask = drawn();
    const map = new SparseMap(WIDTH, HEIGHT);
    map.setBits([0, 0, WIDTH, HEIGHT], packed(mask));
    for (let row = 0; row < map.rows; row++) {
      for (let column = 0; column < map.columns; column++) {
        const [width, height] = map.size(column, row);
        const [x, y] = [column * TILE, row * TILE];
        const part = map.part([x, y, x + width, y + height], REACH);
        if (typeof part === "number") throw new Error("it is mixed");
        expect(tracePart(part, map, column, row, exact)).toEqual(
          traceTile(mask, WIDTH, HEIGHT, column, row, exact),
        );
      }
    }
  });
});

describe("chained pieces", () => {
  const split = (pieces: Float32Array): number[][] =>
    Array.from({ length: pieces.length / 4 }, (_, at) => [...pieces.subarray(4 * at, 4 * at + 4)]);
  const breaks = (pieces: number[][]): number =>
    pieces.filter(
      ([x, y], at) => at === 0 || x !== pieces[at - 1]?.[2] || y !== pieces[at - 1]?.[3],
    ).length;
  const sorted = (pieces: number[][]): string[] =>
    pieces
      .map(([a = 0, b = 0, c = 0, d = 0]) =>
        (a < c || (a === c && b < d) ? [a, b, c, d] : [c, d, a, b]).join(),
      )
      .sort();

  it.each([true, false])("are the same pieces in few lines (exact: %s)", (exact) => {
    const before = traceTile(drawn(), WIDTH, HEIGHT, 0, 0, exact);
    const found = split(chained(before));
    expect(sorted(found)).toEqual(sorted(split(before)));
    expect(breaks(split(before))).toBeGreaterThan(100);
    expect(breaks(found)).toBeLessThan(8);
  });

  it("close around a ring and go on to the next", () => {
    const square = (x: number) => [
      ...[x, 0, x + 1, 0],
      ...[x, 1, x + 1, 1],
      ...[x, 0, x, 1],
      ...[x + 1, 0, x + 1, 1],
    ];
    const found = split(chained(new Float32Array([...square(0), ...square(5)])));
    expect(breaks(found)).toBe(2);
    expect(found[3]?.slice(2)).toEqual(found[0]?.slice(0, 2));
    expect(chained(new Float32Array(0))).toHaveLength(0);
  });
});

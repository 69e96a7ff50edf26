import { describe, expect, it } from "vitest";
import { BUDGET, Pyramid, type TileKey, UNDER_WAY } from "../src/pyramid";
import * as viewport from "../src/viewport";

type Size = viewport.Size;

const IMAGE: Size = { width: 12000, height: 9000 };
const SIZE: Size = { width: 1000, height: 600 };
const CUT = { level: 3, tile: 512 };

const picture = (width = 512, height = 512): ImageBitmap =>
  ({ width, height, close: () => undefined }) as ImageBitmap;

function setUp() {
  const asked: TileKey[] = [];
  const pyramid = new Pyramid(IMAGE, CUT, picture(1500, 1125), (key) => asked.push(key));
  return { pyramid, asked };
}

/** A canvas that notes which part of the screen is covered by what. */
function recorder() {
  const drawn: { picture: ImageBitmap; source: number[]; target: number[] }[] = [];
  const context = {
    imageSmoothingEnabled: true,
    imageSmoothingQuality: "low",
    drawImage: (source: ImageBitmap, ...numbers: number[]) =>
      drawn.push({ picture: source, source: numbers.slice(0, 4), target: numbers.slice(4) }),
  } as unknown as CanvasRenderingContext2D;
  return { drawn, context };
}

const at = (scale: number, x: number, y: number): viewport.Viewport => ({
  scale,
  offsetX: SIZE.width / 2 - x * scale,
  offsetY: SIZE.height / 2 - y * scale,
});

describe("pyramid", () => {
  it("needs no tiles while the base is fine enough", () => {
    const { pyramid, asked } = setUp();
    pyramid.look(viewport.fit(IMAGE, SIZE), SIZE, 1);
    expect(asked).toEqual([]);
    expect(pyramid.complete).toBe(true);
    const { drawn, context } = recorder();
    pyramid.draw(context, viewport.fit(IMAGE, SIZE), SIZE, 1);
    expect(drawn).toHaveLength(1);
    expect(drawn[0]?.source).toEqual([0, 0, 1500, 1125]);
  });

  it("chooses the level whose pixels are at least as fine as the screen's", () => {
    const { pyramid } = setUp();
    const levels = [4, 1, 0.9, 0.5, 0.49, 0.26, 0.25, 0.124, 0.01].map((density) =>
      pyramid.levelFor(density),
    );
    expect(levels).toEqual([0, 0, 0, 1, 1, 1, 2, 3, 3]);
  });

  it("asks for the tiles in sight, the middle first, a few at a time", () => {
    const { pyramid, asked } = setUp();
    const view = at(1, 6000, 4500);
    pyramid.look(view, SIZE, 1);
    expect(asked).toHaveLength(UNDER_WAY);
    expect(asked[0]).toEqual({ level: 0, column: 11, row: 8 });
    pyramid.look(view, SIZE, 1);
    expect(asked).toHaveLength(UNDER_WAY);
    for (let index = 0; index < asked.length; index++) {
      const key = asked[index];
      if (key !== undefined) pyramid.take(key, picture());
    }
    expect(pyramid.complete).toBe(true);
    expect(pyramid.pending).toBe(0);
    expect(new Set(asked.map((key) => `${key.column},${key.row}`)).size).toBe(asked.length);
    const columns = asked.map((key) => key.column);
    expect([Math.min(...columns), Math.max(...columns)]).toEqual([10, 12]);
  });

  it("no longer asks for what went out of sight, and never twice for a tile", () => {
    const { pyramid, asked } = setUp();
    pyramid.look(at(1, 1000, 1000), SIZE, 1);
    const before = asked.length;
    pyramid.look(at(1, 11000, 8000), SIZE, 1);
    expect(asked).toHaveLength(before);
    for (const key of asked.slice(0, before)) pyramid.take(key, picture());
    const later = asked.slice(before);
    expect(later.length).toBeGreaterThan(0);
    expect(later.every((key) => key.column > 18 && key.row > 13)).toBe(true);
    for (const key of later) pyramid.take(key, picture());
    pyramid.look(at(1, 1000, 1000), SIZE, 1);
    const names = asked.map((key) => `${key.level},${key.column},${key.row}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it("draws every pixel in sight once, from what is there", () => {
    const { pyramid, asked } = setUp();
    const view = at(0.77, 6000, 4500);
    const covered = () => {
      const { drawn, context } = recorder();
      pyramid.draw(context, view, SIZE, 1);
      let area = 0;
      for (const { target } of drawn) {
        const [x = 0, y = 0, width = 0, height = 0] = target;
        expect(target.every(Number.isInteger)).toBe(true);
        const across = Math.min(SIZE.width, x + width) - Math.max(0, x);
        area += across * (Math.min(SIZE.height, y + height) - Math.max(0, y));
      }
      expect(area).toBe(SIZE.width * SIZE.height);
      return drawn;
    };
    expect(new Set(covered().map((item) => item.picture)).size).toBe(1);
    pyramid.look(view, SIZE, 1);
    const [first] = asked;
    if (first === undefined) throw new Error("nothing was asked for");
    const sharp = picture();
    pyramid.take(first, sharp);
    const drawn = covered();
    expect(drawn.filter((item) => item.picture === sharp)).toHaveLength(1);
    expect(drawn.length).toBeGreaterThan(5);
  });

  it("draws a missing tile from the next coarser one", () => {
    const { pyramid } = setUp();
    const coarse = picture();
    pyramid.take({ level: 1, column: 5, row: 4 }, coarse);
    const { drawn, context } = recorder();
    pyramid.draw(context, at(1, 5120 + 700, 4096 + 300), { width: 10, height: 10 }, 1);
    const used = drawn.filter((item) => item.picture === coarse);
    expect(used.map((item) => item.source)).toContainEqual([0, 0, 256, 256]);
  });

  it("keeps within its budget, and what is in sight", () => {
    const { pyramid, asked } = setUp();
    let closed = 0;
    const most = BUDGET / (4 * 512 * 512);
    for (let row = 0; row < 17; row++) {
      for (let column = 0; column < 23; column++) {
        const tile = { ...picture(), close: () => (closed += 1) } as unknown as ImageBitmap;
        pyramid.take({ level: 0, column, row }, tile);
      }
    }
    expect(pyramid.count).toBe(most);
    expect(pyramid.bytes).toBe(BUDGET);
    expect(closed).toBe(23 * 17 - most);
    asked.length = 0;
    pyramid.look(at(1, 11000, 8000), SIZE, 1);
    expect(asked).toEqual([]);
  });

  it("asks again for a tile that did not come, but not for ever", () => {
    const { pyramid, asked } = setUp();
    pyramid.look(at(8, 100, 100), SIZE, 1);
    expect(asked).toHaveLength(1);
    for (let turn = 0; turn < 5; turn++) pyramid.failed({ level: 0, column: 0, row: 0 });
    expect(asked).toHaveLength(3);
  });
});

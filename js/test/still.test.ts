import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Place } from "../src/mask-layer";
import { Pyramid } from "../src/pyramid";
import { Still } from "../src/still";

const noted = () => ({ setTransform: vi.fn(), drawImage: vi.fn() });
const SIZE = { width: 600, height: 400 };

function place(offsetX: number, offsetY: number, scale = 1): Place {
  const context = noted() as unknown as CanvasRenderingContext2D;
  return { context, ratio: 1, size: SIZE, view: { scale, offsetX, offsetY } };
}

beforeEach(() => {
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(
    () => noted() as unknown as RenderingContext & null,
  );
});

describe("what moves along", () => {
  it("is painted anew when something changed, else copied", () => {
    const still = new Still();
    const paint = vi.fn();
    const first = place(0, 0);
    still.draw(first, null, ["a"], paint);
    expect(paint).toHaveBeenCalledOnce();
    expect(paint.mock.lastCall?.[0]).toMatchObject({ view: first.view, size: SIZE });
    expect(paint.mock.lastCall?.[1]).toBe(true);
    expect(first.context.drawImage).toHaveBeenCalledOnce();
    still.draw(place(0, 0), null, ["a"], paint);
    expect(paint).toHaveBeenCalledOnce();
    const moved = place(-10, -20);
    still.draw(moved, null, ["a"], paint);
    expect(still.painted).toBe(6);
    expect(paint.mock.lastCall?.[1]).toBe(false);
    expect(moved.context.drawImage).toHaveBeenCalledTimes(6);
    still.draw(place(-14, -28), null, ["a"], paint);
    expect(still.painted).toBe(6);
    still.draw(place(-300, -28), null, ["a"], paint);
    expect(still.painted).toBe(8);
    for (const other of [place(-300, -28, 2), place(-300, -28)]) {
      still.draw(other, null, ["a"], paint);
      expect(paint.mock.lastCall?.[0]).toMatchObject({ view: other.view });
    }
    still.draw(place(-300, -28), null, ["b"], paint);
    expect(paint.mock.lastCall?.[1]).toBe(true);
    expect(paint).toHaveBeenCalledTimes(12);
    expect(still.painted).toBe(8);
  });

  it("paints the whole anew after it was told to forget", () => {
    const still = new Still();
    const paint = vi.fn();
    still.draw(place(0, 0), null, ["a"], paint);
    still.forget();
    still.draw(place(0, 0), null, ["a"], paint);
    expect(paint).toHaveBeenCalledTimes(2);
  });

  it("copies pieces to where they were painted for", () => {
    const still = new Still();
    const painted: Place[] = [];
    still.draw(place(0, 0), null, [], () => undefined);
    const at = place(7, 3);
    still.draw(at, null, [], (part) => painted.push(part));
    const copies = vi.mocked(at.context.drawImage).mock.calls as unknown as number[][];
    expect(copies).toHaveLength(painted.length);
    expect(painted.length).toBeGreaterThan(1);
    copies.forEach(([, x = 0, y = 0], index) => {
      const view = painted[index]?.view;
      expect([x + (view?.offsetX ?? 0), y + (view?.offsetY ?? 0)]).toEqual([7, 3]);
    });
  });

  it("keeps the picture while only the masks change", () => {
    const base = { width: 600, height: 400, close: () => undefined } as ImageBitmap;
    const cut = { level: 2, tile: 128 };
    const pyramid = new Pyramid({ width: 2400, height: 1600 }, cut, base, () => undefined);
    const draw = vi.spyOn(pyramid, "draw").mockImplementation(() => undefined);
    const still = new Still();
    for (const key of ["a", "b", "c"]) {
      still.draw(place(0, 0), pyramid, [key], (at) => still.picture.draw(at, pyramid));
    }
    expect(draw).toHaveBeenCalledOnce();
    pyramid.take({ level: 0, column: 4, row: 0 }, base);
    still.picture.draw(place(0, 0), pyramid);
    expect(draw).toHaveBeenCalledTimes(2);
  });

  it("paints anew only where a tile came", () => {
    const base = { width: 600, height: 400, close: () => undefined } as ImageBitmap;
    const cut = { level: 2, tile: 128 };
    const pyramid = new Pyramid({ width: 2400, height: 1600 }, cut, base, () => undefined);
    const still = new Still();
    const paint = vi.fn();
    for (const x of [5, 0, 0]) still.draw(place(x, 0), pyramid, [], paint);
    expect(still.painted).toBe(6);
    pyramid.take({ level: 0, column: 4, row: 0 }, base);
    still.draw(place(0, 0), pyramid, [], paint);
    // Pixels 512 to 640: the third piece, and the second whose edge it touches.
    expect(still.painted).toBe(8);
  });

  it("keeps a bounded number of pieces", () => {
    const still = new Still();
    for (let turn = 0; turn < 60; turn++) still.draw(place(-turn * 500, 0), null, [], () => 0);
    const before = still.painted;
    still.draw(place(-59 * 500, 0), null, [], () => 0);
    expect(still.painted).toBe(before);
    still.draw(place(-500, 0), null, [], () => 0);
    expect(still.painted).toBeGreaterThan(before);
  });
});

import { describe, expect, it } from "vitest";
import { besidePointer, drawPixelGrid, GRID_FROM, inLoupe } from "../src/magnifier";
import { toImage, toScreen } from "../src/viewport";

const SIZE = { width: 640, height: 400 };

describe("loupe", () => {
  it("is never under the pointer and never leaves the canvas", () => {
    for (const size of [SIZE, { width: 300, height: 200 }, { width: 900, height: 130 }]) {
      for (let x = 0; x <= size.width; x += 7) {
        for (let y = 0; y <= size.height; y += 7) {
          const circle = besidePointer({ x, y }, size);
          expect(Math.hypot(circle.x - x, circle.y - y)).toBeGreaterThan(circle.radius + 10);
          expect(circle.x - circle.radius).toBeGreaterThanOrEqual(0);
          expect(circle.y - circle.radius).toBeGreaterThanOrEqual(0);
          expect(circle.x + circle.radius).toBeLessThanOrEqual(size.width);
          expect(circle.y + circle.radius).toBeLessThanOrEqual(size.height);
        }
      }
    }
  });

  it("shows the place under the pointer in its middle, enlarged", () => {
    const view = { scale: 0.5, offsetX: 12, offsetY: -7 };
    const at = toImage(view, { x: 100, y: 90 });
    const inner = inLoupe(view, at, 4, 70);
    expect(inner.scale).toBe(2);
    expect(toScreen(inner, at)).toEqual({ x: 70, y: 70 });
    const next = toScreen(inner, { x: at.x + 1, y: at.y });
    expect(next.x - 70).toBeCloseTo(2);
  });
});

describe("pixel grid", () => {
  it("has a line between any two pixels in sight, once they are large enough", () => {
    const context = { setLineDash: () => undefined, stroke: () => undefined };
    const look = {
      context: context as unknown as CanvasRenderingContext2D,
      ratio: 2,
      size: SIZE,
      view: { scale: 20, offsetX: -1000, offsetY: 100 },
    };
    globalThis.Path2D ??= class {
      moveTo() {}
      lineTo() {}
    } as unknown as typeof Path2D;
    // 640 / 20 columns and 300 / 20 rows are in sight, and the lines on both sides.
    expect(drawPixelGrid(look, { width: 500, height: 500 })).toBe(33 + 16);
    expect(drawPixelGrid(look, { width: 60, height: 3 })).toBe(11 + 4);
    look.view.scale = GRID_FROM - 1;
    expect(drawPixelGrid(look, { width: 500, height: 500 })).toBe(0);
  });
});

import { describe, expect, it } from "vitest";
import * as viewport from "../src/viewport";

const image = { width: 400, height: 200 };
const canvas = { width: 800, height: 600 };
const fitted = viewport.fit(image, canvas);

describe("viewport", () => {
  it("fits the whole image in the middle", () => {
    expect(fitted).toEqual({ scale: 2, offsetX: 0, offsetY: 100 });
  });

  it("puts pixel centres where the data attributes say", () => {
    expect(viewport.toScreen(fitted, { x: 0, y: 0 })).toEqual({ x: 1, y: 101 });
    expect(viewport.toImage(fitted, { x: 1, y: 101 })).toEqual({ x: 0, y: 0 });
  });

  it("goes to the screen and back", () => {
    const view = { scale: 3.7, offsetX: -120.5, offsetY: 33 };
    const back = viewport.toImage(view, viewport.toScreen(view, { x: 12.25, y: -0.5 }));
    expect(back.x).toBeCloseTo(12.25, 10);
    expect(back.y).toBeCloseTo(-0.5, 10);
  });

  it.each([
    [{ x: -0.5, y: -0.5 }, true],
    [{ x: 399.49, y: 199.49 }, true],
    [{ x: 399.5, y: 10 }, false],
    [{ x: 10, y: -0.51 }, false],
  ])("knows what lies on a pixel: %j", (point, inside) => {
    expect(viewport.isInside(point, image)).toBe(inside);
  });

  it("keeps the position under the pointer while zooming", () => {
    const anchor = { x: 300, y: 250 };
    const before = viewport.toImage(fitted, anchor);
    const after = viewport.toImage(viewport.zoomTo(fitted, 9, anchor, image, canvas), anchor);
    expect(after.x).toBeCloseTo(before.x, 9);
    expect(after.y).toBeCloseTo(before.y, 9);
  });

  it("bounds the zoom", () => {
    const at = { x: 400, y: 300 };
    expect(viewport.zoomTo(fitted, 1e9, at, image, canvas).scale).toBe(viewport.MAX_SCALE);
    expect(viewport.zoomTo(fitted, 0, at, image, canvas).scale).toBe(0.5);
    const large = { width: 8000, height: 8000 };
    expect(viewport.minScale(large, canvas)).toBeCloseTo(600 / 8000 / 4);
    expect(viewport.fit({ width: 2, height: 2 }, canvas).scale).toBe(viewport.MAX_SCALE);
  });

  it("never loses the image", () => {
    for (const [dx, dy] of [
      [1e6, 1e6],
      [-1e6, -1e6],
      [1e6, -1e6],
    ] as const) {
      const view = viewport.pan(fitted, dx, dy, image, canvas);
      const from = viewport.toScreen(view, { x: -0.5, y: -0.5 });
      const to = viewport.toScreen(view, { x: 399.5, y: 199.5 });
      expect(Math.min(to.x, canvas.width) - Math.max(from.x, 0)).toBeGreaterThanOrEqual(48);
      expect(Math.min(to.y, canvas.height) - Math.max(from.y, 0)).toBeGreaterThanOrEqual(48);
    }
  });

  it("keeps the middle when the canvas changes its size", () => {
    const view = viewport.zoomTo(fitted, 6, { x: 400, y: 300 }, image, canvas);
    const smaller = { width: 500, height: 420 };
    const after = viewport.resized(view, canvas, smaller, image);
    expect(viewport.toImage(after, { x: 250, y: 210 }).x).toBeCloseTo(
      viewport.toImage(view, { x: 400, y: 300 }).x,
    );
  });

  it("reveals a position by the least movement", () => {
    const view = { scale: 10, offsetX: 0, offsetY: 0 };
    expect(viewport.reveal(view, { x: 20, y: 20 }, image, canvas)).toBe(view);
    const moved = viewport.reveal(view, { x: 100, y: 20 }, image, canvas);
    expect(viewport.toScreen(moved, { x: 100, y: 20 })).toEqual({ x: 768, y: 205 });
  });

  it("zooms alike whatever unit the wheel has", () => {
    expect(viewport.wheelFactor(-16, 0, false)).toBeCloseTo(viewport.wheelFactor(-1, 1, false));
    expect(viewport.wheelFactor(-10, 0, false)).toBeGreaterThan(1);
    expect(viewport.wheelFactor(10, 0, true)).toBeLessThan(viewport.wheelFactor(10, 0, false));
    expect(viewport.wheelFactor(1e9, 0, false)).toBeGreaterThan(0.5);
  });
});

import { describe, expect, it } from "vitest";
import { boxOf, corners, MOST_CORNERS, simplified } from "../src/tools/geometry";
import type { Point } from "../src/viewport";

/** The same numbers every time. */
function wander(count: number): Point[] {
  let seed = 7;
  const next = (): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648 - 0.5;
  };
  const points: Point[] = [{ x: 50, y: 50 }];
  for (let index = 1; index < count; index++) {
    const last = points[index - 1] as Point;
    points.push({ x: last.x + 6 * next(), y: last.y + 6 * next() });
  }
  return points;
}

function gap(point: Point, line: readonly Point[]): number {
  const gaps = line.slice(1).map((to, index) => {
    const from = line[index] as Point;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = dx * dx + dy * dy || 1;
    const t = Math.min(
      1,
      Math.max(0, ((point.x - from.x) * dx + (point.y - from.y) * dy) / length),
    );
    return Math.hypot(point.x - from.x - t * dx, point.y - from.y - t * dy);
  });
  return Math.min(...gaps);
}

describe("simplified", () => {
  it("keeps the corners of a line and drops what lies on it", () => {
    const points = [0, 1, 2, 3, 4].map((x) => ({ x, y: 0 })).concat([{ x: 4, y: 9 }]);
    expect(simplified(points, 0.1)).toEqual([
      { x: 0, y: 0 },
      { x: 4, y: 0 },
      { x: 4, y: 9 },
    ]);
  });

  it("stays within the tolerance of every point", () => {
    const points = wander(800);
    for (const tolerance of [0.25, 1, 5]) {
      const line = simplified(points, tolerance);
      expect(line.length).toBeLessThan(points.length);
      expect(line[0]).toEqual(points[0]);
      expect(line.at(-1)).toEqual(points.at(-1));
      for (const point of points) expect(gap(point, line)).toBeLessThanOrEqual(tolerance + 1e-9);
    }
  });

  it("keeps a dot, and a loop that ends where it begins", () => {
    expect(simplified([{ x: 1, y: 2 }], 1)).toEqual([{ x: 1, y: 2 }]);
    const loop = [
      { x: 0, y: 0 },
      { x: 9, y: 0 },
      { x: 9, y: 9 },
      { x: 0, y: 0 },
    ];
    expect(simplified(loop, 0.5)).toEqual(loop);
  });
});

describe("corners", () => {
  it("are rounded to a hundredth of a pixel", () => {
    const line = [
      { x: 1.23456, y: 2 },
      { x: 9.999, y: -0.5 },
    ];
    expect(corners(line, 1)).toEqual([1.23, 2, 10, -0.5]);
  });

  it("are as fine as the screen shows them", () => {
    const bump = [
      { x: 0, y: 0 },
      { x: 5, y: 0.2 },
      { x: 10, y: 0 },
    ];
    expect(corners(bump, 1)).toHaveLength(4);
    expect(corners(bump, 4)).toHaveLength(6);
  });

  it("fit into a message however long the line is", () => {
    const sent = corners(wander(60000), 64);
    expect(sent.length).toBeLessThanOrEqual(2 * MOST_CORNERS);
    expect(JSON.stringify(sent).length).toBeLessThan(100_000);
  });
});

it("a box holds the pixels that its corners touch", () => {
  expect(boxOf({ x: 3, y: 4 }, { x: 3, y: 4 })).toEqual([3, 4, 4, 5]);
  expect(boxOf({ x: 9.4, y: 4.6 }, { x: 2.6, y: 1.2 })).toEqual([3, 1, 10, 6]);
  expect(boxOf({ x: -3, y: -0.4 }, { x: 2.5, y: 1 })).toEqual([-3, 0, 3, 2]);
});

/** Lines that people draw, as they are kept and sent. */

import type { Point } from "../viewport";

/** Decimals of a position on the wire: a hundredth of a pixel is plenty. */
const FINENESS = 100;

/** Most corners of a shape on the wire; with two numbers of about 8 letters each, 80 kB. */
export const MOST_CORNERS = 4500;

const round = (value: number): number => Math.round(value * FINENESS) / FINENESS;

/** How far a point lies from the line between two others, squared. */
function offLine(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : ((point.x - from.x) * dx + (point.y - from.y) * dy) / length;
  const share = Math.min(1, Math.max(0, along));
  return (point.x - from.x - share * dx) ** 2 + (point.y - from.y - share * dy) ** 2;
}

/**
 * The line with as few corners as stay within `tolerance` of it (Douglas and Peucker 1973). The
 * ends stay.
 */
export function simplified(points: readonly Point[], tolerance: number): Point[] {
  if (points.length < 3) return [...points];
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const spans: [number, number][] = [[0, points.length - 1]];
  for (let span = spans.pop(); span !== undefined; span = spans.pop()) {
    const [first, last] = span;
    const [from, to] = [points[first], points[last]];
    if (from === undefined || to === undefined) continue;
    let farthest = first;
    let most = tolerance * tolerance;
    for (let index = first + 1; index < last; index++) {
      const off = offLine(points[index] as Point, from, to);
      if (off > most) {
        most = off;
        farthest = index;
      }
    }
    if (farthest === first) continue;
    keep[farthest] = 1;
    spans.push([first, farthest], [farthest, last]);
  }
  return points.filter((_, index) => keep[index] === 1);
}

/**
 * A line as it is sent: corners `x, y, x, y, …`, simplified by a quarter of a pixel on the screen,
 * by more only if it were too long otherwise. `scale`: CSS pixels per pixel of the image.
 */
export function corners(points: readonly Point[], scale: number): number[] {
  let tolerance = 0.25 / scale;
  let line = simplified(points, tolerance);
  while (line.length > MOST_CORNERS) {
    tolerance *= 2;
    line = simplified(line, tolerance);
  }
  return line.flatMap(({ x, y }) => [round(x), round(y)]);
}

/** Half-open box of whole pixels that two corners of a drawn rectangle touch. */
export function boxOf(a: Point, b: Point): [number, number, number, number] {
  const low = (p: number, q: number): number => Math.floor(Math.min(p, q) + 0.5);
  const high = (p: number, q: number): number => Math.ceil(Math.max(p, q) + 0.5);
  const [x0, y0] = [low(a.x, b.x), low(a.y, b.y)];
  return [x0, y0, Math.max(high(a.x, b.x), x0 + 1), Math.max(high(a.y, b.y), y0 + 1)];
}

export const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);

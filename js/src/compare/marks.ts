/** The pointer as the other panes show it, and clicks that can be moved. */

import type { ClickData } from "../protocol";
import { type Point, toScreen, type Viewport } from "../viewport";

/** How near to a click's middle a press takes it, in CSS pixels. */
const REACH = 9;

/** Number of the click under a screen position; of several, the latest. */
export function nearestClick(
  clicks: readonly ClickData[],
  at: Point,
  view: Viewport,
): number | null {
  let best: number | null = null;
  let least = REACH;
  clicks.forEach((click, index) => {
    const there = toScreen(view, click);
    const distance = Math.hypot(there.x - at.x, there.y - at.y);
    if (distance > least) return;
    least = distance;
    best = index;
  });
  return best;
}

/** A hundredth of a pixel is plenty, and keeps the log readable. */
export function movedClick({ x, y }: Point): Point {
  return { x: Math.round(x * 100) / 100, y: Math.round(y * 100) / 100 };
}

/** Where the pointer is in another pane: a ring with four ticks. */
export function drawPointer(context: CanvasRenderingContext2D, at: Point): void {
  const path = new Path2D();
  path.arc(at.x, at.y, 4, 0, 2 * Math.PI);
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    path.moveTo(at.x + dx * 7, at.y + dy * 7);
    path.lineTo(at.x + dx * 13, at.y + dy * 13);
  }
  context.setLineDash([]);
  context.lineCap = "round";
  context.strokeStyle = "rgba(0, 0, 0, 0.55)";
  context.lineWidth = 3.5;
  context.stroke(path);
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1.5;
  context.stroke(path);
}

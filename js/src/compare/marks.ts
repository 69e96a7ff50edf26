/** The pointer as the other panes show it. */

import type { Point } from "../viewport";

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

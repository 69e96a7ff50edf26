/** Shapes while they are drawn, and until the kernel has taken them. */

import { NEGATIVE, POSITIVE, type Scene } from "../layers";
import { type Point, toScreen } from "../viewport";

export interface Shape {
  kind: "box" | "scribble" | "stroke" | "outline" | "polygon" | "dot";
  /** In pixels of the image. */
  points: Point[];
  /** Takes away, or says what is background. */
  negative: boolean;
  /** Of a stroke, in pixels of the image. */
  radius?: number;
}

const WHITE = "rgba(255, 255, 255, 0.95)";
const DARK = "rgba(0, 0, 0, 0.55)";
const ERASED = "rgba(255, 255, 255, 0.6)";

/** CSS pixels. */
const CORNER = 3.5;

function trace(scene: Scene, points: readonly Point[], closed: boolean): Path2D {
  const path = new Path2D();
  points.forEach((point, index) => {
    const { x, y } = toScreen(scene.view, point);
    if (index === 0) path.moveTo(x, y);
    else path.lineTo(x, y);
  });
  if (closed) path.closePath();
  // A dot has a length of nothing, which draws no caps.
  const [only] = points;
  if (points.length === 1 && only !== undefined) {
    const { x, y } = toScreen(scene.view, only);
    path.lineTo(x + 0.01, y);
  }
  return path;
}

/** A thin light line on a dark one, seen on any picture. */
function thin(scene: Scene, path: Path2D, dash: number[], colour = WHITE): void {
  const { context } = scene;
  context.lineJoin = "round";
  context.lineCap = "round";
  context.setLineDash([]);
  context.strokeStyle = DARK;
  context.lineWidth = 3;
  context.stroke(path);
  context.setLineDash(dash);
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke(path);
  context.setLineDash([]);
}

function tint(scene: Scene): string {
  const [red, green, blue] = scene.overlay.colour;
  const { opacity } = scene.state;
  return `rgba(${red}, ${green}, ${blue}, ${Math.max(0.25, opacity)})`;
}

function drawBox(scene: Scene, shape: Shape): void {
  const [from, to] = [shape.points[0], shape.points.at(-1)];
  if (from === undefined || to === undefined) return;
  const [a, b] = [toScreen(scene.view, from), toScreen(scene.view, to)];
  const path = new Path2D();
  path.rect(
    Math.min(a.x, b.x),
    Math.min(a.y, b.y),
    Math.abs(b.x - a.x) || 0.01,
    Math.abs(b.y - a.y) || 0.01,
  );
  thin(scene, path, [5, 4]);
}

function drawStroke(scene: Scene, shape: Shape): void {
  const { context, view } = scene;
  context.lineJoin = "round";
  context.lineCap = "round";
  context.setLineDash([]);
  context.lineWidth = Math.max(1, 2 * (shape.radius ?? 0) * view.scale);
  context.strokeStyle = shape.negative ? ERASED : tint(scene);
  context.stroke(trace(scene, shape.points, false));
}

function drawScribble(scene: Scene, shape: Shape): void {
  const { context } = scene;
  const path = trace(scene, shape.points, false);
  context.lineJoin = "round";
  context.lineCap = "round";
  context.setLineDash([]);
  context.strokeStyle = WHITE;
  context.lineWidth = 6;
  context.stroke(path);
  context.strokeStyle = shape.negative ? NEGATIVE : POSITIVE;
  context.lineWidth = 3.5;
  if (shape.negative) context.setLineDash([7, 5]);
  context.stroke(path);
  context.setLineDash([]);
}

function drawOutline(scene: Scene, shape: Shape, closed: boolean): void {
  const { context } = scene;
  const path = trace(scene, shape.points, true);
  context.fillStyle = shape.negative ? ERASED : tint(scene);
  context.globalAlpha = 0.6;
  context.fill(path);
  context.globalAlpha = 1;
  thin(scene, trace(scene, shape.points, closed), shape.negative ? [5, 4] : []);
}

function drawCorners(scene: Scene, shape: Shape): void {
  const { context } = scene;
  shape.points.forEach((point, index) => {
    const { x, y } = toScreen(scene.view, point);
    const dot = new Path2D();
    // The first corner, which closes the polygon, is larger.
    dot.arc(x, y, index === 0 ? CORNER + 1.5 : CORNER, 0, 2 * Math.PI);
    context.fillStyle = shape.negative ? NEGATIVE : POSITIVE;
    context.fill(dot);
    context.strokeStyle = WHITE;
    context.lineWidth = 1.5;
    context.stroke(dot);
  });
}

/** Draw a shape; `done`: it was finished and waits for the kernel. */
export function drawShape(scene: Scene, shape: Shape, done: boolean): void {
  const { context } = scene;
  context.save();
  if (shape.kind === "box") drawBox(scene, shape);
  else if (shape.kind === "stroke") drawStroke(scene, shape);
  else if (shape.kind === "scribble") drawScribble(scene, shape);
  else if (shape.kind === "dot") drawCorners(scene, shape);
  else drawOutline(scene, shape, done);
  if (shape.kind === "polygon" && !done) drawCorners(scene, shape);
  context.restore();
}

/** Draw how much a brush covers at a position. */
export function drawRing(scene: Scene, at: Point, radius: number): void {
  const { context, view } = scene;
  const { x, y } = toScreen(view, at);
  const ring = new Path2D();
  ring.arc(x, y, Math.max(1.5, radius * view.scale), 0, 2 * Math.PI);
  context.save();
  thin(scene, ring, []);
  context.restore();
}

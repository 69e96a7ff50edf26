/** What helps to see single pixels: the loupe and the pixel grid. */

import type { Point, Size, Viewport } from "./viewport";

/** CSS pixels from the loupe's rim to the pointer, which it never covers. */
const GAP = 26;
const EDGE = 4;
const SMALLEST = 16;
export const RADIUS = 76;

export interface Circle {
  x: number;
  y: number;
  radius: number;
}

/** Where the loupe goes: above the pointer if there is room, else below, left or right of it. */
export function besidePointer(pointer: Point, size: Size): Circle {
  let radius = Math.min(RADIUS, size.width / 2 - EDGE, size.height / 2 - EDGE);
  for (; ; radius *= 0.85) {
    const away = radius + GAP;
    const inside = (value: number, length: number): number =>
      Math.min(Math.max(value, radius + EDGE), length - radius - EDGE);
    const across = inside(pointer.x, size.width);
    const down = inside(pointer.y, size.height);
    const fits = (value: number, length: number): boolean =>
      value >= radius && value <= length - radius;
    for (const y of [pointer.y - away, pointer.y + away]) {
      if (fits(y, size.height)) return { x: across, y, radius };
    }
    for (const x of [pointer.x - away, pointer.x + away]) {
      if (fits(x, size.width) || radius < SMALLEST) return { x, y: down, radius };
    }
  }
}

/**
 * The viewport inside the loupe, whose top-left corner is that of the square around the circle:
 * `zoom` times as large as outside, with an image position in the middle.
 */
export function inLoupe(view: Viewport, at: Point, zoom: number, radius: number): Viewport {
  const scale = view.scale * zoom;
  return {
    scale,
    offsetX: radius - (at.x + 0.5) * scale,
    offsetY: radius - (at.y + 0.5) * scale,
  };
}

export interface LoupeLook {
  context: CanvasRenderingContext2D;
  ratio: number;
  size: Size;
  view: Viewport;
}

/**
 * Draw the loupe. `inside` draws what it shows on a canvas of its own size; the crosshair, in the
 * colour of the click that would come, leaves the pixel in the middle free.
 */
export function drawLoupe(
  look: LoupeLook,
  pointer: Point,
  at: Point,
  zoom: number,
  colour: string,
  inside: (look: LoupeLook) => void,
): Circle {
  const { context, ratio, size } = look;
  const circle = besidePointer(pointer, size);
  const { radius } = circle;
  // On whole device pixels, so that what is inside is drawn as sharply as what is outside.
  const left = Math.round((circle.x - radius) * ratio) / ratio;
  const top = Math.round((circle.y - radius) * ratio) / ratio;
  const view = inLoupe(look.view, at, zoom, radius);
  const side = 2 * radius;
  context.save();
  context.translate(left, top);
  context.beginPath();
  context.arc(radius, radius, radius, 0, 2 * Math.PI);
  context.clip();
  context.fillStyle = "#20242b";
  context.fillRect(0, 0, side, side);
  inside({ context, ratio, size: { width: side, height: side }, view });
  drawAim(context, radius, Math.max(3, view.scale / 2 + 1), colour);
  context.restore();
  context.setLineDash([]);
  for (const [width, style] of [
    [4.5, "rgba(0, 0, 0, 0.55)"],
    [2.5, "#ffffff"],
  ] as const) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.beginPath();
    context.arc(left + radius, top + radius, radius, 0, 2 * Math.PI);
    context.stroke();
  }
  return { x: left + radius, y: top + radius, radius };
}

function drawAim(
  context: CanvasRenderingContext2D,
  radius: number,
  free: number,
  colour: string,
): void {
  const path = new Path2D();
  const reach = Math.max(free + 8, radius * 0.45);
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    path.moveTo(radius + dx * free, radius + dy * free);
    path.lineTo(radius + dx * reach, radius + dy * reach);
  }
  context.setLineDash([]);
  context.lineCap = "butt";
  context.strokeStyle = "#ffffff";
  context.lineWidth = 3;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke(path);
}

/** CSS pixels per image pixel from which on the grid is drawn. */
export const GRID_FROM = 12;

/** Lines between the pixels of the image in sight. Returns how many. */
export function drawPixelGrid({ context, ratio, size, view }: LoupeLook, image: Size): number {
  if (view.scale < GRID_FROM) return 0;
  const path = new Path2D();
  const first = (offset: number): number => Math.max(0, Math.ceil(-offset / view.scale));
  const last = (offset: number, room: number, length: number): number =>
    Math.min(length, Math.floor((room - offset) / view.scale));
  const [left, top] = [first(view.offsetX), first(view.offsetY)];
  const right = last(view.offsetX, size.width, image.width);
  const bottom = last(view.offsetY, size.height, image.height);
  const onScreen = (offset: number, at: number): number =>
    (Math.round((offset + at * view.scale) * ratio) + 0.5) / ratio;
  const x0 = view.offsetX + Math.max(0, left - 1) * view.scale;
  const x1 = view.offsetX + Math.min(image.width, right + 1) * view.scale;
  const y0 = view.offsetY + Math.max(0, top - 1) * view.scale;
  const y1 = view.offsetY + Math.min(image.height, bottom + 1) * view.scale;
  for (let column = left; column <= right; column++) {
    path.moveTo(onScreen(view.offsetX, column), y0);
    path.lineTo(onScreen(view.offsetX, column), y1);
  }
  for (let row = top; row <= bottom; row++) {
    path.moveTo(x0, onScreen(view.offsetY, row));
    path.lineTo(x1, onScreen(view.offsetY, row));
  }
  context.setLineDash([]);
  context.lineWidth = 1 / ratio;
  context.strokeStyle = `rgba(128, 128, 128, ${Math.min(0.5, (view.scale - 8) / 30)})`;
  context.stroke(path);
  return Math.max(0, right - left + 1) + Math.max(0, bottom - top + 1);
}

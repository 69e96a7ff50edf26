/** Drawing a mask: its fill and its contour, tile by tile, at the size in which it is seen. */

import { type Segments, TILE } from "./contour";
import type { Size, Viewport } from "./viewport";

/** What can be drawn in tiles; see `Overlay`. */
export interface Filled {
  readonly width: number;
  readonly height: number;
  /** `hard`: without a soft edge. */
  fill(column: number, row: number, depth: number, hard: boolean): HTMLCanvasElement | boolean;
}

export interface Outlined extends Filled {
  contour(column: number, row: number, depth: number, exact: boolean): Segments;
}

/** Where things are drawn: `size` is that of the part of the canvas, in CSS pixels. */
export interface Place {
  context: CanvasRenderingContext2D;
  /** Device pixels per CSS pixel. */
  ratio: number;
  size: Size;
  view: Viewport;
}

/** Above this many device pixels per image pixel, fill and contour follow the pixels' edges. */
export const EXACT = 5;

/** With more line pieces than this in sight, the contour is drawn more simply, but in time. */
const MANY = 20000;

const HALO = "rgba(255, 255, 255, 0.85)";

interface InSight {
  /** How often the mask is halved: finer than the screen would only cost time. */
  depth: number;
  /** CSS pixels per pixel of the mask so halved. */
  step: number;
  tiles: { column: number; row: number }[];
}

/** `margin`: CSS pixels around the place that count as in sight. */
function inSight({ view, size, ratio }: Place, mask: Filled, margin: number): InSight {
  const depth = Math.max(0, Math.floor(Math.log2(1 / (view.scale * ratio)) + 1e-6));
  const step = view.scale * 2 ** depth;
  const side = step * TILE;
  const end = (offset: number, room: number, length: number): number =>
    Math.min(Math.ceil(length / 2 ** depth / TILE), Math.ceil((room + margin - offset) / side));
  const tiles: InSight["tiles"] = [];
  const bottom = end(view.offsetY, size.height, mask.height);
  const right = end(view.offsetX, size.width, mask.width);
  const first = (offset: number): number => Math.max(0, Math.floor((-offset - margin) / side));
  for (let row = first(view.offsetY); row < bottom; row++) {
    for (let column = first(view.offsetX); column < right; column++) {
      tiles.push({ column, row });
    }
  }
  return { depth, step, tiles };
}

/** Fill the mask, opaque: set the context's `globalAlpha` before. */
export function drawFill(place: Place, mask: Filled, colour: string): void {
  const { context, view, ratio } = place;
  const { depth, step, tiles } = inSight(place, mask, 0);
  // Pieces meet on whole device pixels, or seams would shine through.
  const onScreen = (offset: number, at: number): number =>
    Math.round((offset + at * step) * ratio) / ratio;
  const hard = step * ratio >= EXACT;
  context.imageSmoothingEnabled = !hard;
  context.imageSmoothingQuality = "low";
  context.fillStyle = colour;
  for (const { column, row } of tiles) {
    const tint = mask.fill(column, row, depth, hard);
    if (tint === false) continue;
    const end = (start: number, length: number): number =>
      Math.min(start + TILE, Math.ceil(length / 2 ** depth));
    const [x, y] = [column * TILE, row * TILE];
    const left = onScreen(view.offsetX, x);
    const top = onScreen(view.offsetY, y);
    const width = onScreen(view.offsetX, end(x, mask.width)) - left;
    const height = onScreen(view.offsetY, end(y, mask.height)) - top;
    if (width <= 0 || height <= 0) continue;
    if (tint === true) context.fillRect(left, top, width, height);
    else context.drawImage(tint, left, top, width, height);
  }
}

let layer: HTMLCanvasElement | null = null;

/** Fill what is outside of the mask and inside of the picture. */
export function drawOutside(place: Place, mask: Filled, style: string | CanvasPattern): void {
  const { context, ratio, size, view } = place;
  layer ??= document.createElement("canvas");
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  // Setting a size clears, and takes time.
  if (layer.width !== width || layer.height !== height) {
    layer.width = width;
    layer.height = height;
  }
  const over = layer.getContext("2d");
  if (over === null) return;
  over.setTransform(1, 0, 0, 1, 0, 0);
  over.globalCompositeOperation = "copy";
  over.fillStyle = style;
  over.fillRect(0, 0, width, height);
  over.globalCompositeOperation = "destination-out";
  over.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawFill({ context: over, ratio, size, view }, mask, "#000000");
  context.save();
  context.beginPath();
  context.rect(view.offsetX, view.offsetY, mask.width * view.scale, mask.height * view.scale);
  context.clip();
  context.drawImage(layer, 0, 0, size.width, size.height);
  context.restore();
}

const SQUARE = 8;
let squares: HTMLCanvasElement | null = null;

/** The pattern that stands for "nothing there" in every picture editor. */
export function checkerboard(context: CanvasRenderingContext2D): CanvasPattern | string {
  if (squares === null) {
    squares = document.createElement("canvas");
    squares.width = 2 * SQUARE;
    squares.height = 2 * SQUARE;
    const over = squares.getContext("2d");
    if (over === null) return "#ffffff";
    over.fillStyle = "#ffffff";
    over.fillRect(0, 0, 2 * SQUARE, 2 * SQUARE);
    over.fillStyle = "#c9ced6";
    over.fillRect(0, 0, SQUARE, SQUARE);
    over.fillRect(SQUARE, SQUARE, SQUARE, SQUARE);
  }
  return context.createPattern(squares, "repeat") ?? "#ffffff";
}

/** Draw the contour in CSS pixels' `width`, with a light halo that sets it off from the picture. */
export function drawContour(place: Place, mask: Outlined, colour: string, width: number): void {
  const { context, view, ratio } = place;
  const { depth, step, tiles } = inSight(place, mask, width + 2);
  const exact = step * ratio >= EXACT;
  const path = new Path2D();
  let count = 0;
  for (const { column, row } of tiles) {
    const pieces = mask.contour(column, row, depth, exact);
    count += pieces.length / 4;
    for (let index = 0; index < pieces.length; index += 4) {
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = pieces.subarray(index, index + 4);
      const follows = index > 0 && x0 === pieces[index - 2] && y0 === pieces[index - 1];
      if (!follows) path.moveTo(view.offsetX + x0 * step, view.offsetY + y0 * step);
      path.lineTo(view.offsetX + x1 * step, view.offsetY + y1 * step);
    }
  }
  if (count === 0) return;
  const plain = count > MANY;
  context.lineCap = plain ? "butt" : "round";
  context.lineJoin = plain ? "bevel" : "round";
  context.setLineDash([]);
  if (!plain) {
    context.strokeStyle = HALO;
    context.lineWidth = width + 1.5;
    context.stroke(path);
  }
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

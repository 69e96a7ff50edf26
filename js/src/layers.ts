/** Drawing: the picture, the mask, the views, the clicks and the crosshair, in this order. */

import { checkerboard, drawContour, drawFill, drawOutside } from "./mask-layer";
import type { OthersOverlay } from "./others";
import type { Colour, Overlay } from "./overlay";
import type { ViewBox } from "./protocol";
import type { Pyramid } from "./pyramid";
import type { Still, StillPicture } from "./still";
import type { State } from "./store/state";
import { type Point, type Size, toScreen, type Viewport } from "./viewport";

/** Tint of the mask until its object's colour is known. */
export const MASK: Colour = [37, 132, 255];
/** Okabe and Ito's bluish green and vermilion: told apart by every kind of colour vision. */
export const POSITIVE = "#009e73";
export const NEGATIVE = "#d55e00";

const SHADE = "rgba(0, 0, 0, 0.55)";
const FONT = '600 10px system-ui, -apple-system, "Segoe UI", sans-serif';

const INSET = 3;

interface ViewStyle {
  label: string;
  colour: string;
  dash: number[];
}

/** Boxes differ in dash and label as well as in colour. */
const VIEW_STYLES: Record<string, ViewStyle> = {
  target_crop: { label: "target crop", colour: "#f0e442", dash: [] },
  zoom_in: { label: "zoom-in", colour: "#f0e442", dash: [] },
  focus_crop: { label: "focus crop", colour: "#ff8fd0", dash: [6, 4] },
  focus_view: { label: "focus view", colour: "#ff8fd0", dash: [6, 4] },
  roi: { label: "region", colour: "#ffb454", dash: [2, 3] },
};

export interface Scene {
  context: CanvasRenderingContext2D;
  /** Device pixels per CSS pixel. */
  ratio: number;
  size: Size;
  view: Viewport;
  state: State;
  picture: Pyramid | null;
  overlay: Overlay;
  others: OthersOverlay;
}

/**
 * Draw everything; `between` draws above the mask and below the clicks. What moves along with the
 * picture is kept in `still`, unless `mask` draws in the mask's place.
 */
export function draw(
  scene: Scene,
  still: Still,
  between: () => void,
  mask: ((scene: Scene) => void) | null,
): void {
  const { context, ratio, size, state, overlay, others } = scene;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  const looks = [
    ...[state.showMask, state.opacity, state.modes, state.image],
    ...[overlay, overlay.rev, overlay.colour, others.version],
  ];
  if (mask === null) {
    still.draw(scene, scene.picture, looks, (place, all) => {
      drawStill({ ...scene, ...place }, drawMask, all ? still.picture : null);
    });
  } else {
    still.forget();
    drawStill(scene, mask, still.picture);
  }
  if (state.showViews) drawViews(scene);
  between();
  drawClicks(scene);
  if (state.cursor !== null) drawCrosshair(context, toScreen(scene.view, state.cursor), state);
}

/** What moves along with the picture; `picture` keeps the picture itself while it does not move. */
function drawStill(scene: Scene, mask: (scene: Scene) => void, picture: StillPicture | null): void {
  if (picture !== null) picture.draw(scene, scene.picture);
  else scene.picture?.draw(scene.context, scene.view, scene.size, scene.ratio);
  if (!scene.state.showMask) return;
  drawOthers(scene);
  mask(scene);
}

/** Draw a grid of any resolution over the whole image. */
export function place(scene: Scene, source: CanvasImageSource): void {
  const { context, view, state } = scene;
  context.drawImage(
    source,
    view.offsetX,
    view.offsetY,
    state.image.width * view.scale,
    state.image.height * view.scale,
  );
}

function drawOthers(scene: Scene): void {
  const { context, others, state } = scene;
  if (others.isEmpty || state.opacity === 0) return;
  context.globalAlpha = state.opacity;
  drawFill(scene, others, "");
  context.globalAlpha = 1;
}

/** The active mask as the modes want it; its grid may be coarser than the image. */
export function drawMask(scene: Scene): void {
  const { context, overlay, state, view } = scene;
  if (overlay.width === 0) return;
  const scale = (view.scale * state.image.width) / overlay.width;
  const place = { ...scene, view: { ...view, scale } };
  const { background, invert, mask_display: display, contour_width: width } = state.modes;
  const colour = `rgb(${overlay.colour.join(" ")})`;
  if (background === "dimmed") drawOutside(place, overlay, "rgb(16 18 22 / 78%)");
  else if (background === "checkerboard") drawOutside(place, overlay, checkerboard(context));
  else if (display !== "contour" && state.opacity > 0) {
    context.globalAlpha = state.opacity;
    if (invert) drawOutside(place, overlay, colour);
    else drawFill(place, overlay, colour);
    context.globalAlpha = 1;
  }
  if (display !== "fill") drawContour(place, overlay, colour, width);
}

function drawViews(scene: Scene): void {
  const { context, view, size, state } = scene;
  context.font = FONT;
  context.lineCap = "butt";
  for (const item of state.views) {
    const [x0, y0, x1, y1] = item.box;
    const from = toScreen(view, { x: x0 - 0.5, y: y0 - 0.5 });
    const to = toScreen(view, { x: x1 - 0.5, y: y1 - 0.5 });
    // A box along the picture's border stays visible when the picture fills the canvas.
    if (x0 <= 0) from.x = Math.max(from.x, INSET);
    if (y0 <= 0) from.y = Math.max(from.y, INSET);
    if (x1 >= state.image.width) to.x = Math.min(to.x, size.width - INSET);
    if (y1 >= state.image.height) to.y = Math.min(to.y, size.height - INSET);
    const style = VIEW_STYLES[item.kind] ?? { label: item.kind, colour: "#ffffff", dash: [4, 4] };
    const width = to.x - from.x;
    const height = to.y - from.y;
    context.setLineDash([]);
    context.strokeStyle = SHADE;
    context.lineWidth = 4;
    context.strokeRect(from.x, from.y, width, height);
    context.setLineDash(style.dash);
    context.strokeStyle = style.colour;
    context.lineWidth = 2;
    context.strokeRect(from.x, from.y, width, height);
    context.setLineDash([]);
    drawLabel(scene, style, item, from, to);
  }
}

function drawLabel(scene: Scene, style: ViewStyle, item: ViewBox, from: Point, to: Point): void {
  const { context, size } = scene;
  const width = context.measureText(style.label).width + 10;
  // The outer box is labelled above its corner, an inner one below, so that they do not collide.
  const inner = item.kind.startsWith("focus");
  const y = inner ? Math.min(to.y, size.height - 16) : Math.max(from.y - 16, 0);
  const x = Math.min(Math.max(from.x - 1, 0), Math.max(size.width - width, 0));
  context.fillStyle = style.colour;
  context.fillRect(x, y, width, 16);
  context.fillStyle = "#1b1b1b";
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(style.label, x + 5, y + 8.5);
}

function drawClicks(scene: Scene): void {
  const { context, view, state } = scene;
  context.font = FONT;
  state.clicks.forEach((click, index) => {
    const latest = index === state.clicks.length - 1 && state.pending.length === 0;
    drawClick(context, toScreen(view, click), click.positive, index + 1, latest, false);
  });
  state.pending.forEach((click, index) => {
    const order = state.clicks.length + index + 1;
    drawClick(context, toScreen(view, click), click.positive, order, true, true);
  });
}

const RADIUS = 7.5;

/** A disk with a plus or a square with a minus, and the click's number beside it. */
function drawClick(
  context: CanvasRenderingContext2D,
  at: Point,
  positive: boolean,
  order: number,
  latest: boolean,
  pending: boolean,
): void {
  const shape = new Path2D();
  if (positive) shape.arc(at.x, at.y, RADIUS, 0, 2 * Math.PI);
  else shape.roundRect(at.x - RADIUS + 0.5, at.y - RADIUS + 0.5, 2 * RADIUS - 1, 2 * RADIUS - 1, 2);
  context.setLineDash([]);
  context.lineCap = "butt";
  if (latest) {
    context.strokeStyle = SHADE;
    context.lineWidth = 6;
    context.stroke(shape);
  }
  context.globalAlpha = pending ? 0.7 : 1;
  context.fillStyle = positive ? POSITIVE : NEGATIVE;
  context.fill(shape);
  context.globalAlpha = 1;
  context.strokeStyle = "#ffffff";
  context.lineWidth = latest ? 2.25 : 1.5;
  if (pending) context.setLineDash([3, 2.5]);
  context.stroke(shape);
  context.setLineDash([]);
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(at.x - 3.5, at.y);
  context.lineTo(at.x + 3.5, at.y);
  if (positive) {
    context.moveTo(at.x, at.y - 3.5);
    context.lineTo(at.x, at.y + 3.5);
  }
  context.stroke();
  drawOrder(context, { x: at.x + RADIUS + 1, y: at.y - RADIUS - 1 }, order);
}

function drawOrder(context: CanvasRenderingContext2D, at: Point, order: number): void {
  const text = String(order);
  const width = Math.max(13, context.measureText(text).width + 7);
  const pill = new Path2D();
  pill.roundRect(at.x - 5, at.y - 7.5, width, 13, 6.5);
  context.fillStyle = "rgba(20, 22, 26, 0.88)";
  context.fill(pill);
  context.fillStyle = "#ffffff";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, at.x - 5 + width / 2, at.y - 0.5);
}

function drawCrosshair(context: CanvasRenderingContext2D, at: Point, state: State): void {
  const path = new Path2D();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    path.moveTo(at.x + dx * 10, at.y + dy * 10);
    path.lineTo(at.x + dx * 22, at.y + dy * 22);
  }
  context.setLineDash([]);
  context.lineCap = "round";
  context.strokeStyle = "#ffffff";
  context.lineWidth = 4;
  context.stroke(path);
  context.strokeStyle = state.tool === "negative" ? NEGATIVE : POSITIVE;
  context.lineWidth = 2;
  context.stroke(path);
}

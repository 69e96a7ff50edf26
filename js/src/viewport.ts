/**
 * Pan and zoom as pure functions. Image positions are pixels with (0, 0) at the centre of the
 * top-left pixel, screen positions CSS pixels from the canvas' top-left corner:
 * `screen = offset + (image + 0.5) * scale`.
 */

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Viewport {
  scale: number;
  offsetX: number;
  offsetY: number;
}

export const MAX_SCALE = 64;
/** CSS pixels of the image that stay in sight however far it is panned. */
const KEEP = 48;

export function toScreen(view: Viewport, point: Point): Point {
  return {
    x: view.offsetX + (point.x + 0.5) * view.scale,
    y: view.offsetY + (point.y + 0.5) * view.scale,
  };
}

export function toImage(view: Viewport, point: Point): Point {
  return {
    x: (point.x - view.offsetX) / view.scale - 0.5,
    y: (point.y - view.offsetY) / view.scale - 0.5,
  };
}

/** Whether an image position lies on a pixel. */
export function isInside(point: Point, image: Size): boolean {
  return (
    point.x >= -0.5 &&
    point.y >= -0.5 &&
    point.x < image.width - 0.5 &&
    point.y < image.height - 0.5
  );
}

/** The same, moved by less than a device pixel, so that what is drawn twice is drawn alike. */
export function onDevicePixels(view: Viewport, ratio: number): Viewport {
  const whole = (offset: number): number => Math.round(offset * ratio) / ratio;
  return { scale: view.scale, offsetX: whole(view.offsetX), offsetY: whole(view.offsetY) };
}

function centred(scale: number, image: Size, canvas: Size): Viewport {
  return {
    scale,
    offsetX: (canvas.width - image.width * scale) / 2,
    offsetY: (canvas.height - image.height * scale) / 2,
  };
}

function fitScale(image: Size, canvas: Size): number {
  return Math.min(canvas.width / image.width, canvas.height / image.height, MAX_SCALE);
}

/** The whole image, as large as it goes. */
export function fit(image: Size, canvas: Size): Viewport {
  return centred(fitScale(image, canvas), image, canvas);
}

/** Smallest scale that zooming out reaches: a quarter of the fit, and never above 1:1. */
export function minScale(image: Size, canvas: Size): number {
  return Math.min(1, fitScale(image, canvas) / 4);
}

/** Keep a strip of the image in sight. */
export function clamp(view: Viewport, image: Size, canvas: Size): Viewport {
  const bound = (offset: number, length: number, room: number): number => {
    const keep = Math.min(KEEP, length, room);
    return Math.min(Math.max(offset, keep - length), room - keep);
  };
  return {
    scale: view.scale,
    offsetX: bound(view.offsetX, image.width * view.scale, canvas.width),
    offsetY: bound(view.offsetY, image.height * view.scale, canvas.height),
  };
}

export function pan(view: Viewport, dx: number, dy: number, image: Size, canvas: Size): Viewport {
  return clamp(
    { scale: view.scale, offsetX: view.offsetX + dx, offsetY: view.offsetY + dy },
    image,
    canvas,
  );
}

/** Zoom to `scale` while the image position under `anchor` (screen) stays where it is. */
export function zoomTo(
  view: Viewport,
  scale: number,
  anchor: Point,
  image: Size,
  canvas: Size,
): Viewport {
  const next = Math.min(MAX_SCALE, Math.max(minScale(image, canvas), scale));
  const ratio = next / view.scale;
  return clamp(
    {
      scale: next,
      offsetX: anchor.x - (anchor.x - view.offsetX) * ratio,
      offsetY: anchor.y - (anchor.y - view.offsetY) * ratio,
    },
    image,
    canvas,
  );
}

/** The same image position in the middle after the canvas changed its size. */
export function resized(view: Viewport, before: Size, after: Size, image: Size): Viewport {
  return pan(
    view,
    (after.width - before.width) / 2,
    (after.height - before.height) / 2,
    image,
    after,
  );
}

/** Move just as far as needed for an image position to be at least `margin` inside the canvas. */
export function reveal(view: Viewport, point: Point, image: Size, canvas: Size): Viewport {
  const margin = Math.min(32, canvas.width / 4, canvas.height / 4);
  const at = toScreen(view, point);
  const shift = (position: number, room: number): number =>
    Math.max(margin - position, 0) + Math.min(room - margin - position, 0);
  const dx = shift(at.x, canvas.width);
  const dy = shift(at.y, canvas.height);
  return dx === 0 && dy === 0 ? view : pan(view, dx, dy, image, canvas);
}

/** Zoom factor of a wheel event, whatever unit the browser reports. */
export function wheelFactor(deltaY: number, deltaMode: number, pinch: boolean): number {
  const pixels = deltaY * (deltaMode === 1 ? 16 : deltaMode === 2 ? 400 : 1);
  return Math.exp(-Math.min(240, Math.max(-240, pixels)) * (pinch ? 0.01 : 0.002));
}

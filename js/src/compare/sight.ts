/** What is in sight: one viewport for all panes. */

import * as viewport from "../viewport";

export class Sight {
  view: viewport.Viewport = { scale: 1, offsetX: 0, offsetY: 0 };
  /** Of each canvas, in CSS pixels. */
  size: viewport.Size = { width: 0, height: 0 };
  readonly #image: viewport.Size;
  readonly #changed: () => void;
  /** Whether the picture follows the canvases' size. */
  #fitted = true;

  constructor(image: viewport.Size, changed: () => void) {
    this.#image = image;
    this.#changed = changed;
  }

  fit(): void {
    this.#fitted = true;
    this.#show(viewport.fit(this.#image, this.size));
  }

  pan(dx: number, dy: number): void {
    this.show(viewport.pan(this.view, dx, dy, this.#image, this.size));
  }

  zoom(at: viewport.Point, factor: number): void {
    const scale = this.view.scale * factor;
    this.show(viewport.zoomTo(this.view, scale, at, this.#image, this.size));
  }

  show(view: viewport.Viewport): void {
    this.#fitted = false;
    this.#show(view);
  }

  resize(size: viewport.Size): void {
    const before = this.size;
    this.size = size;
    if (this.#fitted) this.fit();
    else this.#show(viewport.resized(this.view, before, size, this.#image));
  }

  /** The position in pixels of the image. */
  pixel(at: viewport.Point): viewport.Point {
    return viewport.toImage(this.view, at);
  }

  isInside(pixel: viewport.Point): boolean {
    return viewport.isInside(pixel, this.#image);
  }

  #show(view: viewport.Viewport): void {
    this.view = view;
    this.#changed();
  }
}

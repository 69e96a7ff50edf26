/**
 * What moves along when the picture is moved (the picture itself, the masks) kept as pieces of the
 * screen. While only the position changes they are copied; all else draws anew.
 */

import type { Place } from "./mask-layer";
import type { Pyramid } from "./pyramid";

/** Side of a piece in device pixels. */
const PIECE = 256;
/** Pieces that are kept: several screens full. */
const MOST = 96;

interface Piece {
  canvas: HTMLCanvasElement;
  column: number;
  row: number;
}

export class Still {
  #key: readonly unknown[] = [];
  readonly #pieces = new Map<string, Piece>();
  #pyramid: Pyramid | null = null;
  /** How many tiles of the picture had come when the pieces were last checked. */
  #seen = 0;
  /** Pieces painted so far. */
  painted = 0;

  /**
   * Draw by `paint`, or from pieces if `key` and scale are those of the last frame. The offsets of
   * the view must be whole device pixels.
   */
  draw(
    place: Place,
    pyramid: Pyramid | null,
    key: readonly unknown[],
    paint: (place: Place) => void,
  ): void {
    const { view, ratio } = place;
    const now = [view.scale, ratio, pyramid, ...key];
    const same = now.length === this.#key.length && now.every((part, at) => part === this.#key[at]);
    this.#key = now;
    if (!same) {
      this.#pieces.clear();
      this.#pyramid = pyramid;
      this.#seen = pyramid?.news.length ?? 0;
      paint(place);
      return;
    }
    this.#dropOutdated(place);
    this.#copy(place, paint);
  }

  /** What was drawn is not what `draw` would draw now. */
  forget(): void {
    this.#key = [];
    this.#pieces.clear();
  }

  /** Drop pieces that show a tile which came since. */
  #dropOutdated({ view, ratio }: Place): void {
    const news = this.#pyramid?.news ?? [];
    const side = PIECE / ratio / view.scale;
    for (; this.#seen < news.length; this.#seen++) {
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = news[this.#seen] ?? [];
      for (const [name, { column, row }] of this.#pieces) {
        const beside = (column + 1) * side <= x0 - 1 || column * side >= x1 + 1;
        const apart = (row + 1) * side <= y0 - 1 || row * side >= y1 + 1;
        if (!beside && !apart) this.#pieces.delete(name);
      }
    }
  }

  #copy(place: Place, paint: (place: Place) => void): void {
    const { context, view, size, ratio } = place;
    const side = PIECE / ratio;
    context.imageSmoothingEnabled = false;
    const first = (offset: number): number => Math.floor(-offset / side);
    const end = (offset: number, room: number): number => Math.ceil((room - offset) / side);
    for (let row = first(view.offsetY); row < end(view.offsetY, size.height); row++) {
      for (let column = first(view.offsetX); column < end(view.offsetX, size.width); column++) {
        const { canvas } = this.#piece(column, row, place, paint);
        const [x, y] = [view.offsetX + column * side, view.offsetY + row * side];
        context.drawImage(canvas, x, y, side, side);
      }
    }
  }

  #piece(column: number, row: number, place: Place, paint: (place: Place) => void): Piece {
    const name = `${column},${row}`;
    let piece = this.#pieces.get(name);
    if (piece === undefined) {
      const spare = this.#oldest();
      const canvas = spare ?? document.createElement("canvas");
      canvas.width = PIECE; // clears
      canvas.height = PIECE;
      piece = { canvas, column, row };
      const context = canvas.getContext("2d");
      if (context !== null) {
        const { ratio, view } = place;
        const side = PIECE / ratio;
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        const offset = { offsetX: -column * side, offsetY: -row * side };
        paint({
          context,
          ratio,
          size: { width: side, height: side },
          view: { scale: view.scale, ...offset },
        });
        this.painted += 1;
      }
    } else {
      this.#pieces.delete(name);
    }
    this.#pieces.set(name, piece);
    return piece;
  }

  /** The canvas of the piece that was not used for longest, once there are many. */
  #oldest(): HTMLCanvasElement | null {
    if (this.#pieces.size < MOST) return null;
    for (const [name, { canvas }] of this.#pieces) {
      this.#pieces.delete(name);
      return canvas;
    }
    return null;
  }
}

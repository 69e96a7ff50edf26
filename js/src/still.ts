/**
 * What moves along when the picture is moved (the picture itself, the masks) is kept as it was
 * drawn: the last frame, which is copied while nothing changes, and pieces of the screen, which are
 * copied while only the position changes. All else draws anew.
 */

import type { Place } from "./mask-layer";
import type { Pyramid } from "./pyramid";

/** Side of a piece in device pixels. */
const PIECE = 256;
/** Pieces that are kept: several screens full. */
const MOST = 96;

type Paint = (place: Place) => void;

const equal = (one: readonly unknown[], two: readonly unknown[]): boolean =>
  one.length === two.length && one.every((part, at) => part === two[at]);

/** A frame that was drawn, for as long as nothing changes. */
export class Frame {
  readonly #canvas = document.createElement("canvas");
  #key: readonly unknown[] | null = null;

  /** Whether `draw` would only copy. */
  has(place: Place, key: readonly unknown[]): boolean {
    return this.#key !== null && equal(this.#key, keyOf(place, key));
  }

  /** Copy the frame; `paint` draws it where place or `key` are not those of the last time. */
  draw(place: Place, key: readonly unknown[], paint: Paint): void {
    const { size, ratio } = place;
    if (!this.has(place, key)) {
      const canvas = this.#canvas;
      canvas.width = Math.round(size.width * ratio); // clears
      canvas.height = Math.round(size.height * ratio);
      const context = canvas.getContext("2d");
      if (context === null) return;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      paint({ ...place, context });
      this.#key = keyOf(place, key);
    }
    place.context.imageSmoothingEnabled = false;
    place.context.drawImage(this.#canvas, 0, 0, size.width, size.height);
  }

  forget(): void {
    this.#key = null;
  }
}

function keyOf({ ratio, size, view }: Place, key: readonly unknown[]): unknown[] {
  return [ratio, size.width, size.height, view.scale, view.offsetX, view.offsetY, ...key];
}

/** The picture alone; `Still` holds it with the masks, which change more often. */
export class StillPicture {
  readonly #frame = new Frame();

  draw(place: Place, pyramid: Pyramid | null): void {
    if (pyramid === null) return;
    this.#frame.draw(place, [pyramid, pyramid.news.length], ({ context, view, size, ratio }) =>
      pyramid.draw(context, view, size, ratio),
    );
  }
}

interface Piece {
  canvas: HTMLCanvasElement;
  column: number;
  row: number;
}

export class Still {
  readonly picture = new StillPicture();
  readonly #frame = new Frame();
  #key: readonly unknown[] = [];
  readonly #pieces = new Map<string, Piece>();
  #pyramid: Pyramid | null = null;
  /** How many tiles of the picture had come when the pieces were last checked. */
  #seen = 0;
  /** Pieces painted so far. */
  painted = 0;

  /**
   * Draw by `paint`, or from pieces if `key` and scale are those of the last frame. The offsets of
   * the view must be whole device pixels. `paint` is told whether it draws all or a piece.
   */
  draw(
    place: Place,
    pyramid: Pyramid | null,
    key: readonly unknown[],
    paint: (place: Place, all: boolean) => void,
  ): void {
    const { view, ratio } = place;
    const now = [view.scale, ratio, pyramid, ...key];
    const news = pyramid?.news.length ?? 0;
    const same = equal(now, this.#key);
    if (!same) {
      this.#key = now;
      this.#pieces.clear();
      this.#pyramid = pyramid;
      this.#seen = news;
    }
    if (!same || this.#frame.has(place, [...now, news])) {
      this.#frame.draw(place, [...now, news], (whole) => paint(whole, true));
      return;
    }
    this.#dropOutdated(place);
    this.#copy(place, (piece) => paint(piece, false));
  }

  /** What was drawn is not what `draw` would draw now. */
  forget(): void {
    this.#key = [];
    this.#frame.forget();
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

  #copy(place: Place, paint: Paint): void {
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

  #piece(column: number, row: number, place: Place, paint: Paint): Piece {
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

/**
 * The picture. Small ones are one piece; of large ones there is a coarse piece, the base, and tiles
 * of finer levels, which are asked for when in sight. What is not there yet is drawn from the next
 * coarser piece, so there are never holes.
 */

import type { Size, Viewport } from "./viewport";

export interface TileKey {
  level: number;
  column: number;
  row: number;
}

/** How the kernel cuts the picture. */
export interface Cut {
  /** Level of the base; 0 when it is the whole picture. */
  level: number;
  /** Side of a tile in pixels of its level. */
  tile: number;
}

/** A rectangle: x0, y0, x1, y1. */
type Rect = [number, number, number, number];

/** Bytes of decoded tiles that are kept. */
export const BUDGET = 160 * 2 ** 20;
/** Requests under way at a time: enough to keep the wire busy, few enough to change one's mind. */
export const UNDER_WAY = 6;
/** Above this many device pixels per image pixel, pixels are drawn as squares. */
export const CRISP = 3;

const nameOf = (key: TileKey): string => `${key.level},${key.column},${key.row}`;

interface Held {
  picture: ImageBitmap;
  bytes: number;
}

export class Pyramid {
  readonly image: Size;
  readonly cut: Cut;
  readonly #base: ImageBitmap;
  readonly #ask: (key: TileKey) => void;
  readonly #held = new Map<string, Held>();
  readonly #asked = new Set<string>();
  readonly #failures = new Map<string, number>();
  /** Parts of the image that became sharper, in order. */
  readonly news: Rect[] = [];
  #bytes = 0;
  #wanted: TileKey[] = [];
  #closed = false;

  constructor(image: Size, cut: Cut, base: ImageBitmap, ask: (key: TileKey) => void) {
    this.image = image;
    this.cut = cut;
    this.#base = base;
    this.#ask = ask;
  }

  /** Tiles that are there, and those under way. */
  get count(): number {
    return this.#held.size;
  }

  get pending(): number {
    return this.#asked.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether all that is in sight is as sharp as it gets. */
  get complete(): boolean {
    return this.#wanted.every((key) => this.#held.has(nameOf(key)));
  }

  close(): void {
    this.#closed = true;
    this.#base.close();
    for (const { picture } of this.#held.values()) picture.close();
    this.#held.clear();
  }

  /** The level whose pixels are no larger than those of the screen, `density` of them an image's. */
  levelFor(density: number): number {
    const level = Math.floor(Math.log2(1 / density) + 1e-6);
    return Math.min(this.cut.level, Math.max(0, level));
  }

  /** A tile came. One that nobody waits for any more is kept as well, as long as there is room. */
  take(key: TileKey, picture: ImageBitmap): void {
    const name = nameOf(key);
    this.#asked.delete(name);
    if (this.#closed || this.#held.has(name)) {
      picture.close();
      return;
    }
    const bytes = 4 * picture.width * picture.height;
    this.#held.set(name, { picture, bytes });
    this.#bytes += bytes;
    this.news.push(this.box(key));
    this.#makeRoom();
    this.#send();
  }

  /** A tile did not come. It is asked for again, twice. */
  failed(key: TileKey): void {
    const name = nameOf(key);
    this.#asked.delete(name);
    this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
    this.#send();
  }

  /** Ask for what is in sight, the middle first; what no longer is, is not asked for. */
  look(view: Viewport, size: Size, ratio: number): void {
    const level = this.levelFor(view.scale * ratio);
    this.#wanted = level < this.cut.level ? this.#inSight(level, view, size) : [];
    const side = this.cut.tile * 2 ** level;
    const x = (size.width / 2 - view.offsetX) / view.scale / side - 0.5;
    const y = (size.height / 2 - view.offsetY) / view.scale / side - 0.5;
    const distance = (key: TileKey): number => (key.column - x) ** 2 + (key.row - y) ** 2;
    this.#wanted.sort((one, two) => distance(one) - distance(two));
    for (const key of this.#wanted) this.#touch(nameOf(key));
    this.#send();
  }

  /** What else is in sight, such as what a loupe shows. Comes after `look`. */
  lookAlso(view: Viewport, size: Size, ratio: number): void {
    const level = this.levelFor(view.scale * ratio);
    if (level >= this.cut.level) return;
    const known = new Set(this.#wanted.map(nameOf));
    for (const key of this.#inSight(level, view, size)) {
      this.#touch(nameOf(key));
      if (!known.has(nameOf(key))) this.#wanted.push(key);
    }
    this.#send();
  }

  /** Draw what is in sight. From `crisp` device pixels per image pixel on, pixels are squares. */
  draw(
    context: CanvasRenderingContext2D,
    view: Viewport,
    size: Size,
    ratio: number,
    crisp = CRISP,
  ): void {
    const density = view.scale * ratio;
    const level = this.levelFor(density);
    context.imageSmoothingEnabled = density < crisp;
    context.imageSmoothingQuality = "low";
    if (level >= this.cut.level) {
      const coarse = density * 2 ** this.cut.level < 0.75;
      context.imageSmoothingQuality = coarse ? "medium" : "low";
      this.#place(context, this.#base, [0, 0, this.image.width, this.image.height], view, ratio);
      return;
    }
    for (const key of this.#inSight(level, view, size)) this.#drawTile(context, key, view, ratio);
  }

  /** The part of the image that a tile shows. */
  box(key: TileKey): Rect {
    const side = this.cut.tile * 2 ** key.level;
    return [
      key.column * side,
      key.row * side,
      Math.min((key.column + 1) * side, this.image.width),
      Math.min((key.row + 1) * side, this.image.height),
    ];
  }

  #inSight(level: number, view: Viewport, size: Size): TileKey[] {
    const side = this.cut.tile * 2 ** level * view.scale;
    const first = (offset: number): number => Math.max(0, Math.floor(-offset / side));
    const last = (offset: number, room: number, length: number): number =>
      Math.min(Math.ceil((length * view.scale) / side), Math.ceil((room - offset) / side));
    const keys: TileKey[] = [];
    const bottom = last(view.offsetY, size.height, this.image.height);
    const right = last(view.offsetX, size.width, this.image.width);
    for (let row = first(view.offsetY); row < bottom; row++) {
      for (let column = first(view.offsetX); column < right; column++) {
        keys.push({ level, column, row });
      }
    }
    return keys;
  }

  #drawTile(context: CanvasRenderingContext2D, key: TileKey, view: Viewport, ratio: number): void {
    const target = this.box(key);
    for (let level = key.level; level < this.cut.level; level++) {
      const shift = level - key.level;
      const above = { level, column: key.column >> shift, row: key.row >> shift };
      const held = this.#held.get(nameOf(above));
      if (held !== undefined) {
        this.#place(context, held.picture, this.box(above), view, ratio, target);
        return;
      }
    }
    const whole: Rect = [0, 0, this.image.width, this.image.height];
    this.#place(context, this.#base, whole, view, ratio, target);
  }

  /** Draw the part `target` of the image from a picture that shows the part `shown` of it. */
  #place(
    context: CanvasRenderingContext2D,
    picture: ImageBitmap,
    shown: Rect,
    view: Viewport,
    ratio: number,
    target: Rect = shown,
  ): void {
    // Pieces meet on whole device pixels, or seams would shine through.
    const onScreen = (offset: number, at: number): number =>
      Math.round((offset + at * view.scale) * ratio) / ratio;
    const [x0, x1] = [onScreen(view.offsetX, target[0]), onScreen(view.offsetX, target[2])];
    const [y0, y1] = [onScreen(view.offsetY, target[1]), onScreen(view.offsetY, target[3])];
    if (x1 <= x0 || y1 <= y0) return;
    const across = picture.width / (shown[2] - shown[0]);
    const down = picture.height / (shown[3] - shown[1]);
    context.drawImage(
      picture,
      (target[0] - shown[0]) * across,
      (target[1] - shown[1]) * down,
      (target[2] - target[0]) * across,
      (target[3] - target[1]) * down,
      x0,
      y0,
      x1 - x0,
      y1 - y0,
    );
  }

  #send(): void {
    if (this.#closed) return;
    for (const key of this.#wanted) {
      if (this.#asked.size >= UNDER_WAY) return;
      const name = nameOf(key);
      if (this.#held.has(name) || this.#asked.has(name)) continue;
      if ((this.#failures.get(name) ?? 0) > 2) continue;
      this.#asked.add(name);
      this.#ask(key);
    }
  }

  /** The order of the map is that of use, latest last. */
  #touch(name: string): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    this.#held.delete(name);
    this.#held.set(name, held);
  }

  #makeRoom(): void {
    const needed = new Set(this.#wanted.map(nameOf));
    for (const [name, { picture, bytes }] of this.#held) {
      if (this.#bytes <= BUDGET) return;
      if (needed.has(name)) continue;
      picture.close();
      this.#held.delete(name);
      this.#bytes -= bytes;
    }
  }
}

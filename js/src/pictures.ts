/** The picture in sight, and another that waits for its masks. */

import type { Size } from "./viewport";

export interface Waiting {
  picture: ImageBitmap;
  image: Size;
  /** The result of this revision or a later one brings the masks. */
  rev: number;
}

export class Pictures {
  shown: ImageBitmap | null = null;
  #waiting: Waiting | null = null;
  #closed = false;

  /** Show a picture; the one before is let go. */
  use(picture: ImageBitmap): void {
    if (this.shown !== picture) this.shown?.close();
    this.shown = picture;
  }

  /** Keep a picture until the masks of its revision are there. */
  keep(picture: ImageBitmap, image: Size, rev: number): void {
    this.#waiting?.picture.close();
    this.#waiting = null;
    if (this.#closed) picture.close();
    else this.#waiting = { picture, image, rev };
  }

  /** The picture whose time has come with this revision, if there is one. */
  take(rev: number): Waiting | null {
    const found = this.#waiting;
    if (found === null || rev < found.rev) return null;
    this.#waiting = null;
    return found;
  }

  close(): void {
    this.#closed = true;
    this.#waiting?.picture.close();
    this.shown?.close();
    this.#waiting = null;
    this.shown = null;
  }
}

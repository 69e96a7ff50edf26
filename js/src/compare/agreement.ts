/**
 * How many of the methods say object, for every pixel, and a picture of it. Tiles are painted when
 * they come into sight, at the size in which they are seen; those of one value are not looked into.
 */

import { TILE } from "../contour";
import type { Filled } from "../mask-layer";
import type { Overlay } from "../overlay";
import type { Part } from "../sparse";

export type Rgb = readonly [number, number, number];

/**
 * From "one of them" to "all of them": few methods are bright, agreement is dark and calm. Evenly
 * spaced in lightness (the colours of viridis), so that it reads without colour as well.
 */
const RAMP: readonly Rgb[] = [
  [253, 231, 37],
  [143, 215, 68],
  [53, 183, 121],
  [33, 145, 140],
  [49, 104, 142],
  [68, 57, 131],
];

/** Colour for `votes` of `count` methods. */
export function agreementColour(votes: number, count: number): Rgb {
  const position = count <= 1 ? 1 : (votes - 1) / (count - 1);
  const at = Math.min(1, Math.max(0, position)) * (RAMP.length - 1);
  const low = RAMP[Math.floor(at)] ?? [0, 0, 0];
  const high = RAMP[Math.ceil(at)] ?? low;
  const mix = (index: 0 | 1 | 2): number =>
    Math.round(low[index] + (high[index] - low[index]) * (at - Math.floor(at)));
  return [mix(0), mix(1), mix(2)];
}

/** Masks as they are voted with: a tile's pixels, or the one value that all of them have. */
export type Ballot = Part | number;

/** Number of masks that hold each pixel of a tile; a number if it is the same everywhere. */
export function countVotes(ballots: readonly Ballot[]): Uint8Array | number {
  const same = ballots
    .filter((ballot) => typeof ballot === "number")
    .reduce((sum, value) => sum + value, 0);
  const mixed = ballots.filter((ballot) => typeof ballot !== "number");
  const [first] = mixed;
  if (first === undefined) return same;
  const votes = new Uint8Array(first.values.length).fill(same);
  for (const { values } of mixed) {
    for (let index = 0; index < votes.length; index++) {
      votes[index] = (votes[index] ?? 0) + (values[index] ?? 0);
    }
  }
  return votes;
}

/**
 * Of the pixels that any method says are object, the share that all of them do: the intersection
 * over the union of all masks. `null` when no method has found anything.
 */
export function agreementShare(tallied: readonly number[]): number | null {
  const some = tallied.slice(1).reduce((sum, value) => sum + value, 0);
  return some === 0 ? null : (tallied.at(-1) ?? 0) / some;
}

/** Painted tiles that are kept. */
const PAINTED = 192;

/** The map in tiles of the overlays' grid. */
export class AgreementMap implements Filled {
  width = 0;
  height = 0;
  share: number | null = null;
  #voters: readonly Overlay[] = [];
  #colours = new Uint32Array(1);
  /** By depth, column and row; `false` where no method says object. */
  readonly #painted = new Map<string, HTMLCanvasElement | false>();

  /** Methods that took part. */
  get count(): number {
    return this.#voters.length;
  }

  /** Count anew. Overlays that are not there yet, or of another grid, are left out. */
  update(overlays: readonly Overlay[]): void {
    const there = overlays.filter((overlay) => overlay.rev >= 0);
    const { width, height } = there[0] ?? { width: 0, height: 0 };
    [this.width, this.height] = [width, height];
    this.#voters = there.filter((other) => other.width === width && other.height === height);
    this.#colours = table(this.count);
    this.#painted.clear();
    this.share = agreementShare(this.tally());
  }

  /** Pixels with `n` votes for every `n` from 0 to `count`. */
  tally(): number[] {
    const found = new Array<number>(this.count + 1).fill(0);
    for (let row = 0; row * TILE < this.height; row++) {
      for (let column = 0; column * TILE < this.width; column++) {
        const votes = this.#votes(column, row, 0);
        if (typeof votes === "number") {
          const [across, down] = this.#size(column, row, 0);
          found[votes] = (found[votes] ?? 0) + across * down;
        } else {
          for (const vote of votes) found[vote] = (found[vote] ?? 0) + 1;
        }
      }
    }
    return found;
  }

  fill(column: number, row: number, depth: number): HTMLCanvasElement | boolean {
    const key = `${depth},${column},${row}`;
    const known = this.#painted.get(key);
    if (known !== undefined) return known;
    const made = this.#paint(column, row, depth);
    for (const oldest of this.#painted.keys()) {
      if (this.#painted.size < PAINTED) break;
      this.#painted.delete(oldest);
    }
    this.#painted.set(key, made);
    return made;
  }

  #votes(column: number, row: number, depth: number): Uint8Array | number {
    return countVotes(this.#voters.map((overlay) => overlay.tile(column, row, depth)));
  }

  /** Width and height of a tile: the last ones may be smaller. */
  #size(column: number, row: number, depth: number): [number, number] {
    return this.#voters[0]?.grid(depth).size(column, row) ?? [0, 0];
  }

  #paint(column: number, row: number, depth: number): HTMLCanvasElement | false {
    const votes = this.#votes(column, row, depth);
    if (votes === 0) return false;
    // Of one value: one pixel will do.
    const plain = typeof votes === "number";
    const [width, height] = plain ? [1, 1] : this.#size(column, row, depth);
    const pixels = new Uint32Array(width * height);
    for (let index = 0; index < pixels.length; index++) {
      pixels[index] = this.#colours[plain ? votes : (votes[index] ?? 0)] ?? 0;
    }
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    canvas.getContext("2d")?.putImageData(data, 0, 0);
    return canvas;
  }
}

/** The colours of 0 to `count` votes, in the byte order of this machine. */
function table(count: number): Uint32Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * (count + 1));
  for (let votes = 1; votes <= count; votes++) {
    bytes.set([...agreementColour(votes, count), 255], 4 * votes);
  }
  return new Uint32Array(bytes.buffer);
}

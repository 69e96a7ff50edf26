/** How many of the methods say object, for every pixel, and a picture of it. */

import type { Overlay } from "../overlay";

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

type Votes = Pick<Overlay, "width" | "height"> & { mask: Uint8Array };

/** Number of masks that hold each pixel. Masks of another grid are left out. */
export function countVotes(masks: readonly Votes[], width: number, height: number): Uint8Array {
  const votes = new Uint8Array(width * height);
  for (const { width: across, height: down, mask } of masks) {
    if (across !== width || down !== height) continue;
    for (let index = 0; index < votes.length; index++)
      votes[index] = (votes[index] ?? 0) + (mask[index] ?? 0);
  }
  return votes;
}

/** Pixels with `n` votes for every `n` from 0 to `count`. */
export function tally(votes: Uint8Array, count: number): number[] {
  const found = new Array<number>(count + 1).fill(0);
  for (const vote of votes) found[vote] = (found[vote] ?? 0) + 1;
  return found;
}

/**
 * Of the pixels that any method says are object, the share that all of them do: the intersection
 * over the union of all masks. `null` when no method has found anything.
 */
export function agreementShare(tallied: readonly number[]): number | null {
  const some = tallied.slice(1).reduce((sum, value) => sum + value, 0);
  return some === 0 ? null : (tallied.at(-1) ?? 0) / some;
}

/** The map as a picture on the overlays' grid. */
export class AgreementMap {
  canvas: HTMLCanvasElement | null = null;
  /** Methods that took part. */
  count = 0;
  share: number | null = null;

  update(overlays: readonly Overlay[]): void {
    const first = overlays.find((overlay) => overlay.rev >= 0);
    const taking = overlays.filter((overlay) => overlay.rev >= 0);
    this.count = taking.length;
    if (first === undefined) {
      this.canvas = null;
      this.share = null;
      return;
    }
    const { width, height } = first;
    const masks = taking.map((overlay) => ({
      width: overlay.width,
      height: overlay.height,
      mask: overlay.pixels([0, 0, overlay.width, overlay.height]),
    }));
    const votes = countVotes(masks, width, height);
    this.share = agreementShare(tally(votes, this.count));
    if (this.canvas === null || this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas = document.createElement("canvas");
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.#paint(votes, width, height);
  }

  #paint(votes: Uint8Array, width: number, height: number): void {
    const context = this.canvas?.getContext("2d");
    if (!context) return;
    const table = new Uint32Array(this.count + 1);
    const bytes = new Uint8Array(table.buffer);
    for (let vote = 1; vote <= this.count; vote++) {
      bytes.set([...agreementColour(vote, this.count), 255], vote * 4);
    }
    const pixels = new Uint32Array(votes.length);
    for (let index = 0; index < votes.length; index++) {
      pixels[index] = table[votes[index] ?? 0] ?? 0;
    }
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    context.putImageData(data, 0, 0);
  }
}

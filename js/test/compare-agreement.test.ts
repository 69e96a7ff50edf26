import { describe, expect, it } from "vitest";
import {
  AgreementMap,
  agreementColour,
  agreementShare,
  countVotes,
} from "../src/compare/agreement";
import { Overlay } from "../src/overlay";
import type { Box } from "../src/protocol";

const votes = (...bits: number[]) => ({
  ...{ width: 4, height: 1, x: 0, y: 0 },
  values: Uint8Array.from(bits),
});

/** A mask that is one box of the picture. */
function boxed(width: number, height: number, box: Box): Overlay {
  const overlay = new Overlay([1, 2, 3]);
  const [x0, y0, x1, y1] = box;
  const bits = new Uint8Array(Math.ceil(((x1 - x0) * (y1 - y0)) / 8)).fill(255);
  overlay.apply({ rev: 0, base: null, grid: [width, height], box }, bits);
  return overlay;
}

describe("agreement", () => {
  it("counts how many masks hold each pixel", () => {
    const ballots = [votes(1, 1, 0, 0), 1, votes(1, 0, 0, 1), 0];
    expect(countVotes(ballots)).toEqual(Uint8Array.from([3, 2, 1, 2]));
    expect(countVotes([1, 0, 1])).toBe(2);
  });

  it("is exact on pictures of any size, and looks into no tile of one value", () => {
    const map = new AgreementMap();
    const [width, height] = [40_000, 30_000];
    map.update([
      boxed(width, height, [1000, 1000, 3001, 2001]),
      boxed(width, height, [2000, 1500, 4001, 2501]),
    ]);
    const both = 1001 * 501;
    const either = 2 * 2001 * 1001 - both;
    expect(map.tally()).toEqual([width * height - either, either - both, both]);
    expect(map.share).toBeCloseTo(both / either, 12);
    expect(map.fill(0, 0, 0)).toBe(false);
  });

  it("leaves out masks that are not there yet, and those of another grid", () => {
    const map = new AgreementMap();
    map.update([new Overlay([1, 2, 3])]);
    expect([map.count, map.share]).toEqual([0, null]);
    map.update([boxed(4, 1, [0, 0, 2, 1]), boxed(2, 2, [0, 0, 1, 1])]);
    expect([map.count, map.tally()]).toEqual([1, [2, 2]]);
  });

  it("is the intersection over the union of all masks", () => {
    expect(agreementShare([10, 2, 0, 6])).toBe(0.75);
    expect(agreementShare([18, 0, 0, 0])).toBeNull();
  });

  it("goes from bright to dark", () => {
    const lightness = [1, 2, 3, 4].map((count) =>
      agreementColour(count, 4).reduce((sum, value) => sum + value, 0),
    );
    expect(lightness).toEqual([...lightness].sort((a, b) => b - a));
    expect(agreementColour(1, 1)).toEqual(agreementColour(4, 4));
  });
});

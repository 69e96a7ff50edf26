import { describe, expect, it } from "vitest";
import { agreementColour, agreementShare, countVotes, tally } from "../src/compare/agreement";

const votes = (...bits: number[]) => ({ width: 4, height: 1, mask: Uint8Array.from(bits) });

describe("agreement", () => {
  it("counts how many masks hold each pixel", () => {
    const counted = countVotes([votes(1, 1, 0, 0), votes(1, 0, 0, 1), votes(1, 1, 0, 0)], 4, 1);
    expect([...counted]).toEqual([3, 2, 0, 1]);
    expect(tally(counted, 3)).toEqual([1, 1, 1, 1]);
  });

  it("leaves out masks of another grid", () => {
    expect([...countVotes([votes(1, 1, 0, 0)], 2, 2)]).toEqual([0, 0, 0, 0]);
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

import { describe, expect, it } from "vitest";
import {
  axesOf,
  type Curve,
  chartTable,
  counts,
  describe as describeCurves,
  drawChart,
  marks,
} from "../src/compare/chart";

const curves: Curve[] = [
  {
    title: "one",
    colour: "#111",
    points: [
      { clicks: 1, iou: 0.7 },
      { clicks: 3, iou: 0.9 },
    ],
  },
  { title: "two", colour: "#222", points: [{ clicks: 1, iou: 0.65 }] },
  { title: "<b>", colour: "#333", points: [] },
];

describe("the chart's axes", () => {
  it("hold all points and do not grow with the first clicks", () => {
    expect(axesOf(curves)).toEqual({ low: 0.6, last: 6 });
    expect(axesOf([])).toEqual({ low: 0, last: 6 });
    expect(axesOf([{ title: "", colour: "", points: [{ clicks: 9, iou: 0.05 }] }])).toEqual({
      low: 0,
      last: 9,
    });
  });

  it("end at one", () => {
    for (const low of [0, 0.4, 0.6, 0.8, 0.9]) {
      expect(marks(low)[0]).toBe(low);
      expect(marks(low).at(-1)).toBe(1);
    }
    expect(counts(6)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(counts(40)).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40]);
  });
});

describe("the chart", () => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");

  it("draws a line and a dot for every point", () => {
    drawChart(svg, curves, 400, null);
    const groups = [...svg.querySelectorAll(".iseg-curve")];
    expect(groups.map((group) => group.querySelectorAll("polyline").length)).toEqual([1, 0, 0]);
    expect(groups.map((group) => group.querySelectorAll("title").length)).toEqual([2, 1, 0]);
    const [first, second] = (groups[0]?.querySelector("polyline")?.getAttribute("points") ?? "")
      .split(" ")
      .map((pair) => pair.split(",").map(Number));
    expect(second?.[0]).toBeGreaterThan(first?.[0] ?? 0);
    expect(second?.[1]).toBeLessThan(first?.[1] ?? 0);
  });

  it("draws the one that stands out last", () => {
    drawChart(svg, curves, 400, 0);
    const groups = [...svg.querySelectorAll(".iseg-curve")];
    expect(groups.at(-1)?.querySelectorAll("title").length).toBe(2);
    expect(groups.map((group) => group.classList.contains("iseg-faint"))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("is told in words and as a table", () => {
    expect(describeCurves(curves)).toBe(
      "IoU by click: one 0.900 after 3 clicks; two 0.650 after 1 click",
    );
    expect(describeCurves([])).toBe("IoU by click: no click yet");
    const rows = [...chartTable(curves).rows].map((row) =>
      [...row.cells].map((cell) => cell.textContent),
    );
    expect(rows).toEqual([
      ["Clicks", "one", "two", "<b>"],
      ["1", "0.700", "0.650", ""],
      ["3", "0.900", "", ""],
    ]);
  });
});

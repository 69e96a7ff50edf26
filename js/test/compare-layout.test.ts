import { describe, expect, it } from "vitest";
import { arrange, GAP } from "../src/compare/layout";

const photo = { width: 600, height: 400 };
const portrait = { width: 400, height: 600 };

describe("arranging panes", () => {
  it("puts three panes side by side on a wide page and below each other on a phone", () => {
    expect(arrange(3, photo, 1000).columns).toBe(3);
    expect(arrange(3, photo, 340).columns).toBe(1);
  });

  it("makes two rows of four landscapes and one of four portraits", () => {
    expect(arrange(4, photo, 900).columns).toBe(2);
    expect(arrange(4, portrait, 940).columns).toBe(4);
  });

  it("makes rows of equal length", () => {
    const square = { width: 500, height: 500 };
    expect(arrange(7, square, 1100).columns).toBe(4);
    expect(arrange(5, square, 1000).columns).toBe(3);
    expect(arrange(3, photo, 870).columns).toBe(3);
  });

  it("keeps pictures in shape and inside their pane", () => {
    for (let count = 1; count <= 9; count++) {
      for (const width of [200, 360, 700, 1100, 1600]) {
        const { columns, height } = arrange(count, photo, width);
        expect(columns).toBeGreaterThanOrEqual(1);
        expect(columns).toBeLessThanOrEqual(count);
        const room = (width - GAP * (columns - 1)) / columns;
        if (columns > 1) expect(room).toBeGreaterThanOrEqual(220);
        expect(height).toBeGreaterThanOrEqual(120);
        expect(height).toBeLessThanOrEqual(Math.max(120, Math.ceil((room * 400) / 600)));
      }
    }
  });

  it("follows a height that was asked for", () => {
    expect(arrange(2, photo, 900, 300).height).toBe(300);
  });
});

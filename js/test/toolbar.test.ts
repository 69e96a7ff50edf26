/** The tool bar at every width, and the menu of what has no room. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Stage } from "./stage";

let stage: Stage;
let width = 2000;
let resized: (() => void)[] = [];

const shown = (node: Element): boolean => node.closest(".iseg-folded") === null;
/** Every button is 30 pixels wide and has 2 beside it, words are 60, a rule between groups is 13. */
function needed(bar: Element): number {
  const spans = bar.classList.contains("iseg-no-tools") ? "" : ", .iseg-group span";
  const found = [...bar.querySelectorAll(`button, input${spans}`)].filter(shown);
  const widths = found.map((node) => (node.localName === "button" ? 32 : 60));
  const groups = [...bar.children].filter(shown).length;
  const field = bar.classList.contains("iseg-no-method") ? 100 : 150;
  return widths.reduce((sum, value) => sum + value, 0) + 13 * groups + field;
}

beforeEach(async () => {
  resized = [];
  width = 2000;
  vi.stubGlobal(
    "ResizeObserver",
    class {
      constructor(private readonly told: () => void) {}
      observe(node: Element): void {
        if (node.classList.contains("iseg-bar")) resized.push(this.told);
      }
      disconnect(): void {}
    },
  );
  stage = new Stage();
  const own = (other: number) =>
    function (this: HTMLElement): number {
      return this.classList.contains("iseg-bar") ? width : other;
    };
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockImplementation(own(400));
  vi.spyOn(HTMLElement.prototype, "scrollWidth", "get").mockImplementation(function (
    this: HTMLElement,
  ): number {
    return this.classList.contains("iseg-bar") ? Math.max(width, needed(this)) : 400;
  });
  await stage.open();
});
afterEach(() => stage.close());

const bar = (): HTMLElement => stage.host.querySelector(".iseg-bar") as HTMLElement;
function resize(to: number): void {
  width = to;
  for (const told of resized) told();
}
const id = (node: Element): string => (node as HTMLElement).dataset.testid ?? "";
const visible = (): string[] => [...bar().querySelectorAll("button, input")].filter(shown).map(id);
const tools = (): string[] =>
  [...(bar().querySelector(".iseg-group")?.children ?? [])].filter(shown).map(id);
const menu = (): HTMLElement => stage.get("more-menu");
const items = (): HTMLElement[] => [...menu().querySelectorAll<HTMLElement>("button")];
const focused = (): string => id(document.activeElement as Element);
const keyed = (key: string, init: KeyboardEventInit = {}): boolean =>
  stage.key(key, init, document.activeElement as HTMLElement);

describe("the bar", () => {
  it("shows everything where there is room, and no menu", () => {
    resize(2000);
    expect(visible()).toContain("iseg-replay-toggle");
    expect(visible()).not.toContain("iseg-more");
  });

  it("fits at every width, and what goes, goes in one order", () => {
    let before = new Set<string>();
    for (let to = 420; to < 2000; to += 17) {
      resize(to);
      expect(needed(bar()), `at ${to}`).toBeLessThanOrEqual(to);
      const now = new Set(visible().filter((name) => name !== "iseg-more"));
      expect([...before].filter((name) => !now.has(name))).toEqual([]);
      before = now;
    }
    resize(420);
    for (const name of ["positive", "negative", "undo", "more"]) {
      expect(visible()).toContain(`iseg-${name}`);
    }
  });

  it("has all that it does not show in the menu", () => {
    resize(2000);
    const all = visible();
    for (const to of [450, 600, 800, 1000]) {
      resize(to);
      const left = visible().filter((name) => name !== "iseg-more");
      stage.get("more").click();
      const names = items().map((item) => id(item).replace("iseg-more-", "iseg-"));
      const listed = names.map((name) => name.replace(/^iseg-opacity-.$/, "iseg-opacity"));
      expect(new Set([...left, ...listed])).toEqual(new Set(all));
      stage.get("more").click();
    }
  });

  it("always shows the chosen tool, and nothing else moves for it", () => {
    resize(640);
    const before = visible();
    const first = tools();
    const last = first.at(-1);
    stage.key("p");
    expect(tools()).toContain("iseg-polygon");
    expect(visible()).toHaveLength(before.length);
    expect(tools().slice(0, -1)).toEqual(first.slice(0, -1));
    stage.key("x");
    expect(tools(), "it keeps its place").toContain("iseg-polygon");
    expect(tools()).not.toContain(last);
    resize(420);
    expect(tools()).toEqual(["iseg-positive", "iseg-negative", "iseg-polygon"]);
    resize(2000);
    expect(tools().length).toBeGreaterThan(8);
  });

  it("does not lose the focus of a button that goes", () => {
    resize(2000);
    stage.get("loupe").focus();
    resize(600);
    expect(focused()).toBe("iseg-more");
  });
});

describe("the menu", () => {
  beforeEach(() => {
    resize(600);
    stage.get("more").focus();
  });

  it("opens with the button and its arrow keys, and Escape leads back", () => {
    const more = stage.get("more");
    expect(more.getAttribute("aria-haspopup")).toBe("menu");
    expect(document.getElementById(more.getAttribute("aria-controls") ?? "")).toBe(menu());
    for (const [open, at] of [
      [() => more.click(), 0],
      [() => keyed("ArrowDown"), 0],
      [() => keyed("ArrowUp"), -1],
    ] as const) {
      open();
      expect(menu().hidden).toBe(false);
      expect(more.getAttribute("aria-expanded")).toBe("true");
      expect(document.activeElement).toBe(items().at(at));
      keyed("Escape");
      expect(menu().hidden).toBe(true);
      expect(more.getAttribute("aria-expanded")).toBe("false");
      expect(focused()).toBe("iseg-more");
    }
    expect(stage.model.sent.some(({ kind }) => kind === "cancel")).toBe(false);
  });

  it("is walked through with keys, which do nothing else meanwhile", () => {
    stage.get("more").click();
    keyed("ArrowDown");
    expect(document.activeElement).toBe(items()[1]);
    keyed("ArrowUp");
    keyed("ArrowUp");
    expect(document.activeElement).toBe(items().at(-1));
    keyed("ArrowDown");
    expect(document.activeElement).toBe(items()[0]);
    keyed("End");
    expect(document.activeElement).toBe(items().at(-1));
    keyed("Home");
    keyed("p");
    expect(focused()).toBe("iseg-more-polygon");
    expect(stage.model.traits.tool).toBe("positive");
    keyed("Tab");
    expect(menu().hidden).toBe(true);
  });

  it("does what the buttons do", () => {
    stage.get("more").click();
    const tool = stage.get("more-polygon");
    expect([tool.getAttribute("role"), tool.getAttribute("aria-checked")]).toEqual([
      "menuitemradio",
      "false",
    ]);
    tool.click();
    expect(stage.model.traits.tool).toBe("polygon");
    expect(menu().hidden).toBe(true);
    expect(focused()).toBe("iseg-more");
    stage.get("more").click();
    expect(stage.get("more-loupe").getAttribute("aria-checked")).toBe("false");
    stage.get("more-loupe").click();
    stage.get("more").click();
    expect(stage.get("more-loupe").getAttribute("aria-checked")).toBe("true");
    expect(stage.get("more-loupe").getAttribute("role")).toBe("menuitemcheckbox");
    stage.get("more-history-toggle").click();
    expect(stage.get("history-panel").hidden).toBe(false);
  });

  it("refuses what is not possible now", () => {
    stage.get("more").click();
    const reset = stage.get("more-reset");
    expect(reset.getAttribute("aria-disabled")).toBe("true");
    const { length } = stage.model.sent;
    reset.click();
    expect(stage.model.sent.length).toBe(length);
    expect(menu().hidden).toBe(false);
  });

  it("makes masks stronger and fainter as often as one likes", () => {
    stage.get("more").click();
    stage.get("more-opacity-0").click();
    stage.get("more-opacity-0").click();
    expect(stage.model.traits.opacity).toBeCloseTo(0.7);
    stage.get("more-opacity-1").click();
    expect(stage.model.traits.opacity).toBeCloseTo(0.6);
    expect(menu().hidden).toBe(false);
  });

  it("is put away by a press in the picture, which is no click", () => {
    stage.get("more").click();
    const { length } = stage.model.sent;
    // Bubbles, as the browser's do.
    stage.press(5, 5, { bubbles: true });
    expect(menu().hidden).toBe(true);
    expect(stage.model.sent.length).toBe(length);
    stage.press(5, 5, { bubbles: true });
    expect(stage.model.last("click")).toMatchObject({ x: 5, y: 5 });
  });

  it("is put away when there is more or less room", () => {
    stage.get("more").click();
    resize(900);
    expect(menu().hidden).toBe(true);
  });
});

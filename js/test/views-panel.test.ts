import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Explanation, PanelData } from "../src/messages/explain";
import { drawLegend, fitted } from "../src/parts/panel-pictures";
import { ViewsPanel } from "../src/parts/views-panel";

function picture(key: string, fields: Partial<PanelData> = {}): PanelData {
  return {
    key,
    title: `Title ${key}`,
    caption: `Caption ${key} (Sec. 3.1).`,
    group: "Group",
    kind: "image",
    view: "",
    box: [1, 2, 11, 12],
    width: 8,
    height: 8,
    aspect: 1,
    smooth: true,
    legend: null,
    marks: [],
    ...fields,
  };
}

function explanation(panels: PanelData[], index = 0, count = 1, omitted = 0): Explanation {
  return { kind: "explanation", id: "a", index, count, mime: "image/webp", panels, omitted };
}

const blobs = (count: number) => Array.from({ length: count }, () => new Blob(["x"]));

let urls = new Set<string>();
const highlighted: (string | null)[] = [];
const steps: (number | null)[] = [];
let panel: ViewsPanel;

beforeEach(() => {
  urls = new Set();
  let made = 0;
  vi.spyOn(URL, "createObjectURL").mockImplementation(() => {
    made += 1;
    urls.add(`blob:${made}`);
    return `blob:${made}`;
  });
  vi.spyOn(URL, "revokeObjectURL").mockImplementation((url) => void urls.delete(url));
  highlighted.length = 0;
  steps.length = 0;
  panel = new ViewsPanel({
    highlight: (shown) => highlighted.push(shown?.key ?? null),
    step: (index) => steps.push(index),
  });
  document.body.replaceChildren(panel.element, panel.lightbox.element);
});

afterEach(() => {
  panel.close();
  vi.restoreAllMocks();
});

const all = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)];
const byId = (id: string) => all(`[data-testid="iseg-${id}"]`);
const press = (target: Element | null, key: string) =>
  target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

test("pictures stand below their groups, with their words", () => {
  const panels = [picture("a"), picture("b", { group: "Next" }), picture("c", { group: "Next" })];
  panel.show(explanation(panels, 1, 3), blobs(3), false);
  expect(all("h4.iseg-heading").map((node) => node.textContent)).toEqual(["Group", "Next"]);
  expect(byId("views-card").map((card) => card.dataset.key)).toEqual(["a", "b", "c"]);
  expect(byId("views-card")[1]?.textContent).toContain("Caption b (Sec. 3.1).");
  expect(byId("views-step")[0]?.textContent).toBe("Step 2 of 3");
  expect(all("img.iseg-picture")[0]?.getAttribute("alt")).toContain("Title a");
});

test("words are shown as text", () => {
  panel.show(
    explanation([picture("a", { title: "<b>x</b>", caption: "<i>y</i>" })]),
    blobs(1),
    true,
  );
  expect(byId("views-card")[0]?.querySelector("b, i")).toBeNull();
  expect(byId("views-card")[0]?.textContent).toContain("<b>x</b>");
});

test("the next step's pictures take the place of the old ones", () => {
  panel.show(explanation([picture("a"), picture("b")]), blobs(2), true);
  const [first] = byId("views-card");
  panel.busy(true);
  expect(byId("views-card")).toHaveLength(2);
  expect(byId("views-list")[0]?.getAttribute("aria-busy")).toBe("true");
  panel.show(explanation([picture("a", { title: "New" }), picture("c")], 1, 2), blobs(2), true);
  expect(byId("views-card")[0]).toBe(first);
  expect(first?.textContent).toContain("New");
  expect(byId("views-card").map((card) => card.dataset.key)).toEqual(["a", "c"]);
  expect(byId("views-list")[0]?.getAttribute("aria-busy")).toBe("false");
});

test("no picture is kept that is not shown", () => {
  panel.show(explanation([picture("a"), picture("b")]), blobs(2), true);
  panel.show(explanation([picture("a")]), blobs(1), true);
  expect(urls.size).toBe(1);
  panel.empty("nothing");
  expect(urls.size).toBe(0);
  expect(byId("views-note")[0]?.textContent).toBe("nothing");
});

test("a picture under the pointer or with the focus is shown on the image", () => {
  panel.show(explanation([picture("a"), picture("b")]), blobs(2), true);
  const [card] = byId("views-card");
  card?.dispatchEvent(new Event("pointerenter"));
  card?.dispatchEvent(new Event("pointerleave"));
  byId("views-thumb")[1]?.focus();
  byId("views-thumb")[1]?.blur();
  expect(highlighted).toEqual(["a", null, "b", null]);
});

test("arrow keys move among the pictures; one is in the order of Tab", () => {
  panel.show(explanation([picture("a"), picture("b"), picture("c")]), blobs(3), true);
  const thumbs = byId("views-thumb");
  expect(thumbs.map((thumb) => thumb.tabIndex)).toEqual([0, -1, -1]);
  thumbs[0]?.focus();
  press(thumbs[0] ?? null, "ArrowDown");
  expect(document.activeElement).toBe(thumbs[1]);
  press(thumbs[1] ?? null, "End");
  expect(document.activeElement).toBe(thumbs[2]);
  expect(thumbs.map((thumb) => thumb.tabIndex)).toEqual([-1, -1, 0]);
});

test("a picture opens large; arrow keys go on, Escape closes and gives the focus back", () => {
  panel.show(explanation([picture("a"), picture("b")]), blobs(2), true);
  const [thumb] = byId("views-thumb");
  thumb?.click();
  const box = byId("lightbox")[0];
  expect(box?.hidden).toBe(false);
  expect(byId("lightbox-caption")[0]?.textContent).toContain("Caption a");
  press(document.activeElement, "ArrowRight");
  expect(byId("lightbox-caption")[0]?.textContent).toContain("Caption b");
  press(document.activeElement, "ArrowRight");
  press(document.activeElement, "ArrowLeft");
  expect(box?.textContent).toContain("2 of 2");
  press(document.activeElement, "Escape");
  expect(box?.hidden).toBe(true);
  expect(document.activeElement).toBe(byId("views-thumb")[1]);
});

test("keys stay in the open dialog", () => {
  panel.show(explanation([picture("a")]), blobs(1), true);
  const outside = vi.fn();
  document.body.addEventListener("keydown", outside);
  byId("views-thumb")[0]?.click();
  press(document.activeElement, "u");
  press(document.activeElement, "Tab");
  expect(outside).not.toHaveBeenCalled();
  expect(byId("lightbox")[0]?.contains(document.activeElement)).toBe(true);
});

test("a large picture follows the next step, and closes when there is none of it", () => {
  panel.show(explanation([picture("a"), picture("b")]), blobs(2), true);
  byId("views-thumb")[1]?.click();
  panel.show(explanation([picture("b", { caption: "Newer" })], 1, 2), blobs(1), true);
  expect(byId("lightbox-caption")[0]?.textContent).toBe("Newer");
  panel.show(explanation([picture("c")], 2, 3), blobs(1), true);
  expect(byId("lightbox")[0]?.hidden).toBe(true);
});

test("other steps are asked for; the last one is followed again", () => {
  panel.show(explanation([picture("a")], 1, 3), blobs(1), false);
  byId("views-back")[0]?.click();
  byId("views-on")[0]?.click();
  byId("views-latest")[0]?.click();
  expect(steps).toEqual([0, null, null]);
  panel.show(explanation([picture("a")], 2, 3), blobs(1), true);
  expect(byId("views-on")[0]?.hasAttribute("disabled")).toBe(true);
  expect(byId("views-latest")[0]?.getAttribute("aria-pressed")).toBe("true");
});

test("left out pictures are told", () => {
  panel.show(explanation([picture("a")], 0, 1, 7), blobs(1), true);
  expect(byId("views-note")[0]?.textContent).toContain("7 more pictures");
});

test("clicks are drawn where they lie", () => {
  const marks = [
    { x: 0.5, y: 0.25, positive: true },
    { x: 1, y: 1, positive: false },
  ];
  panel.show(explanation([picture("a", { marks })]), blobs(1), true);
  const circle = document.querySelector(".iseg-mark-positive");
  expect([circle?.getAttribute("cx"), circle?.getAttribute("cy")]).toEqual(["52", "26"]);
  expect(document.querySelectorAll(".iseg-mark-negative")).toHaveLength(1);
});

test("legends name the ends of a scale, inks, and few numbers", () => {
  const scale = drawLegend({
    kind: "scale",
    stops: ["#000000", "#ffffff"],
    low: -0.25,
    high: 0.25,
    unit: "px",
  });
  expect(scale?.textContent).toBe("−0.250+0.25 px");
  const inks = drawLegend({ kind: "inks", inks: [["#ff0000", "object"]] });
  expect(inks?.textContent).toBe("object");
  const bars = drawLegend({ kind: "bars", values: [0, 6], baseline: 0, low: 0, high: 6 });
  expect(bars?.textContent).toBe("0, 6");
  expect(drawLegend(null)).toBeNull();
});

test("pictures keep their aspect in the room there is", () => {
  expect(fitted(2, 100, 100)).toEqual([100, 50]);
  expect(fitted(0.5, 100, 100)).toEqual([50, 100]);
  expect(fitted(100, 100, 100)).toEqual([100, 6]);
});

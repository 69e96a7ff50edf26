/** The ways of looking at picture and mask, on a page without pixels. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import widget from "../src/index";
import { FakeModel } from "./fakes";
import { bytes, replies } from "./recorded";
import { stubPage, unstubPage } from "./stage";

let model: FakeModel;
let host: HTMLElement;
let close: () => void;

beforeEach(async () => {
  stubPage();
  model = new FakeModel();
  host = document.createElement("div");
  document.body.append(host);
  close = widget.render({ model, el: host });
  const id = model.last("hello").id;
  const end = replies.findIndex(({ content }) => content.kind === "result");
  for (const { content, buffers } of replies.slice(0, end + 1)) {
    const own = "ids" in content ? { ...content, id, ids: [id] } : { ...content, id };
    model.reply(
      own,
      buffers.map((buffer) => new DataView(bytes(buffer).buffer)),
    );
  }
  await settle();
});
afterEach(() => {
  close();
  host.remove();
  unstubPage();
});

const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 40));
const root = (): HTMLElement => host.querySelector(".iseg-widget") as HTMLElement;
const get = <T extends HTMLElement = HTMLElement>(id: string): T => {
  const found = host.querySelector<T>(`[data-testid="iseg-${id}"]`);
  if (found === null) throw new Error(`nothing is called ${id}`);
  return found;
};

function key(name: string, init: KeyboardEventInit = {}): void {
  const event = new KeyboardEvent("keydown", {
    key: name,
    bubbles: true,
    cancelable: true,
    ...init,
  });
  get("canvas").dispatchEvent(event);
}

function point(x: number, y: number): void {
  const event = new PointerEvent("pointermove", { clientX: x, clientY: y, pointerType: "mouse" });
  get("canvas").dispatchEvent(event);
}

describe("view modes", () => {
  it("a finger aims under the loupe and clicks where it is lifted; two move the picture", () => {
    const finger = (type: string, clientX: number, clientY: number, pointerId = 1): void => {
      const init = { clientX, clientY, pointerId, pointerType: "touch" };
      get("canvas").dispatchEvent(new PointerEvent(type, init));
    };
    const clicks = () => model.sent.filter(({ kind }) => kind === "click");
    const offset = () => get("canvas").dataset.offsetX;
    const before = offset();
    key("l");
    finger("pointerdown", 100, 100);
    finger("pointermove", 160, 120);
    expect(offset()).toBe(before);
    finger("pointerup", 160, 120);
    expect(clicks()).toHaveLength(1);
    const { scale, offsetX } = get("canvas").dataset;
    const at = (160 - Number(offsetX)) / Number(scale) - 0.5;
    expect(clicks()[0]?.x).toBeCloseTo(at, 1);
    finger("pointerdown", 100, 100);
    finger("pointerdown", 200, 100, 2);
    finger("pointermove", 220, 100, 2);
    finger("pointerup", 220, 100, 2);
    finger("pointerup", 100, 100);
    expect(clicks()).toHaveLength(1);
    expect(offset()).not.toBe(before);
  });

  it("have keys, and the page tells the kernel", () => {
    key("l");
    expect(model.traits.loupe).toBe(true);
    expect(get("loupe").getAttribute("aria-pressed")).toBe("true");
    key("L", { shiftKey: true });
    expect(model.traits.loupe_zoom).toBe(6);
    const seen: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      key("0");
      seen.push(model.traits.background);
    }
    expect(seen).toEqual(["dimmed", "checkerboard", "shown"]);
    key("j");
    expect(model.traits.mask_display).toBe("fill");
    key("i");
    expect(model.traits.invert).toBe(true);
    key("3");
    expect(model.traits.pixel_grid).toBe(false);
    for (let turn = 0; turn < 9; turn++) key(",");
    expect(model.traits.contour_width).toBe(0.5);
    for (let turn = 0; turn < 30; turn++) key(".");
    expect(model.traits.contour_width).toBe(8);
    expect(model.saved).toBeGreaterThan(40);
  });

  it("are in a panel, which follows what Python sets", () => {
    get("display-toggle").click();
    expect(get("display-panel").hidden).toBe(false);
    const width = get<HTMLInputElement>("contour-width");
    width.value = "4";
    width.dispatchEvent(new Event("input"));
    expect(model.traits.contour_width).toBe(4);
    const background = get<HTMLSelectElement>("background");
    background.value = "checkerboard";
    background.dispatchEvent(new Event("change"));
    expect(model.traits.background).toBe("checkerboard");
    model.set("invert", true);
    expect(get<HTMLInputElement>("display-invert").checked).toBe(true);
  });

  it("the loupe is there while the pointer is over the picture, and follows the crosshair", async () => {
    key("l");
    await settle();
    expect(root().dataset.loupe).toBeUndefined();
    point(200, 120);
    await settle();
    expect(root().dataset.loupe).toMatch(/^\d+ \d+ \d+$/);
    get("canvas").dispatchEvent(new PointerEvent("pointerleave"));
    await settle();
    expect(root().dataset.loupe).toBeUndefined();
    key("ArrowRight");
    await settle();
    expect(root().dataset.loupe).toMatch(/^\d+ \d+ \d+$/);
    key("l");
    await settle();
    expect(root().dataset.loupe).toBeUndefined();
  });

  it("the picture beside it takes presses like the other one", async () => {
    expect(host.querySelector('[data-testid="iseg-original"]')).toBeNull();
    key("2");
    await settle();
    const original = get("original");
    expect(original.hidden).toBe(false);
    expect(host.querySelector(".iseg-two")).not.toBeNull();
    for (const type of ["pointerdown", "pointerup"]) {
      const event = new PointerEvent(type, { clientX: 200, clientY: 120, pointerId: 1 });
      original.dispatchEvent(event);
    }
    expect(model.last("click")).toMatchObject({ positive: true });
    key("2");
    expect(original.hidden).toBe(true);
    expect(host.querySelector(".iseg-two")).toBeNull();
  });
});

describe("tiles", () => {
  const large = { kind: "picture", width: 8000, height: 4800, level: 4, tile: 512 };

  it("are asked for when in sight, and drawn when they come", async () => {
    const id = model.last("hello").id;
    model.traits.image_size = [8000, 4800];
    model.reply({ ...large, id, mime: "image/png" }, [new Uint8Array(4)]);
    await settle();
    key("1");
    await settle();
    const asked = model.sent.filter((content) => content.kind === "tile");
    expect(asked.length).toBeGreaterThan(0);
    expect(root().dataset.sharp).toBe("false");
    for (let turn = 0; turn < 40; turn++) {
      const waiting = model.sent.filter((content) => content.kind === "tile").slice(turn, turn + 1);
      for (const { id: own, level, column, row } of waiting) {
        const place = { level, column, row };
        model.reply({ kind: "tile", id: own, ...place, mime: "image/png" }, [new Uint8Array(4)]);
      }
      await new Promise((done) => setTimeout(done, 2));
    }
    await settle();
    expect(root().dataset.sharp).toBe("true");
    const names = model.sent
      .filter((content) => content.kind === "tile")
      .map(({ level, column, row }) => `${level} ${column} ${row}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it("of another view are left alone", async () => {
    const tile = { kind: "tile", id: "other.1", level: 0, column: 0, row: 0, mime: "image/png" };
    model.reply(tile, [new Uint8Array(4)]);
    await settle();
    expect(get("errors").childElementCount).toBe(0);
  });
});

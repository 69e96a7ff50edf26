/** The tools that draw: what they send for which presses and keys. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import widget from "../src/index";
import { FakeModel, result } from "./fakes";
import { bytes, replies } from "./recorded";
import { stubPage, unstubPage } from "./stage";

let model: FakeModel;
let host: HTMLElement;
let close: () => void;

const get = (id: string): HTMLElement => {
  const found = host.querySelector<HTMLElement>(`[data-testid="iseg-${id}"]`);
  if (found === null) throw new Error(`nothing is called ${id}`);
  return found;
};
const canvas = (): HTMLCanvasElement => get("canvas") as HTMLCanvasElement;
/** Messages are taken one after another, whenever the page comes to it. */
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5000 });

beforeEach(async () => {
  stubPage();
  model = new FakeModel();
  host = document.createElement("div");
  document.body.append(host);
  close = widget.render({ model, el: host });
  const end = replies.findIndex(({ content }) => content.kind === "result");
  for (const { content, buffers } of replies.slice(0, end + 1)) {
    const own: Record<string, unknown> = { ...content, id: model.sent.at(-1)?.id };
    model.reply(
      own,
      buffers.map((buffer) => new DataView(bytes(buffer).buffer)),
    );
  }
  const root = host.querySelector<HTMLElement>(".iseg-widget");
  await until(() => expect(root?.dataset).toMatchObject({ state: "idle", revision: "0" }));
});
afterEach(() => {
  close();
  host.remove();
  unstubPage();
});

function at(x: number, y: number): { clientX: number; clientY: number } {
  const { scale, offsetX, offsetY } = canvas().dataset;
  return {
    clientX: Number(offsetX) + (x + 0.5) * Number(scale),
    clientY: Number(offsetY) + (y + 0.5) * Number(scale),
  };
}

function pointer(type: string, x: number, y: number, init: PointerEventInit = {}): void {
  canvas().dispatchEvent(
    new PointerEvent(type, {
      ...at(x, y),
      pointerId: 1,
      pointerType: "mouse",
      bubbles: true,
      cancelable: true,
      ...init,
    }),
  );
}

function drag(points: [number, number][], init: PointerEventInit = {}): void {
  points.forEach(([x, y], index) => {
    pointer(index === 0 ? "pointerdown" : "pointermove", x, y, init);
  });
  const [x, y] = points.at(-1) as [number, number];
  pointer("pointerup", x, y, init);
}

function click(x: number, y: number, init: PointerEventInit = {}): void {
  drag([[x, y]], init);
}

function key(name: string, init: KeyboardEventInit = {}): void {
  canvas().dispatchEvent(
    new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...init }),
  );
}

/** All that was sent after the first message. */
const sent = () => model.sent.filter(({ kind }) => kind !== "hello");
const last = () => {
  const { id, rev, ...body } = sent().at(-1) ?? {};
  return body;
};

describe("keys choose the tools", () => {
  it.each([
    ["b", "box"],
    ["s", "scribble"],
    ["d", "brush"],
    ["e", "eraser"],
    ["o", "lasso"],
    ["p", "polygon"],
    ["g", "fill"],
  ])("%s: %s", (letter, tool) => {
    key(letter);
    expect(model.traits.tool).toBe(tool);
    expect(get(tool).getAttribute("aria-pressed")).toBe("true");
  });
});

describe("box", () => {
  beforeEach(() => get("box").click());

  it("a drag sends the pixels that it touches, whichever way it went", () => {
    drag([
      [9, 8],
      [4, 5],
      [3, 2],
    ]);
    expect(last()).toEqual({ kind: "box", x0: 3, y0: 2, x1: 10, y1: 9 });
  });

  it("a press that does not move, and one that Escape ends, send nothing", () => {
    click(5, 5);
    pointer("pointerdown", 2, 2);
    pointer("pointermove", 9, 9);
    key("Escape");
    pointer("pointermove", 10, 10);
    pointer("pointerup", 10, 10);
    expect(sent()).toEqual([]);
  });

  it("a second finger gives the box up", () => {
    const finger = (pointerId: number) => ({ pointerType: "touch", pointerId });
    pointer("pointerdown", 2, 2, finger(1));
    pointer("pointermove", 5, 5, finger(1));
    pointer("pointerdown", 9, 9, finger(2));
    pointer("pointerup", 9, 9, finger(2));
    pointer("pointerup", 5, 5, finger(1));
    expect(sent()).toEqual([]);
  });

  it("Escape puts it away and leaves the crosshair, which a second one takes", () => {
    key("Enter");
    key("Enter");
    key("ArrowRight");
    expect(get("spoken").textContent).not.toBe("");
    key("Escape");
    key("Enter"); // begins another one where the crosshair is
    key("ArrowRight");
    key("Enter");
    expect(sent()).toHaveLength(1);
    const { x0, x1 } = last() as Record<string, number>;
    expect(Number(x1) - Number(x0)).toBe(2);
    const place = () => get("place").textContent ?? "";
    expect(place()).toMatch(/^\d+, \d+ /);
    key("Escape");
    expect(place()).not.toMatch(/^\d+, \d+ /);
  });

  it("two Enters at one place are no box", () => {
    key("Enter");
    key("Enter");
    key("Enter");
    expect(sent()).toEqual([]);
  });

  it("two Enters at the crosshair draw it", () => {
    key("Enter"); // shows the crosshair in the middle
    key("Enter");
    for (let step = 0; step < 4; step++) key("ArrowRight");
    for (let step = 0; step < 3; step++) key("ArrowDown");
    expect(sent()).toEqual([]);
    key("Enter");
    const { kind, x0, y0, x1, y1 } = last() as Record<string, number | string>;
    expect(kind).toBe("box");
    expect([Number(x1) - Number(x0), Number(y1) - Number(y0)]).toEqual([5, 4]);
  });
});

describe("scribble", () => {
  beforeEach(() => get("scribble").click());

  it("sends the corners of the line", () => {
    drag([
      [2, 3],
      [6, 3],
      [10, 3],
      [10, 7],
    ]);
    expect(last()).toEqual({ kind: "scribble", corners: [2, 3, 10, 3, 10, 7], positive: true });
  });

  it("right button, Shift, Alt, the toggle and X make it background; two of them cancel out", () => {
    const line: [number, number][] = [
      [2, 3],
      [8, 3],
    ];
    const sign = (init: PointerEventInit): unknown => {
      drag(line, init);
      return last().positive;
    };
    expect([{ button: 2 }, { shiftKey: true }, { altKey: true }].map(sign)).toEqual([
      false,
      false,
      false,
    ]);
    get("tool-subtract").click();
    expect(sign({})).toBe(false);
    expect(sign({ button: 2 })).toBe(true);
    key("x");
    expect(sign({})).toBe(true);
    expect(model.traits.tool).toBe("scribble");
  });
});

describe("brush and eraser", () => {
  it("a stroke has the radius that is set, and X swaps the two", () => {
    get("brush").click();
    drag([
      [2, 3],
      [9, 3],
    ]);
    expect(last()).toEqual({ kind: "brush", corners: [2, 3, 9, 3], radius: 2, erase: false });
    key("{", { shiftKey: true });
    key("x");
    expect(model.traits.tool).toBe("eraser");
    click(4, 4);
    expect(last()).toEqual({ kind: "brush", corners: [4, 4], radius: 1.6, erase: true });
    click(4, 4, { button: 2 });
    expect(last().erase).toBe(false);
  });

  it("the slider sets the size, finely for small brushes", () => {
    get("brush").click();
    const slider = get("brush-size") as HTMLInputElement;
    const radii = ["0", "50", "100"].map((value) => {
      slider.value = value;
      slider.dispatchEvent(new Event("input"));
      click(4, 4);
      return last().radius as number;
    });
    expect(radii).toEqual([0.5, 1.58, 5]);
    expect(get("options").textContent).toContain("5.0 px");
  });

  it("plain brackets stay with the opacity", () => {
    get("brush").click();
    key("[");
    expect(model.traits.opacity).toBe(0.4);
  });
});

describe("lasso", () => {
  it("sends the outline; one without an inside is nothing", () => {
    get("lasso").click();
    drag([
      [2, 2],
      [9, 2],
      [9, 9],
      [2, 9],
    ]);
    expect(last()).toEqual({ kind: "polygon", corners: [2, 2, 9, 2, 9, 9, 2, 9], erase: false });
    const count = sent().length;
    drag([
      [2, 2],
      [9, 2],
    ]);
    expect(sent()).toHaveLength(count);
  });
});

describe("polygon", () => {
  beforeEach(() => get("polygon").click());
  const three = (): void => {
    click(2, 2);
    click(9, 2);
    click(9, 9);
  };
  const outline = { kind: "polygon", corners: [2, 2, 9, 2, 9, 9], erase: false };

  it.each([
    ["Enter", () => key("Enter")],
    ["the first corner", () => click(2.1, 2)],
    ["a double click", () => click(9, 9)],
  ])("%s closes it", (_, closing) => {
    three();
    expect(sent()).toEqual([]);
    closing();
    expect(last()).toEqual(outline);
    expect(sent()).toHaveLength(1);
  });

  it("Backspace takes corners back, Escape all of them", () => {
    three();
    click(4, 9);
    key("Backspace");
    key("Enter");
    expect(last()).toEqual(outline);
    three();
    key("Escape");
    key("Enter");
    expect(sent()).toHaveLength(1);
  });

  it("has buttons for fingers while it is open", () => {
    const buttons = (name: string) => get(`polygon-${name}`) as HTMLButtonElement;
    expect(get("polygon-bar").hidden).toBe(true);
    click(2, 2);
    expect(get("polygon-bar").hidden).toBe(false);
    expect(buttons("close").disabled).toBe(true);
    buttons("back").click();
    expect(get("polygon-bar").hidden).toBe(true);
    three();
    click(4, 9);
    buttons("back").click();
    buttons("close").click();
    expect(last()).toEqual(outline);
    expect(get("polygon-bar").hidden).toBe(true);
    three();
    buttons("abandon").click();
    key("Enter");
    expect(sent()).toHaveLength(1);
  });

  it("Enter closes one drawn by mouse, wherever the crosshair was", () => {
    key("ArrowLeft");
    three();
    key("Enter");
    expect(last()).toEqual(outline);
  });

  it("begun with the right button it subtracts", () => {
    click(2, 2, { button: 2 });
    click(9, 2);
    click(9, 9);
    key("Enter");
    expect(last()).toEqual({ ...outline, erase: true });
  });

  it("a drag moves the picture, and another tool puts it away", () => {
    const before = canvas().dataset.offsetX;
    three();
    drag([
      [5, 5],
      [8, 5],
    ]);
    expect(canvas().dataset.offsetX).not.toBe(before);
    key("s");
    key("p");
    key("Enter");
    expect(sent()).toEqual([]);
  });
});

describe("scissors", () => {
  const wire = (corners: number[], id = model.sent.at(-1)?.id): void => {
    model.reply({ kind: "wire", id, corners });
  };
  const wires = () => sent().filter(({ kind }) => kind === "wire");

  beforeEach(() => key("O", { shiftKey: true }));

  it("ask for the line between corners and send the outline when all are there", async () => {
    click(2, 2);
    expect(sent()).toEqual([]);
    click(9, 2);
    expect(last()).toEqual({ kind: "wire", x0: 2, y0: 2, x1: 9, y1: 2 });
    wire([2, 2, 5, 4, 9, 2]);
    click(9, 9);
    wire([9, 2, 9, 9]);
    key("Enter");
    expect(last()).toEqual({ kind: "wire", x0: 9, y0: 9, x1: 2, y1: 2 });
    wire([9, 9, 3, 8, 2, 2]);
    const corners = [2, 2, 5, 4, 9, 2, 9, 9, 3, 8];
    await until(() => expect(last()).toEqual({ kind: "polygon", corners, erase: false }));
  });

  it("ask for the line to the pointer one question at a time", async () => {
    click(2, 2);
    pointer("pointermove", 4, 4);
    pointer("pointermove", 5, 5);
    pointer("pointermove", 6, 6);
    expect(wires()).toHaveLength(1);
    wire([2, 2, 4, 4]);
    await until(() => {
      pointer("pointermove", 7, 7);
      expect(last()).toMatchObject({ x1: 7, y1: 7 });
    });
  });

  it("a refused line stays straight", async () => {
    click(2, 2);
    for (const [x, y] of [
      [9, 2],
      [9, 9],
    ] as const) {
      click(x, y);
      wire([x, y, x, y]);
    }
    key("Enter");
    const { id } = model.sent.at(-1) ?? {};
    model.reply({ kind: "error", id, ids: [id], title: "No line", message: "none" });
    await until(() => expect(last()).toMatchObject({ kind: "polygon" }));
  });

  it("Backspace takes a corner back and Escape all of them", () => {
    click(2, 2);
    click(9, 2);
    click(9, 9);
    key("Backspace");
    click(5, 9);
    expect(last()).toEqual({ kind: "wire", x0: 9, y0: 2, x1: 5, y1: 9 });
    key("Escape");
    const count = sent().length;
    key("Enter");
    expect(sent()).toHaveLength(count);
  });
});

describe("fill", () => {
  it("sends the pixel, not one outside", () => {
    get("fill").click();
    click(7, 6);
    expect(last()).toEqual({ kind: "fill", x: 7, y: 6 });
    get("fill").click();
    click(-3, 6);
    expect(sent()).toHaveLength(1);
  });
});

describe("clicks that are there", () => {
  const clicks = [
    { x: 4, y: 5, positive: true },
    { x: 14, y: 5, positive: false },
  ];
  beforeEach(async () => {
    model.reply(result({ clicks }));
    await until(() => expect(get("facts").textContent).toContain("2 clicks"));
  });

  it("a drag moves one by as much as the pointer", () => {
    drag([
      [4.1, 5],
      [6, 7],
      [8.1, 9],
    ]);
    expect(last()).toEqual({ kind: "move_click", index: 0, x: 8, y: 9 });
  });

  it("it stays in the picture", () => {
    drag([
      [14, 5],
      [60, -9],
    ]);
    expect(last()).toEqual({ kind: "move_click", index: 1, x: 19, y: 0 });
  });

  it("a press on one without moving is a click as anywhere", () => {
    click(4, 5);
    expect(last()).toMatchObject({ kind: "click", x: 4, y: 5, positive: true });
    click(4, 5, { button: 2 });
    expect(last()).toMatchObject({ kind: "click", positive: false });
  });

  it("Delete removes the one under the pointer, and nothing without", () => {
    key("Delete");
    expect(sent()).toEqual([]);
    pointer("pointermove", 14.2, 5);
    expect(canvas().title).toContain("Click 2");
    key("Delete");
    expect(last()).toEqual({ kind: "remove_click", index: 1 });
  });

  it("a tap shows a button that removes it", () => {
    click(4, 5, { pointerType: "touch" });
    expect(sent()).toEqual([]);
    const remove = get("click-remove") as HTMLButtonElement;
    expect(remove.hidden).toBe(false);
    remove.click();
    expect(last()).toEqual({ kind: "remove_click", index: 0 });
    expect(remove.hidden).toBe(true);
  });

  it("Shift and arrows move the latest, which is sent once the keys rest", async () => {
    vi.useFakeTimers();
    key("ArrowRight", { shiftKey: true });
    key("ArrowRight", { shiftKey: true });
    key("ArrowUp", { shiftKey: true });
    expect(sent()).toEqual([]);
    vi.advanceTimersByTime(600);
    vi.useRealTimers();
    expect(last()).toEqual({ kind: "move_click", index: 1, x: 14.5, y: 4.75 });
  });

  it("Escape puts a drag away", () => {
    pointer("pointerdown", 4, 5);
    pointer("pointermove", 8, 8);
    key("Escape");
    pointer("pointerup", 8, 8);
    expect(sent()).toEqual([]);
  });

  it("other tools leave them alone", () => {
    get("brush").click();
    drag([
      [4, 5],
      [8, 5],
    ]);
    expect(last()).toMatchObject({ kind: "brush" });
  });
});

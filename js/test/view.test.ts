/** The whole front end against recorded messages, on a page without pixels. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import widget from "../src/index";
import { FakeModel, result } from "./fakes";
import { bytes, replies } from "./recorded";
import { stubPage, unstubPage } from "./stage";

let model: FakeModel;
let host: HTMLElement;
let close: () => void;

beforeEach(() => {
  stubPage();
  model = new FakeModel();
  host = document.createElement("div");
  document.body.append(host);
  close = widget.render({ model, el: host });
});
afterEach(() => {
  close();
  host.remove();
  unstubPage();
});

const get = (id: string): HTMLElement => {
  const found = host.querySelector<HTMLElement>(`[data-testid="iseg-${id}"]`);
  if (found === null) throw new Error(`nothing is called ${id}`);
  return found;
};
const root = (): HTMLElement => host.querySelector(".iseg-widget") as HTMLElement;
const canvas = (): HTMLCanvasElement => get("canvas") as HTMLCanvasElement;

/** Deliver recorded messages as answers to requests of this view. */
async function deliver(from: number, to: number, id = model.sent.at(-1)?.id): Promise<void> {
  for (const { content, buffers } of replies.slice(from, to)) {
    const own: Record<string, unknown> = { ...content };
    if ("id" in own) own.id = id;
    if (Array.isArray(own.ids) && own.ids.length > 0) own.ids = [id];
    const data = buffers.map((buffer) => new DataView(bytes(buffer).buffer));
    model.reply(own, data);
  }
  await settle();
}

const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 100));

async function opened(): Promise<void> {
  const end = replies.findIndex(({ content }) => content.kind === "result");
  await deliver(0, end + 1);
  // The first time takes longer: modules and streams are cold.
  await vi.waitFor(() => expect(root().dataset.revision).toBe("0"));
}

function press(x: number, y: number, init: PointerEventInit = {}): void {
  const { scale, offsetX, offsetY } = canvas().dataset;
  const place = {
    clientX: Number(offsetX) + (x + 0.5) * Number(scale),
    clientY: Number(offsetY) + (y + 0.5) * Number(scale),
    pointerId: 1,
    pointerType: "mouse",
    ...init,
  };
  canvas().dispatchEvent(new PointerEvent("pointerdown", place));
  canvas().dispatchEvent(new PointerEvent("pointerup", place));
}

function key(name: string, init: KeyboardEventInit = {}, target: HTMLElement = canvas()): boolean {
  const event = new KeyboardEvent("keydown", {
    key: name,
    bubbles: true,
    cancelable: true,
    ...init,
  });
  return !target.dispatchEvent(event);
}

describe("opening", () => {
  it("asks for the picture and says that it loads", () => {
    expect(model.sent).toMatchObject([{ kind: "hello", picture: true, rev: 0 }]);
    expect(root().dataset.state).toBe("loading");
    expect(root().dataset).toMatchObject({ imageWidth: "20", imageHeight: "12" });
  });

  it("is idle with the picture and tells where pixels are", async () => {
    await opened();
    await vi.waitFor(() =>
      expect(root().dataset).toMatchObject({ state: "idle", revision: "0", inferences: "0" }),
    );
    expect(canvas().dataset).toMatchObject({ scale: "20", offsetX: "0", offsetY: "0" });
  });

  it("does not take the picture of another view for its own", async () => {
    const end = replies.findIndex(({ content }) => content.kind === "result");
    await deliver(0, end + 1, "other.1");
    expect(root().dataset.state).toBe("loading");
  });

  it("leaves nothing behind", async () => {
    await opened();
    close();
    expect(model.listeners).toBe(0);
    expect(host.childElementCount).toBe(0);
  });
});

describe("clicks", () => {
  beforeEach(opened);

  it("are shown and sent at once, and measured when they are answered", async () => {
    press(5, 6);
    expect(model.last("click")).toMatchObject({ x: 5, y: 6, positive: true, rev: 0 });
    expect(root().dataset.state).toBe("busy");
    expect(get("facts").textContent).toContain("1 click");
    const id = model.last("click").id;
    model.reply({ kind: "received", id });
    model.reply(
      result({
        id,
        ids: [id],
        clicks: [{ x: 5, y: 6, positive: true }],
        inferences: 1,
        history: { done: 1, undone: 0, undo: "click", redo: null },
      }),
    );
    await settle();
    expect(root().dataset).toMatchObject({ state: "idle", revision: "1", inferences: "1" });
    expect(Number(root().dataset.latencyMs)).toBeGreaterThanOrEqual(0);
    expect(get("timing").textContent).toContain("click to mask");
  });

  it.each([
    [{ button: 2 }, "positive"],
    [{ shiftKey: true }, "positive"],
    [{}, "negative"],
  ])("are negative with %j and the %s tool", (init, tool) => {
    get(tool).click();
    press(5, 6, init);
    expect(model.last("click").positive).toBe(false);
  });

  it("outside the picture are none", () => {
    press(50, 6);
    expect(model.sent.filter(({ kind }) => kind === "click")).toEqual([]);
  });

  it("can be placed with the keyboard", () => {
    key("ArrowRight");
    key("ArrowRight");
    key("ArrowDown");
    key("Enter");
    expect(model.last("click")).toMatchObject({ x: 11, y: 7, positive: true });
    key("Enter", { shiftKey: true });
    expect(model.last("click")).toMatchObject({ x: 11, y: 7, positive: false });
  });

  it("are forgotten on Escape", async () => {
    press(5, 6);
    expect(key("Escape")).toBe(true);
    expect(model.last("cancel")).toBeDefined();
    expect(root().dataset.state).toBe("idle");
  });

  it("that were lost on the way are told", async () => {
    press(5, 6);
    press(7, 6);
    model.reply({ kind: "received", id: model.last("click").id });
    await settle();
    expect(get("error").textContent).toContain("1 of the clicks did not reach the kernel");
  });
});

describe("answers", () => {
  beforeEach(opened);

  it("that patch an unknown revision make it ask for everything", async () => {
    model.reply(result({ rev: 9, base: 8 }));
    await settle();
    expect(model.last("hello").picture).toBe(false);
    expect(root().dataset.revision).toBe("0");
  });

  it("that are errors are shown until they are dismissed", async () => {
    model.reply({ kind: "error", id: null, ids: [], title: "No", message: "<b>out of memory</b>" });
    await settle();
    expect(get("error").textContent).toBe("No<b>out of memory</b>");
    get("error-dismiss").click();
    expect(get("errors").childElementCount).toBe(0);
  });

  it("that make no sense are shown too", async () => {
    model.reply({ kind: "result" });
    await settle();
    expect(get("error").textContent).toContain("result.id is undefined");
  });

  it("come from Python as well", async () => {
    model.reply(
      result({
        clicks: [{ x: 1, y: 1, positive: false }],
        history: { done: 1, undone: 0, undo: "click", redo: null },
      }),
    );
    await settle();
    expect(get("facts").textContent).toContain("1 click");
    expect((get("undo") as HTMLButtonElement).disabled).toBe(false);
  });
});

describe("controls", () => {
  beforeEach(opened);

  it("write only their own traits", () => {
    key("v");
    key("m");
    key("]");
    key("x");
    expect(model.traits).toMatchObject({
      show_views: true,
      show_mask: false,
      opacity: 0.6,
      tool: "negative",
    });
    expect(model.saved).toBe(4);
    expect(get("views-toggle").getAttribute("aria-pressed")).toBe("true");
  });

  it("follow the traits that Python sets", () => {
    model.set("opacity", 0.25);
    model.set("method", "squares");
    expect((get("opacity") as HTMLInputElement).value).toBe("0.25");
    expect((get("method") as HTMLSelectElement).value).toBe("squares");
  });

  it("ask for another method, and go back if there is none", async () => {
    const list = get("method") as HTMLSelectElement;
    list.value = "squares";
    list.dispatchEvent(new Event("change"));
    const request = model.last("method");
    expect(request).toMatchObject({ name: "squares", options: null });
    model.reply({ kind: "error", id: request.id, ids: [request.id], title: "No", message: "none" });
    await settle();
    expect(list.value).toBe("disks");
  });

  it("zoom and go back", () => {
    key("+");
    expect(Number(canvas().dataset.scale)).toBeCloseTo(28);
    key("1");
    expect(canvas().dataset.scale).toBe("1");
    key("f");
    expect(canvas().dataset.scale).toBe("20");
  });

  it("show the keys, and Escape closes them", () => {
    const panel = get("help-panel");
    expect(panel.hidden).toBe(true);
    key("?");
    expect(panel.hidden).toBe(false);
    key("Escape");
    expect(panel.hidden).toBe(true);
    expect(() => model.last("cancel")).toThrow();
  });

  it("keep JupyterLab's own keys quiet, on every element that can have the focus", () => {
    for (const node of root().querySelectorAll("button, canvas, input, select")) {
      expect(node.hasAttribute("data-lm-suppress-shortcuts")).toBe(true);
    }
  });

  it("leave other keys to the page", () => {
    expect(key("Tab")).toBe(false);
    expect(key("s", { ctrlKey: true })).toBe(false);
    expect(key("ArrowLeft", {}, get("opacity"))).toBe(false);
    expect(key("u")).toBe(true);
    expect(model.last("undo")).toBeDefined();
  });
});

describe("a lost kernel", () => {
  it("is shown, the picture stays, and an answer clears it", async () => {
    await opened();
    model.emit("comm:close");
    expect(root().dataset.state).toBe("disconnected");
    expect(get("banner").hidden).toBe(false);
    model.reply({ kind: "activity", ids: [], what: null });
    await settle();
    expect(root().dataset.state).toBe("idle");
    expect(get("banner").hidden).toBe(true);
  });
});

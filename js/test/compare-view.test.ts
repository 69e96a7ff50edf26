/** A whole comparison against the messages that the Python tests record and check as well. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import file from "../../tests/widget/fixtures/compare.json";
import { Answers } from "../src/compare/answers";
import compare from "../src/compare/index";
import type { CompareModel } from "../src/compare/model";
import { labelOf } from "../src/compare/pane";
import type { PaneInfo, PaneReply } from "../src/compare/protocol";
import { parseReply } from "../src/protocol";
import { FakeModel } from "./fakes";
import { bytes, type RecordedReply, rows } from "./recorded";
import { settle, stubPage, unstubPage } from "./stage";

const replies = file.replies as unknown as RecordedReply[];
const panes = file.panes as PaneInfo[];
const buffersOf = ({ buffers }: RecordedReply) =>
  buffers.map((buffer) => new DataView(bytes(buffer).buffer));

let model: FakeModel;
let host: HTMLElement;
let close: () => void;

function render(traits: Record<string, unknown> = {}): void {
  model = new FakeModel();
  Object.assign(model.traits, {
    panes,
    has_truth: true,
    show_agreement: true,
    robot_pane: 0,
    ...traits,
  });
  close = compare.render({ model: model as unknown as CompareModel, el: host });
}

beforeEach(() => {
  stubPage();
  host = document.createElement("div");
  document.body.append(host);
  render();
});
afterEach(() => {
  close();
  host.remove();
  unstubPage();
});

const all = (id: string): HTMLElement[] => [
  ...host.querySelectorAll<HTMLElement>(`[data-testid="iseg-${id}"]`),
];
function get(id: string): HTMLElement {
  const [found] = all(id);
  if (found === undefined) throw new Error(`nothing is called ${id}`);
  return found;
}
const root = (): HTMLElement => host.querySelector(".iseg-compare") as HTMLElement;
const facts = (): string[] => all("pane-facts").map((node) => node.textContent ?? "");

/** Number of the first message after the answers to the `count`-th request. */
const until = (count: number): number => {
  const next = replies.findIndex(
    ({ content }) => content.kind === "received" && content.id === `page.${count + 1}`,
  );
  return next < 0 ? replies.length : next;
};

/** Deliver recorded messages as answers to the view's latest request. */
async function deliver(from: number, to: number): Promise<void> {
  const id = model.sent.at(-1)?.id;
  for (const entry of replies.slice(from, to)) {
    const own: Record<string, unknown> = { ...entry.content };
    if ("id" in own) own.id = id;
    if (Array.isArray(own.ids) && own.ids.length > 0) own.ids = [id];
    model.reply(own, buffersOf(entry));
  }
  // Messages are taken one after another: the last one says that all others were.
  mark += 1;
  model.reply({ kind: "error", id: null, ids: [], title: "mark", message: `mark ${mark}` });
  await vi.waitFor(() => expect(get("errors").textContent).toContain(`mark ${mark}`), 20_000);
  all("error-dismiss").at(-1)?.click();
}
let mark = 0;

function pointer(pane: number, type: string, x: number, y: number, init = {}): void {
  const canvas = all("canvas")[pane];
  const { scale, offsetX, offsetY } = canvas?.dataset ?? {};
  const place = {
    clientX: Number(offsetX) + (x + 0.5) * Number(scale),
    clientY: Number(offsetY) + (y + 0.5) * Number(scale),
    pointerId: 1,
    pointerType: "mouse",
    ...init,
  };
  canvas?.dispatchEvent(new PointerEvent(type, place));
}

function press(pane: number, x: number, y: number, init = {}): void {
  pointer(pane, "pointerdown", x, y, init);
  pointer(pane, "pointerup", x, y, init);
}

function key(name: string, init: KeyboardEventInit = {}): void {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, ...init });
  all("canvas")[0]?.dispatchEvent(event);
}

describe("messages", () => {
  it("of the kernel are all understood", () => {
    for (const { content } of replies) expect(() => parseReply(content)).not.toThrow();
  });

  it("that are malformed are refused", () => {
    const pane = replies.find(({ content }) => content.kind === "pane")?.content;
    expect(() => parseReply({ ...pane, points: [[1]] })).toThrow("pane.points");
    expect(() => parseReply({ ...pane, pane: -1 })).toThrow("pane.pane");
  });

  it("draw the masks that Python has", async () => {
    const answers = new Answers(panes);
    let seen = 0;
    for (const entry of replies) {
      if (entry.content.kind !== "pane") continue;
      const reply = parseReply(entry.content) as PaneReply;
      expect(await answers.take(reply, buffersOf(entry)[0])).toBe(true);
      expect(
        rows(answers.overlays[reply.pane]?.pixels([0, 0, 20, 12]) ?? new Uint8Array(), 20),
      ).toEqual(entry.mask);
      seen += 1;
    }
    expect(seen).toBeGreaterThan(10);
    expect(answers.panes.map((pane) => pane.error)).toEqual([null, null]);
  });

  it("that were missed are asked for", async () => {
    const answers = new Answers(panes);
    const patch = { ...parseReply(replies[2]?.content), rev: 7, base: 6 } as PaneReply;
    expect(await answers.take(patch, buffersOf(replies[2] as RecordedReply)[0])).toBe(false);
  });
});

describe("opening", () => {
  it("asks for the picture and shows a pane for each method and the agreement", async () => {
    expect(model.sent).toMatchObject([{ kind: "hello", picture: true }]);
    expect(root().dataset.state).toBe("loading");
    await deliver(0, until(1));
    expect(root().dataset.state).toBe("idle");
    expect(all("canvas").length).toBe(3);
    expect(get("pane-agreement").hidden).toBe(false);
    expect(facts()[0]).toBe("0 clicks");
  });

  it("shows no agreement of one pane and no chart without truth", () => {
    close();
    render({ panes: panes.slice(0, 1), has_truth: false });
    expect(get("pane-agreement").hidden).toBe(true);
    expect(all("chart").length).toBe(0);
    expect((get("robot") as HTMLButtonElement).disabled).toBe(true);
    expect(get("robot").title).toContain("truth=");
  });

  it("leaves nothing behind", () => {
    close();
    expect(model.listeners).toBe(0);
    expect(host.childElementCount).toBe(0);
  });
});

describe("clicks", () => {
  beforeEach(() => deliver(0, until(1)));

  it("in any pane go to the kernel, and to all panes at once", () => {
    press(1, 5, 6.25);
    expect(model.last("click")).toMatchObject({ x: 5, y: 6.25, positive: true });
    expect(facts().slice(0, 2)).toEqual(["0 of 1 click", "0 of 1 click"]);
    press(2, 3, 4, { button: 2 });
    expect(model.last("click")).toMatchObject({ x: 3, y: 4, positive: false });
  });

  it("are answered pane by pane", async () => {
    press(0, 5, 6.25);
    const start = until(2);
    const first = replies.findIndex(
      ({ content }, index) => index >= start && content.kind === "pane",
    );
    await deliver(start, first + 1);
    expect(facts()[0]).toMatch(/^1 clickIoU 0\.\d{3}4 ms$/);
    expect(facts()[1]).toBe("0 of 1 click");
    expect(root().dataset.state).toBe("busy");
    await deliver(first + 1, first + 3);
    expect(get("pane-1").dataset.working).toBe("true");
    expect(get("pane-0").dataset.working).toBe("false");
    await deliver(first + 3, until(3));
    expect(root().dataset).toMatchObject({ state: "idle", revision: "1" });
    expect(facts()[1]).toMatch(/^1 clickIoU/);
    expect(get("pane-agreement").textContent).toContain("in all masks");
  });

  it("that a pane did not answer leave its reason in the pane", async () => {
    await deliver(until(1), until(9));
    expect(all("pane-error").map((node) => node.textContent)).toEqual(["", "refused", ""]);
    expect(get("pane-1").dataset.failed).toBe("true");
    expect(get("pane-agreement").textContent).toContain("1");
    await deliver(until(9), until(10));
    expect(get("pane-1").dataset.failed).toBe("false");
  });

  it("can be moved with the mouse", async () => {
    await deliver(until(1), until(3));
    const { length } = model.sent;
    pointer(0, "pointerdown", 5, 6.25);
    pointer(0, "pointermove", 9, 7);
    pointer(0, "pointerup", 9, 7);
    expect(model.sent.length).toBe(length + 1);
    expect(model.last("move_click")).toMatchObject({ index: 0, x: 9, y: 7 });
  });

  it("that are dragged stay where they are until the answer, and Escape gives the drag up", async () => {
    await deliver(until(1), until(3));
    const { length } = model.sent;
    pointer(1, "pointerdown", 5, 6.25);
    pointer(1, "pointermove", 9, 7);
    key("Escape");
    pointer(1, "pointerup", 9, 7);
    expect(model.sent.length).toBe(length);
  });

  it("under the pointer of any pane are removed with Delete", async () => {
    await deliver(until(1), until(3));
    pointer(1, "pointermove", 5, 6.25);
    expect(all("canvas")[1]?.title).toContain("Click 1");
    expect(all("canvas")[0]?.title).toBe("");
    key("Delete");
    expect(model.last("remove_click")).toMatchObject({ index: 0 });
    pointer(1, "pointermove", 15, 2);
    const { length } = model.sent;
    key("Delete");
    expect(model.sent.length).toBe(length);
  });

  it("are removed by touch: a tap, then the button beside it, in the pane that was tapped", async () => {
    await deliver(until(1), until(3));
    press(1, 5, 6.25, { pointerType: "touch" });
    const remove = get("click-remove");
    expect(remove.hidden).toBe(false);
    expect(get("pane-1").contains(remove)).toBe(true);
    expect(all("click-remove").length).toBe(1);
    remove.click();
    expect(model.last("remove_click")).toMatchObject({ index: 0 });
    expect(remove.hidden).toBe(true);
  });

  it("are moved with Shift and the arrow keys, sent when the keys rest", async () => {
    await deliver(until(1), until(3));
    vi.useFakeTimers();
    try {
      key("ArrowRight", { shiftKey: true });
      key("ArrowDown", { shiftKey: true });
      const { length } = model.sent;
      vi.advanceTimersByTime(600);
      expect(model.sent.length).toBe(length + 1);
      const { index, x, y } = model.last("move_click");
      expect([index, Number(x) > 5, Number(y) > 6.25]).toEqual([0, true, true]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("on a click that is there add another one", async () => {
    await deliver(until(1), until(3));
    press(0, 5, 6.25);
    expect(model.last("click")).toMatchObject({ x: 5, y: 6.25, positive: true });
  });

  it("outside the picture are none", () => {
    press(0, -3, 4);
    expect(model.sent.length).toBe(1);
  });
});

describe("a large picture", () => {
  /** The picture is 4000 × 3000, its base an eighth of that. */
  beforeEach(async () => {
    close();
    render({ image_size: [4000, 3000] });
    const id = model.sent.at(-1)?.id;
    const cut = { width: 4000, height: 3000, level: 3, tile: 512, mime: "image/jpeg" };
    model.reply({ kind: "picture", id, ...cut }, [new ArrayBuffer(4)]);
    await settle();
  });
  const tiles = () => model.sent.filter(({ kind }) => kind === "tile");
  const names = () => tiles().map(({ level, column, row }) => [level, column, row].join());

  it("asks once for each tile in sight, whatever the number of panes", async () => {
    expect(root().dataset.sharp).toBe("true");
    key("1");
    await settle();
    expect(root().dataset.sharp).toBe("false");
    let answered = 0;
    for (; answered < tiles().length; answered++) {
      const { id, level, column, row } = tiles()[answered] ?? {};
      const tile = { kind: "tile", id, level, column, row, mime: "image/jpeg" };
      model.reply(tile, [new ArrayBuffer(4)]);
      await settle();
    }
    expect(answered).toBeGreaterThan(1);
    expect(new Set(names()).size).toBe(answered);
    expect(root().dataset.sharp).toBe("true");
  });

  it("asks again for a tile that did not come", async () => {
    key("1");
    await settle();
    const [first] = tiles();
    model.reply({ kind: "error", id: first?.id, ids: [first?.id], title: "t", message: "m" });
    await settle();
    expect(names().filter((name) => name === names()[0])).toHaveLength(2);
  });
});

describe("the panes", () => {
  beforeEach(() => deliver(0, until(4)));

  it("share one viewport", () => {
    const scales = () => all("canvas").map((canvas) => canvas.dataset.scale);
    const before = scales();
    key("+");
    expect(new Set(scales()).size).toBe(1);
    expect(scales()[0]).not.toBe(before[0]);
    key("f");
    expect(scales()).toEqual(before);
  });

  it("draw their curves, and tell them in words", () => {
    const table = get("chart-table").querySelectorAll("tr");
    expect(table.length).toBe(3);
    expect(get("chart").getAttribute("aria-label")).toMatch(/small 0\.\d+ after 2 clicks/);
    expect(root().querySelectorAll(".iseg-best").length).toBe(1);
  });

  it("are named by what tells them apart", () => {
    const [first, second] = panes as [PaneInfo, PaneInfo];
    expect(labelOf(panes, 0)).toBe("small");
    const same = [
      { ...first, title: "T (ICIP 2022)", detail: "" },
      { ...second, title: "T", detail: "a=1" },
    ];
    expect([labelOf(same, 0), labelOf(same, 1)]).toEqual(["T · defaults", "T · a=1"]);
  });
});

describe("commands", () => {
  beforeEach(() => deliver(0, until(4)));

  it("have the keys of the segmentation widget and their own", () => {
    for (const [name, kind] of [
      ["u", "undo"],
      ["y", "redo"],
      ["r", "robot"],
    ] as const) {
      key(name);
      expect(model.sent.at(-1)?.kind).toBe(kind);
    }
    key("Delete", { shiftKey: true });
    expect(model.sent.at(-1)?.kind).toBe("reset");
    key("x");
    expect(model.traits.tool).toBe("negative");
    key("a");
    expect(get("pane-agreement").hidden).toBe(true);
    key("?");
    expect(get("help-panel").hidden).toBe(false);
    expect(get("help-panel").textContent).toContain("robot");
    key("Escape");
    expect(get("help-panel").hidden).toBe(true);
  });

  it("send the robot to the chosen pane", () => {
    const select = get("robot-pane") as HTMLSelectElement;
    select.value = "1";
    select.dispatchEvent(new Event("change"));
    get("robot").click();
    expect(model.last("robot")).toMatchObject({ pane: 1 });
  });

  it("cancel what runs", async () => {
    press(0, 9, 9);
    key("Escape");
    expect(model.last("cancel")).toBeDefined();
    expect(facts()[0]).toMatch(/^2 clicks/);
  });

  it("show what the kernel refused", async () => {
    await deliver(until(11), until(12));
    expect(get("error").textContent).toContain("outside the image");
    get("error-dismiss").click();
    expect(all("error").length).toBe(0);
  });

  it("say so when the kernel is gone", async () => {
    model.emit("comm:close");
    expect(root().dataset.state).toBe("disconnected");
    expect(get("banner").hidden).toBe(false);
  });
});

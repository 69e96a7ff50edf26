/** The threshold slider: tried in the page, sent when it is let go. */

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Scene } from "../src/layers";
import type { Host, Part } from "../src/parts/part";
import { threshold } from "../src/parts/threshold";
import { parseReply, type Reply } from "../src/protocol";
import { initialState, reduce, Store, type TraitState } from "../src/store/state";
import "../src/messages/index";
import { MODES, result } from "./fakes";

/** A zlib stream with nothing compressed. */
async function deflated(values: readonly number[]): Promise<DataView> {
  const stream = new Blob([new Uint8Array(values)]).stream();
  const packed = stream.pipeThrough(new CompressionStream("deflate"));
  return new DataView(await new Response(packed).arrayBuffer());
}

let sent: Record<string, unknown>[];
let part: Part;
let store: Store;
let stage: HTMLElement;
let tools: HTMLElement;
let canvas: HTMLCanvasElement;

const get = <T extends HTMLElement>(id: string): T => {
  const found = [stage, tools]
    .map((root) => root.querySelector<T>(`[data-testid="iseg-${id}"]`))
    .find((node) => node !== null);
  if (!found) throw new Error(`nothing is called ${id}`);
  return found;
};
const slider = (): HTMLInputElement => get("threshold");
const run = (id: string): void => part.commands?.find((command) => command.id === id)?.run();

function answer(fields: Record<string, unknown>): void {
  const before = store.state;
  const reply = parseReply(result(fields));
  store.dispatch({ type: "reply", reply });
  void part.reply?.(reply, []);
  part.update?.(store.state, before);
}

async function soft(values: readonly number[], inForce = 0.5): Promise<void> {
  const reply = {
    kind: "soft",
    id: `page.${sent.length}`,
    box: [2, 1, 4, 3],
    size: [2, 2],
    threshold: inForce,
  };
  await part.reply?.(parseReply(reply) as Reply, [await deflated(values)]);
}

const move = (value: string, type: "input" | "change"): void => {
  slider().value = value;
  slider().dispatchEvent(new Event(type));
};

beforeEach(() => {
  vi.stubGlobal("ImageData", class {});
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(
    new Proxy({}, { get: () => () => undefined, set: () => true }) as RenderingContext & null,
  );
  sent = [];
  stage = document.createElement("div");
  tools = document.createElement("div");
  canvas = document.createElement("canvas");
  const traits = { image: { width: 8, height: 6 }, opacity: 0.5, tool: "positive" };
  store = new Store(
    reduce(initialState({ ...traits, modes: MODES } as TraitState), { type: "picture" }),
  );
  const host = {
    store,
    overlay: { colour: [1, 2, 3] },
    panel: {
      stage,
      canvas,
      addGroup: (_: string, ...children: Node[]) => {
        tools.append(...children);
        return tools;
      },
    },
    send: (body: Record<string, unknown>) => `page.${sent.push(body)}`,
    redraw: () => undefined,
  } as unknown as Host;
  part = threshold(host);
  answer({ rev: 0 });
});

describe("the slider", () => {
  it("asks for the probability when it is opened, and again after every result", async () => {
    expect(sent).toEqual([]);
    run("threshold");
    expect(sent).toEqual([{ kind: "soft", side: 1024 }]);
    expect(slider().disabled).toBe(true);
    await soft([0, 100, 200, 255], 0.3);
    expect(slider().disabled).toBe(false);
    expect(slider().value).toBe("0.3");
    answer({ rev: 1 });
    expect(sent).toHaveLength(2);
    run("threshold");
    answer({ rev: 2 });
    expect(sent).toHaveLength(2);
  });

  it("stays closed to a method that said nothing yet", async () => {
    run("threshold");
    await part.reply?.(
      parseReply({ kind: "soft", id: "page.1", box: null, size: [0, 0], threshold: 0.5 }),
      [],
    );
    expect(slider().disabled).toBe(true);
    expect(get("threshold-bar").textContent).toContain("Click first");
  });

  it("is tried in the page and sent when it is let go", async () => {
    run("threshold");
    await soft([0, 100, 200, 255]);
    const drawn: number[][] = [];
    const context = new Proxy(
      { stroke: () => undefined },
      { get: () => () => undefined, set: () => true },
    );
    const view = { scale: 10, offsetX: 0, offsetY: 0 };
    const scene = (): Scene =>
      ({ state: store.state, view, context, ratio: 1, size: { width: 80, height: 60 } }) as never;
    vi.stubGlobal(
      "Path2D",
      class {
        moveTo(...at: number[]): void {
          drawn.push(at);
        }
        lineTo(...at: number[]): void {
          drawn.push(at);
        }
      },
    );
    expect(part.drawsMask?.()).toBe(false);
    move("0.3", "input");
    expect(part.drawsMask?.()).toBe(true);
    part.drawMask?.(scene());
    const low = drawn.splice(0).length;
    move("0.99", "input");
    expect(part.drawsMask?.()).toBe(true);
    part.drawMask?.(scene());
    // Only the value 255 is above it: the lower right of the box's four pixels.
    expect(drawn.length).toBeLessThan(low);
    expect(drawn.every(([x = 0, y = 0]) => x >= 25 && y >= 15)).toBe(true);
    expect(sent).toHaveLength(1);
    move("0.3", "change");
    expect(sent.at(-1)).toEqual({ kind: "threshold", value: 0.3 });
  });

  it("keys that follow each other are one change", async () => {
    run("threshold");
    await soft([0, 100, 200, 255]);
    vi.useFakeTimers();
    for (const value of ["0.51", "0.52", "0.53"]) {
      slider().dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
      move(value, "input");
      move(value, "change");
    }
    expect(sent).toHaveLength(1);
    vi.advanceTimersByTime(1000);
    vi.useRealTimers();
    expect(sent.slice(1)).toEqual([{ kind: "threshold", value: 0.53 }]);
  });

  it("a reply to another view's question is left alone", async () => {
    run("threshold");
    const reply = { kind: "soft", id: "other.1", box: [0, 0, 1, 1], size: [1, 1], threshold: 0.5 };
    await part.reply?.(parseReply(reply), [await deflated([9])]);
    expect(slider().disabled).toBe(true);
  });

  it("Escape closes it", () => {
    run("threshold");
    expect(get("threshold-bar").hidden).toBe(false);
    expect(part.escape?.()).toBe(true);
    expect(get("threshold-bar").hidden).toBe(true);
    expect(part.escape?.()).toBe(false);
  });
});

it("values that do not fill their size are refused", async () => {
  run("threshold");
  await expect(soft([1, 2, 3])).rejects.toThrow("3 values do not fill 2 x 2");
});

it("the soft mask asks as well", () => {
  run("soft");
  expect(get("soft-toggle").getAttribute("aria-pressed")).toBe("true");
  expect(sent).toEqual([{ kind: "soft", side: 1024 }]);
});

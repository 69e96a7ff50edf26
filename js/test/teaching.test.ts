/** The panels of views, options and replay in the whole front end, against recorded messages. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import widget from "../src/index";
import { FakeModel, result } from "./fakes";
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
  const end = replies.findIndex(({ content }) => content.kind === "result");
  for (const entry of replies.slice(0, end + 1)) answer(entry, String(model.last("hello").id));
  await vi.waitFor(() => {
    expect(root().dataset).toMatchObject({ state: "idle", revision: "0" });
  });
});

afterEach(() => {
  close();
  host.remove();
  unstubPage();
});

function answer({ content, buffers }: (typeof replies)[number], id: string): void {
  const own: Record<string, unknown> = { ...content };
  if ("id" in own) own.id = id;
  if (Array.isArray(own.ids) && own.ids.length > 0) own.ids = [id];
  model.reply(
    own,
    buffers.map((buffer) => new DataView(bytes(buffer).buffer)),
  );
}

/** Answer the latest request of a kind with a recorded reply. */
function recorded(kind: string, fits: (content: Record<string, unknown>) => boolean = () => true) {
  const found = replies.find(({ content }) => content.kind === kind && fits(content));
  if (found === undefined) throw new Error(`no ${kind} was recorded`);
  return found;
}

const get = (id: string): HTMLElement => {
  const found = host.querySelector<HTMLElement>(`[data-testid="iseg-${id}"]`);
  if (found === null) throw new Error(`nothing is called ${id}`);
  return found;
};
const all = (id: string) => [...host.querySelectorAll(`[data-testid="iseg-${id}"]`)];
const root = (): HTMLElement => host.querySelector(".iseg-widget") as HTMLElement;
const kinds = () => model.sent.map((content) => content.kind);
const sent = (kind: string) => model.sent.filter((content) => content.kind === kind);
const CLICKS = [
  { x: 5, y: 5, positive: true },
  { x: 9, y: 6, positive: false },
];

let rev = 0;

/** The kernel says that two clicks were answered. */
async function clicked(fields: Record<string, unknown> = {}): Promise<void> {
  rev = Number(root().dataset.revision) + 1;
  const others = { base: rev - 1, box: [0, 0, 0, 0], ids: [] };
  model.reply(result({ rev, base: rev - 1, others, clicks: CLICKS, ...fields }));
  await vi.waitFor(() => expect(root().dataset.revision).toBe(String(rev)));
}

describe("views", () => {
  const explain = async (): Promise<void> => {
    await vi.waitFor(() => expect(kinds()).toContain("explain"));
    const some = recorded("explanation", (content) => content.count !== 0);
    answer(some, String(model.last("explain").id));
    await vi.waitFor(() => expect(all("views-card").length).toBeGreaterThan(0));
  };

  it("are asked for while the panel is open, once for each state", async () => {
    await clicked();
    await new Promise((done) => setTimeout(done, 300));
    expect(kinds()).not.toContain("explain");
    get("explain-toggle").click();
    await explain();
    expect(model.last("explain").index).toBeNull();
    expect(all("views-card")).toHaveLength(5);
    expect(sent("explain")).toHaveLength(1);
    await clicked();
    await vi.waitFor(() => expect(sent("explain")).toHaveLength(2));
    get("explain-toggle").click();
    await clicked();
    await new Promise((done) => setTimeout(done, 300));
    expect(sent("explain")).toHaveLength(2);
  });

  it("of another step stay when an answer to an older question arrives", async () => {
    await clicked();
    get("explain-toggle").click();
    await explain();
    get("views-on").click();
    expect(model.last("explain").index).toBeNull();
    answer(
      recorded("explanation", ({ count }) => count === 0),
      "other.1",
    );
    await clicked();
    expect(all("views-card")).toHaveLength(5);
  });

  it("that could not be had leave the old ones", async () => {
    await clicked();
    get("explain-toggle").click();
    await explain();
    await clicked();
    await vi.waitFor(() => expect(get("views-list").getAttribute("aria-busy")).toBe("true"));
    const id = String(model.last("explain").id);
    model.reply({ kind: "error", id, ids: [id], title: "Not explained", message: "why" });
    await vi.waitFor(() => expect(get("views-list").getAttribute("aria-busy")).toBe("false"));
    expect(all("views-card")).toHaveLength(5);
    expect(get("error").textContent).toContain("why");
  });

  it("are nothing before the first click", async () => {
    get("explain-toggle").click();
    await vi.waitFor(() => expect(kinds()).toContain("explain"));
    const none = recorded("explanation", ({ count }) => count === 0);
    answer(none, String(model.last("explain").id));
    await vi.waitFor(() => expect(get("views-list").getAttribute("aria-busy")).toBe("false"));
    expect(get("views-note").textContent).toContain("Click on the picture");
  });
});

describe("replay", () => {
  const frame = (index: number) => {
    const request = sent("step_mask").findLast((content) => content.index === index);
    answer(
      recorded("step_mask", (content) => content.index === index),
      String(request?.id),
    );
  };
  const open = async (): Promise<void> => {
    await clicked();
    get("replay-toggle").click();
    expect(model.last("step_mask").index).toBe(0);
    frame(0);
    await vi.waitFor(() => expect(get("replay-text").textContent).toContain("after 2 steps"));
  };

  it("shows earlier steps and asks the kernel for their masks only", async () => {
    await open();
    get("replay-back").click();
    frame(1);
    await vi.waitFor(() => expect(get("replay-text").textContent).toContain("positive click"));
    expect(root().dataset.moment).toBe("1");
    expect(get("moment").hidden).toBe(false);
    expect(new Set(kinds())).toEqual(new Set(["hello", "step_mask"]));
    get("replay-leave").click();
    expect(root().dataset.moment).toBe("");
    expect(get("moment").hidden).toBe(true);
  });

  it("takes no clicks: a press leads back to the present", async () => {
    await open();
    get("replay-back").click();
    const press = (type: string) =>
      get("canvas").dispatchEvent(
        new PointerEvent(type, { clientX: 9, clientY: 9, bubbles: true, pointerId: 1 }),
      );
    press("pointerdown");
    press("pointerup");
    expect(root().dataset.moment).toBe("");
    expect(kinds()).not.toContain("click");
    press("pointerdown");
    press("pointerup");
    expect(kinds()).toContain("click");
  });

  it("ends with a new state, and begins with its steps", async () => {
    await open();
    get("replay-back").click();
    expect(root().dataset.moment).toBe("1");
    const asked = sent("step_mask").length;
    await clicked();
    expect(root().dataset.moment).toBe("");
    expect(sent("step_mask").length).toBeGreaterThan(asked);
  });

  it("closes with Escape", async () => {
    await open();
    get("canvas").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(get("replay").hidden).toBe(true);
    expect(kinds()).not.toContain("cancel");
  });
});

describe("options", () => {
  const open = async (): Promise<void> => {
    await clicked();
    get("options-toggle").click();
    answer(recorded("options_form"), String(model.last("options_form").id));
    await vi.waitFor(() => expect(all("option")).toHaveLength(1));
  };
  const change = (value: string): void => {
    const control = get("option-control") as HTMLInputElement;
    control.value = value;
    control.dispatchEvent(new Event("change"));
  };
  const checked = (problems: object) => {
    const { id } = model.last("check_options");
    model.reply({ kind: "options_checked", id, problems });
  };
  const compared = async (): Promise<void> => {
    const some = recorded("difference", ({ added }) => added !== 0);
    answer(some, String(model.last("difference").id));
    await vi.waitFor(() => expect(get("added").textContent).toBe("12 px"));
  };

  it("that are wrong change nothing and are told in place", async () => {
    await open();
    change("-1");
    expect(model.last("check_options")).toMatchObject({ method: "disks", values: { radius: -1 } });
    checked({ radius: "radius must lie in 0..1000, got -1" });
    await vi.waitFor(() => expect(get("option-problem").textContent).toContain("got -1"));
    expect(kinds()).not.toContain("method");
  });

  it("that are right are taken, and compared with the former", async () => {
    await open();
    change("2");
    checked({});
    await vi.waitFor(() => expect(kinds()).toContain("difference"));
    expect(kinds().slice(-3)).toEqual(["check_options", "method", "difference"]);
    expect(model.last("method")).toMatchObject({ name: "disks", options: { radius: 2 } });
    expect(model.last("difference")).toMatchObject({ method: "disks", values: { radius: 3 } });
    await clicked({ ids: [model.last("method").id] });
    await compared();
    expect(get("removed").textContent).toBe("2 px");
    // Other clicks: the former options are of no interest any more.
    await clicked();
    await vi.waitFor(() => expect(all("added")).toHaveLength(0));
  });

  it("that are pinned are compared with after every click", async () => {
    await open();
    get("options-pin").click();
    expect(model.last("difference").values).toEqual({ radius: 3 });
    change("2");
    checked({});
    await vi.waitFor(() => expect(kinds()).toContain("method"));
    expect(model.last("difference").values).toEqual({ radius: 3 });
    await clicked({ ids: [model.last("method").id] });
    await compared();
    const asked = sent("difference").length;
    await clicked();
    await vi.waitFor(() => expect(sent("difference")).toHaveLength(asked + 1));
    expect(model.last("difference").values).toEqual({ radius: 3 });
  });

  it("changed from Python show their new values", async () => {
    await open();
    const asked = sent("options_form").length;
    model.emit("change:options");
    expect(sent("options_form")).toHaveLength(asked + 1);
  });
});

describe("the open panel", () => {
  it("is told to the kernel, and follows it", async () => {
    get("options-toggle").click();
    expect(model.traits.panel).toBe("options");
    model.set("panel", "explain");
    expect(get("explain-panel").hidden).toBe(false);
    expect(get("options-panel").hidden).toBe(true);
    model.set("panel", "nothing of this kind");
    expect(get("explain-panel").hidden).toBe(true);
  });

  it("is open again after a reload", () => {
    model.traits.panel = "options";
    close();
    close = widget.render({ model, el: host });
    expect(get("options-panel").hidden).toBe(false);
    expect(kinds()).toContain("options_form");
  });
});

it("leaves nothing behind", () => {
  close();
  expect(model.listeners).toBe(0);
  expect(host.childElementCount).toBe(0);
});

/** Many images: the bar, the list, and the picture that changes with its masks. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import widget from "../src/index";
import type { QueueEntry } from "../src/messages/queue";
import { PictureLayer } from "../src/picture";
import { FakeModel, result } from "./fakes";

class NoPath {
  moveTo(): void {}
  lineTo(): void {}
  arc(): void {}
  roundRect(): void {}
}

interface FakePicture {
  size: number;
  closed: boolean;
  close(): void;
}

let model: FakeModel;
let host: HTMLElement;
let close: () => void;
let drawn: unknown[];
let made: FakePicture[];

const NAMES = ["a.png", "<img src=x onerror=alert(1)>.png", "c.png"];

function entry(index: number, fields: Partial<QueueEntry> = {}): QueueEntry {
  return {
    index,
    file: NAMES[index] ?? `${index}.png`,
    status: "todo",
    note: "",
    problem: null,
    ...fields,
  };
}

function queue(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    kind: "queue",
    id: null,
    at: 0,
    count: 3,
    whole: false,
    images: [],
    saved: true,
    trouble: null,
    closed: null,
    notices: [],
    ...fields,
  };
}

/** All of the picture in one piece. */
const CUT = { level: 0, tile: 512 };
const whole = { whole: true, images: [0, 1, 2].map((index) => entry(index)) };
const fresh = { base: null, others: { base: null, box: [0, 0, 0, 0], ids: [] } };
const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 40));
const get = (id: string): HTMLElement => {
  const found = host.querySelector<HTMLElement>(`[data-testid="iseg-${id}"]`);
  if (found === null) throw new Error(`nothing is called ${id}`);
  return found;
};
const canvas = (): HTMLCanvasElement => get("canvas") as HTMLCanvasElement;
const root = (): HTMLElement => host.querySelector(".iseg-widget") as HTMLElement;
const press = (key: string, shiftKey = false): boolean =>
  canvas().dispatchEvent(
    new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true }),
  );
const kinds = (): unknown[] => model.sent.map(({ kind }) => kind);

/** Show the other image, as the kernel does. */
async function turn(rev: number, at: number, width = 40, height = 30): Promise<void> {
  const id = model.sent.at(-1)?.id;
  model.reply(queue({ at }));
  model.reply({ kind: "opened", rev, width, height, ...CUT, mime: "image/png" }, [
    new ArrayBuffer(rev),
  ]);
  model.reply(result({ ...fresh, rev, grid: [width, height], id, ids: [id] }));
  await settle();
}

beforeEach(async () => {
  drawn = [];
  made = [];
  const context = new Proxy(
    {
      measureText: () => ({ width: 40 }),
      drawImage: (picture: unknown) => drawn.push(picture),
    } as Record<string | symbol, unknown>,
    { get: (target, name) => target[name] ?? (() => undefined), set: () => true },
  );
  vi.stubGlobal("Path2D", NoPath);
  vi.stubGlobal("ImageData", class {});
  vi.stubGlobal("createImageBitmap", async (blob: Blob) => {
    const picture = { size: blob.size, closed: false, close: () => {} };
    picture.close = () => {
      picture.closed = true;
    };
    made.push(picture);
    return picture;
  });
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(
    context as unknown as RenderingContext & null,
  );
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(400);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(240);
  model = new FakeModel();
  model.traits.images = 3;
  host = document.createElement("div");
  document.body.append(host);
  close = widget.render({ model, el: host });
  const id = model.sent.at(-1)?.id;
  model.reply({ kind: "picture", id, width: 20, height: 12, ...CUT, mime: "image/png" }, [
    new ArrayBuffer(7),
  ]);
  model.reply(result({ ...fresh, rev: 0, id, ids: [id] }));
  await settle();
  model.reply(queue({ ...whole, id: model.last("queue").id }));
  await settle();
});
afterEach(() => {
  close();
  host.remove();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("the bar", () => {
  it("tells where one is, in words and as a meter", () => {
    expect(get("queue-place").textContent).toBe("1 / 3");
    expect(get("queue-file").textContent).toBe("a.png");
    expect(get("queue-progress").textContent).toBe("0 of 3 done");
    model.reply(queue({ images: [entry(1, { status: "done" }), entry(2, { status: "skipped" })] }));
    return settle().then(() => {
      expect(get("queue-progress").textContent).toBe("1 of 3 done, 1 skipped");
      expect(host.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")).toBe("1");
    });
  });

  it("shows names from files as text", async () => {
    press("PageDown");
    await turn(1, 1);
    expect(get("queue-file").textContent).toBe(NAMES[1]);
    expect(get("queue").querySelector("img")).toBeNull();
  });

  it("is not there with one image", () => {
    const single = document.createElement("div");
    const stop = widget.render({ model: new FakeModel(), el: single });
    expect(single.querySelector('[data-testid="iseg-queue"]')).toBeNull();
    expect(single.querySelector('[data-testid="iseg-images-toggle"]')).toBeNull();
    stop();
  });

  it("tells whether all is saved", async () => {
    model.reply(queue({ saved: false }));
    await settle();
    expect(get("queue-saved").textContent).toBe("Saving…");
    model.reply(queue({ saved: false, trouble: "disk full" }));
    model.reply(queue({ saved: false, trouble: "disk full" }));
    await settle();
    expect(get("queue-saved").textContent).toBe("Not saved");
    expect(host.querySelectorAll('[data-testid="iseg-error"]')).toHaveLength(1);
    expect(get("error").textContent).toContain("disk full");
    model.reply(queue());
    await settle();
    expect(get("queue-saved").textContent).toBe("Saved");
  });

  it("shows a notice once", async () => {
    model.reply(queue({ notices: ["b.png cannot be opened"] }));
    await settle();
    get("error-dismiss").click();
    model.reply(queue({ notices: ["b.png cannot be opened"], saved: false }));
    await settle();
    expect(host.querySelector('[data-testid="iseg-error"]')).toBeNull();
  });

  it("asks for the list again when the kernel is back", async () => {
    const before = kinds().filter((kind) => kind === "queue").length;
    press("PageDown");
    model.emit("comm:close");
    model.reply({ kind: "activity", ids: [], what: null });
    await settle();
    expect(kinds().filter((kind) => kind === "queue")).toHaveLength(before + 1);
    expect((get("queue-next") as HTMLButtonElement).disabled).toBe(false);
  });
});

describe("going on", () => {
  it("asks for the next image and the one before, and stops at the ends", async () => {
    press("PageUp");
    expect(kinds()).not.toContain("queue_go");
    press("PageDown");
    expect(model.last("queue_go")).toMatchObject({ to: 1, step: 1 });
    await turn(1, 1);
    get("queue-previous").click();
    expect(model.last("queue_go")).toMatchObject({ to: 0, step: -1 });
    await turn(2, 0);
    expect((get("queue-previous") as HTMLButtonElement).disabled).toBe(true);
  });

  it("asks once while an image is under way", () => {
    press("PageDown");
    press("PageDown");
    press("k");
    expect(kinds().filter((kind) => kind === "queue_go" || kind === "queue_mark")).toHaveLength(1);
    expect((get("queue-done") as HTMLButtonElement).disabled).toBe(true);
  });

  it("can be asked again after an error", async () => {
    press("PageDown");
    const id = String(model.sent.at(-1)?.id);
    model.reply({ kind: "error", id, ids: [id], title: "t", message: "m" });
    await settle();
    press("PageDown");
    expect(kinds().filter((kind) => kind === "queue_go")).toHaveLength(2);
  });

  it("marks with keys and buttons", async () => {
    press("k");
    expect(model.last("queue_mark")).toMatchObject({ image: 0, status: "done", go_on: true });
    await turn(1, 1);
    get("queue-skip").click();
    expect(model.last("queue_mark")).toMatchObject({ image: 1, status: "skipped", go_on: true });
    await turn(2, 2);
    const select = get("queue-status") as HTMLSelectElement;
    select.value = "done";
    select.dispatchEvent(new Event("change"));
    expect(model.last("queue_mark")).toMatchObject({ image: 2, status: "done", go_on: false });
  });

  it("changes picture, name and masks at once, and sends the new revision from then on", async () => {
    press("PageDown");
    const id = model.sent.at(-1)?.id;
    model.reply(queue({ at: 1 }));
    model.reply({ kind: "opened", rev: 5, width: 40, height: 30, ...CUT, mime: "image/png" }, [
      new ArrayBuffer(5),
    ]);
    await settle();
    expect(get("queue-file").textContent).toBe("a.png");
    expect(made.map(({ size, closed }) => [size, closed])).toEqual([
      [7, false],
      [5, false],
    ]);
    press("u");
    expect(model.last("undo").rev).toBe(0);
    drawn.length = 0;
    model.reply(result({ ...fresh, rev: 5, grid: [40, 30], id, ids: [id] }));
    await settle();
    expect(get("queue-file").textContent).toBe(NAMES[1]);
    expect(made[0]?.closed).toBe(true);
    expect(drawn).toContain(made[1]);
    expect(root().dataset.imageWidth).toBe("40");
    press("u");
    expect(model.last("undo").rev).toBe(5);
  });

  it("takes no click while it does not know for which image", async () => {
    const click = async () => {
      const { scale, offsetX, offsetY } = canvas().dataset;
      const init = {
        clientX: Number(offsetX) + 5 * Number(scale),
        clientY: Number(offsetY) + 5 * Number(scale),
        pointerId: 1,
        isPrimary: true,
        button: 0,
        bubbles: true,
      };
      canvas().dispatchEvent(new PointerEvent("pointerdown", init));
      canvas().dispatchEvent(new PointerEvent("pointerup", init));
      await settle();
    };
    await click();
    expect(kinds().filter((kind) => kind === "click")).toHaveLength(1);
    press("PageDown");
    await click();
    expect(kinds().filter((kind) => kind === "click")).toHaveLength(1);
    await turn(1, 1);
    await click();
    expect(kinds().filter((kind) => kind === "click")).toHaveLength(2);
  });

  it("asks for the picture too when a message was missed", async () => {
    model.reply(result({ rev: 9, base: 8 }));
    await settle();
    expect(model.last("hello").picture).toBe(true);
  });
});

describe("notes", () => {
  const note = () => get("queue-note") as HTMLInputElement;
  function write(text: string): void {
    note().focus();
    note().value = text;
    note().dispatchEvent(new Event("input"));
  }

  it("are sent before one goes on, to the image they are about", async () => {
    write("dark");
    expect(kinds()).not.toContain("queue_note");
    press("PageDown");
    expect(kinds().slice(-2)).toEqual(["queue_note", "queue_go"]);
    expect(model.last("queue_note")).toMatchObject({ image: 0, note: "dark" });
    await turn(1, 1);
    expect(note().value).toBe("");
  });

  it("are sent when the widget is closed", () => {
    write("late");
    close();
    expect(model.last("queue_note")).toMatchObject({ image: 0, note: "late" });
  });

  it("are not overwritten while one writes", async () => {
    write("dark");
    model.reply(queue({ images: [entry(0, { note: "other" })] }));
    await settle();
    expect(note().value).toBe("dark");
  });

  it("are shown with their image, and Enter leaves the field", async () => {
    model.reply(queue({ images: [entry(0, { note: "<b>x</b>" })] }));
    await settle();
    expect(note().value).toBe("<b>x</b>");
    press("c");
    expect(document.activeElement).toBe(note());
    note().dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    expect(document.activeElement).toBe(canvas());
  });
});

describe("the list", () => {
  const items = () => [...host.querySelectorAll<HTMLElement>('[data-testid="iseg-queue-item"]')];
  const choose = (value: string): void => {
    const filter = get("queue-filter") as HTMLSelectElement;
    filter.value = value;
    filter.dispatchEvent(new Event("change"));
  };

  it("opens an image", async () => {
    press("C", true);
    expect(items().map((item) => item.textContent)).toEqual(NAMES.map((name, n) => n + 1 + name));
    expect(items()[0]?.getAttribute("aria-current")).toBe("true");
    items()[2]?.click();
    expect(model.last("queue_go")).toMatchObject({ to: 2, step: 0 });
    await turn(1, 2);
    expect(items()[2]?.getAttribute("aria-current")).toBe("true");
  });

  it("is filtered by status, note and problem", async () => {
    model.reply(
      queue({
        images: [
          entry(0, { status: "done" }),
          entry(1, { note: "odd" }),
          entry(2, { problem: "cannot read <b>c</b>" }),
        ],
      }),
    );
    await settle();
    press("C", true);
    const shown = () => items().map((item) => Number(item.dataset.image));
    for (const [filter, expected] of Object.entries({
      all: [0, 1, 2],
      todo: [1, 2],
      done: [0],
      skipped: [],
      notes: [1],
      problems: [2],
    })) {
      choose(filter);
      expect(shown()).toEqual(expected);
    }
    expect(items()[0]?.textContent).toContain("cannot read <b>c</b>");
    expect(items()[0]?.querySelector("b")).toBeNull();
  });

  it("is walked through with the arrow keys", () => {
    press("C", true);
    items()[0]?.focus();
    items()[0]?.dispatchEvent(
      new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true }),
    );
    expect(document.activeElement).toBe(items()[1]);
    expect(kinds()).not.toContain("click");
  });

  it("makes no more rows than one can look through", async () => {
    const images = Array.from({ length: 3000 }, (_, index) => entry(index, { file: `${index}` }));
    model.reply(queue({ whole: true, images, at: 0, count: 3000 }));
    await settle();
    press("C", true);
    expect(items().length).toBeLessThan(1000);
    expect(host.textContent).toContain("more, before and after these");
  });
});

describe("pictures", () => {
  const cut = { width: 8, height: 6, ...CUT, mime: "image/png" };
  const bytes = new Uint8Array(1);

  it("wait for the masks of their revision, and are let go", async () => {
    const made: { close: ReturnType<typeof vi.fn> }[] = [];
    vi.stubGlobal("createImageBitmap", async () => {
      made.push({ close: vi.fn() });
      return made.at(-1);
    });
    const layer = new PictureLayer({ send: () => "x", redraw: () => undefined });
    expect(await layer.load(cut, bytes)).toBe(true);
    const first = layer.pyramid;
    await layer.keep({ ...cut, width: 3 }, bytes, 3);
    await layer.keep({ ...cut, width: 5 }, bytes, 5);
    expect(made[1]?.close).toHaveBeenCalled();
    expect(layer.turn(4)).toBeNull();
    expect(layer.pyramid).toBe(first);
    expect(layer.turn(5)).toEqual({ width: 5, height: 6 });
    expect(made[0]?.close).toHaveBeenCalled();
    expect(layer.turn(6)).toBeNull();
    layer.close();
    expect(made[2]?.close).toHaveBeenCalled();
    await layer.keep(cut, bytes, 9);
    expect(made[3]?.close).toHaveBeenCalled();
  });
});

describe("small pictures", () => {
  /** What the page says of rows that come into sight. */
  const watched = new Map<HTMLElement, (visible: boolean) => void>();
  const urls: string[] = [];
  const asked = () => model.sent.filter(({ kind }) => kind === "queue_thumbnail");
  const place = (image: number): HTMLElement => {
    const found = host.querySelector<HTMLElement>(`.iseg-queue-thumbnail[data-image="${image}"]`);
    if (found === null) throw new Error(`no place for ${image}`);
    return found;
  };
  const see = (image: number, visible = true) => watched.get(place(image))?.(visible);
  const answer = (image: number, mime: string | null = "image/jpeg") => {
    const id = asked().findLast((request) => request.image === image)?.id;
    const buffers = mime === null ? [] : [new ArrayBuffer(3)];
    model.reply({ kind: "queue_thumbnail", id, image, mime }, buffers);
  };

  beforeEach(async () => {
    watched.clear();
    urls.length = 0;
    vi.stubGlobal(
      "IntersectionObserver",
      class {
        constructor(private readonly told: (entries: unknown[]) => void) {}
        observe(target: HTMLElement): void {
          watched.set(target, (isIntersecting) => this.told([{ target, isIntersecting }]));
        }
        disconnect(): void {}
      },
    );
    vi.spyOn(URL, "createObjectURL").mockImplementation(() => {
      urls.push(`blob:${urls.length}`);
      return urls.at(-1) ?? "";
    });
    vi.spyOn(URL, "revokeObjectURL").mockImplementation((url) => {
      urls.splice(urls.indexOf(url), 1, "gone");
    });
    close();
    host.replaceChildren();
    close = widget.render({ model, el: host });
    const { id } = model.last("hello");
    model.reply(result({ ...fresh, rev: 0, id, ids: [id] }));
    await settle();
    model.reply(queue({ ...whole, id: model.last("queue").id }));
    await settle();
    model.sent.length = 0;
    press("C", true);
  });

  it("are asked for when their row is in sight, once", async () => {
    await wait();
    expect(asked()).toEqual([]);
    see(1);
    see(2);
    see(2, false); // scrolled past
    await wait();
    expect(asked().map(({ image }) => image)).toEqual([1]);
    answer(1);
    await wait();
    expect(place(1).querySelector("img")?.getAttribute("src")).toBe("blob:0");
    expect(place(1).getAttribute("aria-hidden")).toBe("true");
    see(1, false);
    see(1);
    await wait();
    expect(asked()).toHaveLength(1);
  });

  it("stay in the page when the list is drawn anew, and go with it", async () => {
    see(1);
    await wait();
    answer(1);
    await wait();
    const before = place(1);
    model.reply(queue({ images: [entry(0, { note: "x" })] }));
    await settle();
    expect(place(1)).toBe(before);
    close();
    expect(urls).toEqual(["gone"]);
  });

  it("are asked for again when the image has changed and all is on disk", async () => {
    see(0);
    await wait();
    answer(0);
    await wait();
    model.reply(queue({ saved: false }));
    model.reply(result({ rev: 1, base: 0, others: { base: 0, box: [0, 0, 0, 0], ids: [] } }));
    await wait();
    expect(asked()).toHaveLength(1);
    model.reply(queue({ saved: true }));
    await wait();
    expect(asked().map(({ image }) => image)).toEqual([0, 0]);
    expect(place(0).querySelector("img")?.getAttribute("src"), "the old one meanwhile").toBe(
      "blob:0",
    );
    answer(0);
    await wait();
    expect(urls).toEqual(["gone", "blob:1"]);
  });

  it("that cannot be made leave their place empty, and are not asked for again", async () => {
    see(2);
    await wait();
    answer(2, null);
    await wait();
    expect(place(2).childElementCount).toBe(0);
    expect(place(2).dataset.there).toBe("false");
    see(2);
    await wait();
    expect(asked()).toHaveLength(1);
  });

  it("are asked for a few at a time, and go on after an error", async () => {
    const images = Array.from({ length: 9 }, (_, index) => entry(index));
    model.reply(queue({ whole: true, images, count: 9 }));
    await settle();
    for (let image = 0; image < 9; image++) see(image);
    await wait();
    const first = asked().length;
    expect(first).toBeLessThan(5);
    const id = asked()[0]?.id;
    model.reply({ kind: "error", id, ids: [id], title: "t", message: "m" });
    await wait();
    see(0);
    await wait();
    expect(asked().length).toBe(first + 1);
  });
});

const wait = (): Promise<void> => new Promise((done) => setTimeout(done, 150));

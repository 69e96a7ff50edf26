/** A whole widget on a page without pixels, for tests of its parts. */

import { vi } from "vitest";
import widget from "../src/index";
import { FakeModel, result } from "./fakes";
import { bytes, replies } from "./recorded";

class NoPath {
  moveTo(): void {}
  lineTo(): void {}
  arc(): void {}
  rect(): void {}
  closePath(): void {}
  roundRect(): void {}
}

/** Takes every drawing call and gives nothing. */
const context = new Proxy(
  { measureText: () => ({ width: 40 }) } as Record<string | symbol, unknown>,
  {
    get: (target, name) => target[name] ?? (() => undefined),
    set: () => true,
  },
);

export const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 100));

/** Make a page that has no pixels look as if it had. */
export function stubPage(): void {
  vi.stubGlobal("Path2D", NoPath);
  vi.stubGlobal("ImageData", class {});
  vi.stubGlobal("createImageBitmap", async () => ({
    width: 20,
    height: 12,
    close: () => undefined,
  }));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(
    context as unknown as RenderingContext & null,
  );
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(400);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(240);
}

export function unstubPage(): void {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
}

export class Stage {
  readonly model = new FakeModel();
  readonly host = document.createElement("div");
  readonly #close: () => void;
  #rev = 0;

  constructor() {
    stubPage();
    document.body.append(this.host);
    this.#close = widget.render({ model: this.model, el: this.host });
  }

  /** Deliver the recorded answer to the first request: picture and empty mask. */
  async open(): Promise<void> {
    const end = replies.findIndex(({ content }) => content.kind === "result");
    const id = this.model.sent.at(-1)?.id;
    for (const { content, buffers } of replies.slice(0, end + 1)) {
      const own: Record<string, unknown> = { ...content };
      if ("id" in own) own.id = id;
      if (Array.isArray(own.ids) && own.ids.length > 0) own.ids = [id];
      this.model.reply(
        own,
        buffers.map((buffer) => new DataView(bytes(buffer).buffer)),
      );
    }
    await settle();
  }

  /** A result of the kernel's with these fields; the next revision. */
  async state(fields: Record<string, unknown>): Promise<void> {
    const base = this.#rev;
    this.#rev += 1;
    const others = { base, box: [0, 0, 0, 0], ids: [] };
    this.model.reply(result({ rev: this.#rev, base, others, ...fields }));
    await settle();
  }

  close(): void {
    this.#close();
    this.host.remove();
    unstubPage();
  }

  get canvas(): HTMLCanvasElement {
    return this.get("canvas") as HTMLCanvasElement;
  }

  all(id: string): HTMLElement[] {
    return [...this.host.querySelectorAll<HTMLElement>(`[data-testid="iseg-${id}"]`)];
  }

  get(id: string): HTMLElement {
    const [found] = this.all(id);
    if (found === undefined) throw new Error(`nothing is called ${id}`);
    return found;
  }

  pointer(type: string, x: number, y: number, init: PointerEventInit = {}): void {
    const { scale, offsetX, offsetY } = this.canvas.dataset;
    const place = {
      clientX: Number(offsetX) + (x + 0.5) * Number(scale),
      clientY: Number(offsetY) + (y + 0.5) * Number(scale),
      pointerId: 1,
      pointerType: "mouse",
      ...init,
    };
    this.canvas.dispatchEvent(new PointerEvent(type, place));
  }

  press(x: number, y: number, init: PointerEventInit = {}): void {
    this.pointer("pointerdown", x, y, init);
    this.pointer("pointerup", x, y, init);
  }

  /** Press a key; whether the widget took it. */
  key(name: string, init: KeyboardEventInit = {}, target: HTMLElement = this.canvas): boolean {
    const event = new KeyboardEvent("keydown", {
      key: name,
      bubbles: true,
      cancelable: true,
      ...init,
    });
    return !target.dispatchEvent(event);
  }
}

/** Another threshold on the last probability, tried out in the page; and the soft mask. */

import { drawMask, place, type Scene } from "../layers";
import { inflate, Overlay } from "../overlay";
import { button, element, setText } from "../panel";
import { type Box, type Reply, toBytes } from "../protocol";
import type { State } from "../store/state";
import { toScreen } from "../viewport";
import type { Host, Part } from "./part";

/** Longest side of the probability that is asked for: finer than a screen shows it. */
const SIDE = 1024;
/** Milliseconds after the last key until a threshold chosen by keys is sent. */
const SETTLED = 300;
/** Values are 254 times the probability. */
const LEVELS = 254;

interface Probability {
  box: Box;
  width: number;
  height: number;
  values: Uint8Array;
}

class ThresholdPanel {
  readonly #host: Host;
  readonly #toggle: HTMLButtonElement;
  readonly #softToggle: HTMLButtonElement;
  readonly #slider: HTMLInputElement;
  readonly #value = element("output", { class: "iseg-options-value" });
  readonly #bar: HTMLElement;
  readonly #note = element("span", { class: "iseg-options-hint" });
  #open = false;
  #soft = false;
  #asked: string | null = null;
  #known: Probability | null = null;
  /** The mask at the slider's threshold, while it is not the kernel's. */
  #preview: Overlay | null = null;
  #picture: HTMLCanvasElement | null = null;
  #pictured = "";
  /** Revision of the result whose probability is known or asked for. */
  #rev = -1;
  #sent: string | null = null;
  #keyed = false;
  #timer = 0;

  constructor(host: Host) {
    this.#host = host;
    this.#toggle = button("threshold-toggle", "Threshold (T)", "threshold", () => this.toggle());
    this.#softToggle = button("soft-toggle", "Soft mask: the probability (Shift + M)", "soft", () =>
      this.toggleSoft(),
    );
    this.#slider = element("input", {
      type: "range",
      class: "iseg-slider",
      min: "0.01",
      max: "0.99",
      step: "0.01",
      "aria-label": "Threshold of the probability",
      "data-testid": "iseg-threshold",
    });
    this.#slider.addEventListener("input", () => this.#try());
    this.#slider.addEventListener("keydown", () => {
      this.#keyed = true;
    });
    this.#slider.addEventListener("pointerdown", () => {
      this.#keyed = false;
    });
    this.#slider.addEventListener("change", () => {
      window.clearTimeout(this.#timer);
      // Every key is a change: those that follow each other are one.
      if (this.#keyed) this.#timer = window.setTimeout(() => this.#commit(), SETTLED);
      else this.#commit();
    });
    const close = button("threshold-close", "Close", "close", () => this.toggle());
    this.#bar = element(
      "div",
      {
        class: "iseg-options iseg-threshold",
        role: "group",
        "aria-label": "Threshold",
        "data-testid": "iseg-threshold-bar",
        hidden: "",
      },
      element(
        "label",
        { class: "iseg-options-field" },
        element("span", {}, "Threshold"),
        this.#slider,
        this.#value,
      ),
      this.#note,
      close,
    );
    host.panel.stage.append(this.#bar);
    host.panel.addGroup("Probability", this.#softToggle, this.#toggle);
    this.#show();
  }

  toggle(): void {
    this.#open = !this.#open;
    this.#preview = null;
    this.#show();
    this.#ask();
    if (this.#open) this.#slider.focus();
    else this.#host.panel.canvas.focus();
    this.#host.redraw();
  }

  toggleSoft(): void {
    this.#soft = !this.#soft;
    this.#show();
    this.#ask();
    this.#host.redraw();
  }

  escape(): boolean {
    if (!this.#open) return false;
    this.toggle();
    return true;
  }

  close(): void {
    window.clearTimeout(this.#timer);
  }

  #show(): void {
    this.#bar.hidden = !this.#open;
    this.#toggle.setAttribute("aria-pressed", String(this.#open));
    this.#softToggle.setAttribute("aria-pressed", String(this.#soft));
    this.#slider.disabled = this.#known === null;
    setText(this.#note, this.#known === null && this.#open ? "Click first" : "");
    setText(this.#value, Number(this.#slider.value).toFixed(2));
  }

  /** Ask for the probability of what is shown, unless it is known. */
  #ask(): void {
    const { rev } = this.#host.store.state;
    if (!(this.#open || this.#soft) || this.#rev === rev || rev < 0) return;
    // What was skipped while nobody looked is no probability of this mask.
    if (rev !== this.#rev + 1) this.#known = null;
    this.#rev = rev;
    this.#show();
    this.#asked = this.#host.send({ kind: "soft", side: SIDE });
  }

  update(state: State, before: State): void {
    if (state.active !== before.active) this.#known = null;
    if (state.rev === before.rev) return;
    if (this.#sent === null) this.#preview = null;
    this.#ask();
  }

  async reply(reply: Reply, buffers: readonly unknown[]): Promise<void> {
    if ("ids" in reply && this.#sent !== null && reply.ids.includes(this.#sent)) {
      this.#sent = null;
      this.#preview = null;
    }
    if (reply.kind !== "soft" || reply.id !== this.#asked) return;
    this.#asked = null;
    const [width, height] = reply.size;
    this.#known = null;
    if (reply.box !== null) {
      const values = await inflate(toBytes(buffers[0]));
      if (values.length !== width * height) {
        throw new RangeError(`${values.length} values do not fill ${width} x ${height}`);
      }
      this.#known = { box: reply.box, width, height, values };
    }
    this.#pictured = "";
    if (this.#sent === null && this.#preview === null) this.#slider.value = String(reply.threshold);
    this.#show();
    this.#host.redraw();
  }

  /** Show the mask at the slider's threshold without asking anybody. */
  #try(): void {
    this.#show();
    const known = this.#known;
    if (known === null) return;
    const limit = LEVELS * Number(this.#slider.value);
    const { width, height, values } = known;
    const preview = this.#preview ?? new Overlay(this.#host.overlay.colour);
    const bits = new Uint8Array(Math.ceil((width * height) / 8));
    for (let index = 0; index < values.length; index++) {
      if ((values[index] ?? 0) > limit)
        bits[index >> 3] = (bits[index >> 3] ?? 0) | (128 >> (index & 7));
    }
    preview.apply({ rev: 0, base: null, grid: [width, height], box: [0, 0, width, height] }, bits);
    this.#preview = preview;
    this.#host.redraw();
  }

  #commit(): void {
    this.#try();
    if (this.#known === null) return;
    this.#sent = this.#host.send({ kind: "threshold", value: Number(this.#slider.value) });
  }

  /** Whether there is something to draw in place of the mask. */
  get draws(): boolean {
    return this.#known !== null && (this.#soft || this.#preview !== null);
  }

  /** The probability or the tried threshold in place of the mask. */
  drawMask(scene: Scene): void {
    const known = this.#known;
    if (known === null) return;
    const shifted = within(scene, known.box);
    if (this.#soft) {
      const { context } = scene;
      context.globalAlpha = Math.max(0.1, scene.state.opacity);
      context.imageSmoothingEnabled = true;
      place(shifted, this.#paint(known));
      context.globalAlpha = 1;
      const overlay = this.#preview ?? scene.overlay;
      const bare = { ...(this.#preview === null ? scene : shifted), overlay };
      drawMask({ ...bare, state: { ...bare.state, opacity: 0 } });
    } else if (this.#preview !== null) drawMask({ ...shifted, overlay: this.#preview });
  }

  /** The object's colour, as solid as the probability is high. */
  #paint(known: Probability): HTMLCanvasElement {
    const { colour } = this.#host.overlay;
    const key = `${this.#rev} ${colour.join()}`;
    if (this.#picture !== null && this.#pictured === key) return this.#picture;
    const canvas = this.#picture ?? document.createElement("canvas");
    canvas.width = known.width;
    canvas.height = known.height;
    const data = new Uint8ClampedArray(known.width * known.height * 4);
    for (let index = 0; index < known.values.length; index++) {
      data.set([...colour, known.values[index] ?? 0], index * 4);
    }
    canvas.getContext("2d")?.putImageData(new ImageData(data, known.width, known.height), 0, 0);
    this.#picture = canvas;
    this.#pictured = key;
    return canvas;
  }
}

/** A scene in which a box is the whole image. */
function within(scene: Scene, [x0, y0, x1, y1]: Box): Scene {
  const corner = toScreen(scene.view, { x: x0 - 0.5, y: y0 - 0.5 });
  return {
    ...scene,
    view: { scale: scene.view.scale, offsetX: corner.x, offsetY: corner.y },
    state: { ...scene.state, image: { width: x1 - x0, height: y1 - y0 } },
  };
}

export function threshold(host: Host): Part {
  const made = new ThresholdPanel(host);
  return {
    commands: [
      { id: "threshold", keys: ["t"], label: "threshold", run: () => made.toggle() },
      {
        id: "soft",
        keys: ["Shift+m"],
        label: "soft mask: the probability",
        run: () => made.toggleSoft(),
      },
    ],
    update: (state, before) => made.update(state, before),
    reply: (reply, buffers) => made.reply(reply, buffers),
    drawsMask: () => made.draws,
    drawMask: (scene) => made.drawMask(scene),
    escape: () => made.escape(),
    close: () => made.close(),
  };
}

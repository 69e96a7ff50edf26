/** The small bar over the picture with what can be set of the chosen tool. */

import { button, element, setText } from "../panel";

/** Smallest radius of a brush, in pixels of the image. */
export const SMALLEST_RADIUS = 0.5;
const STEPS = 100;

export interface Wanted {
  /** What adding and taking away are called for this tool; null when it has no such choice. */
  signs: readonly [string, string] | null;
  size: boolean;
  hint: string;
}

export interface Changes {
  subtract(on: boolean): void;
  radius(value: number): void;
}

export class ToolOptions {
  readonly root = element("div", {
    class: "iseg-options",
    role: "group",
    "aria-label": "Options of the tool",
    "data-testid": "iseg-options",
    hidden: "",
  });
  readonly #signs: readonly HTMLButtonElement[];
  readonly #choice: HTMLElement;
  readonly #size: HTMLInputElement;
  readonly #value = element("output", { class: "iseg-options-value" });
  readonly #field: HTMLElement;
  readonly #hint = element("span", { class: "iseg-options-hint" });
  readonly #largest: number;

  /** `largest`: radius, in pixels of the image. */
  constructor(largest: number, changes: Changes) {
    this.#largest = largest;
    this.#signs = ["tool-add", "tool-subtract"].map((id, index) =>
      button(id, "X switches", { text: "" }, () => changes.subtract(index === 1)),
    );
    this.#choice = element(
      "div",
      { class: "iseg-options-choice", role: "group", "aria-label": "What it draws" },
      ...this.#signs,
    );
    this.#size = element("input", {
      type: "range",
      class: "iseg-slider",
      min: "0",
      max: String(STEPS),
      step: "1",
      "aria-label": "Radius of the brush",
      title: "Radius of the brush (Shift + [ and Shift + ])",
      "data-testid": "iseg-brush-size",
    });
    this.#size.addEventListener("input", () => changes.radius(this.#radius()));
    this.#field = element(
      "label",
      { class: "iseg-options-field" },
      element("span", {}, "Radius"),
      this.#size,
      this.#value,
    );
    this.root.append(this.#choice, this.#field, this.#hint);
  }

  /** The slider is finer for small brushes. */
  #radius(): number {
    const share = Number(this.#size.value) / STEPS;
    return SMALLEST_RADIUS * (this.#largest / SMALLEST_RADIUS) ** share;
  }

  update(wanted: Wanted | null, subtract: boolean, radius: number): void {
    this.root.hidden = wanted === null;
    if (wanted === null) return;
    this.#choice.hidden = wanted.signs === null;
    this.#signs.forEach((node, index) => {
      const name = wanted.signs?.[index] ?? "";
      setText(node, name);
      node.setAttribute("aria-label", name);
      node.setAttribute("aria-pressed", String(subtract === (index === 1)));
    });
    this.#field.hidden = !wanted.size;
    const share = Math.log(radius / SMALLEST_RADIUS) / Math.log(this.#largest / SMALLEST_RADIUS);
    this.#size.value = String(Math.round(share * STEPS));
    const text = `${radius < 10 ? radius.toFixed(1) : Math.round(radius)} px`;
    this.#size.setAttribute("aria-valuetext", text);
    setText(this.#value, text);
    this.#hint.hidden = wanted.hint === "";
    setText(this.#hint, wanted.hint);
  }
}

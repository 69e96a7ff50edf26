/** The small bar while an outline is placed corner by corner: for fingers, which have no keys. */

import { button, element } from "../panel";

export interface OutlineActions {
  close(): void;
  back(): void;
  abandon(): void;
}

/** CSS pixels: how near a press has to be to a corner to mean it. */
const NEAR = { mouse: 8, pen: 12, touch: 20 };

export function reachOf(pointerType: string): number {
  return NEAR[pointerType as keyof typeof NEAR] ?? NEAR.mouse;
}

export class OutlineBar {
  readonly root: HTMLElement;
  readonly #close: HTMLButtonElement;

  /** `id`: of the tool, for tests. */
  constructor(id: string, actions: OutlineActions) {
    const worded = (name: string, text: string, title: string, act: () => void) => {
      const node = button(`${id}-${name}`, title, { text }, act);
      node.classList.add("iseg-worded");
      return node;
    };
    this.#close = worded("close", "Close", "Close the outline (Enter)", () => actions.close());
    this.root = element(
      "div",
      {
        class: "iseg-options iseg-outline",
        role: "group",
        "aria-label": "Outline",
        "data-testid": `iseg-${id}-bar`,
        hidden: "",
      },
      this.#close,
      worded("back", "Corner back", "Take the last corner back (Backspace)", () => actions.back()),
      worded("abandon", "Put away", "Put the outline away (Escape)", () => actions.abandon()),
    );
  }

  /** `corners` that are placed; 0 hides the bar. */
  update(corners: number): void {
    this.root.hidden = corners === 0;
    this.#close.disabled = corners < 3;
  }
}

/** Pieces of the page that the widgets share: lists of errors and keys, banner, opacity. */

import { icon } from "./icons";
import { GESTURES, type Shortcut } from "./keyboard";
import { button, element } from "./panel";
import type { ErrorEntry } from "./store/state";

export const WORKING: Record<string, string> = {
  load: "Loading the model…",
  segment: "Segmenting…",
  replay: "Replaying the clicks…",
};

export const LOST =
  "The kernel does not answer. It is busy with something else, or it was restarted: then run the cell again.";

export function makeOpacity(change: (value: number) => void): HTMLInputElement {
  const node = element("input", {
    type: "range",
    class: "iseg-slider",
    min: "0",
    max: "1",
    step: "0.05",
    "aria-label": "Opacity of the mask",
    title: "Opacity of the mask ([ and ])",
    "data-testid": "iseg-opacity",
  });
  node.addEventListener("input", () => change(Number(node.value)));
  return node;
}

export function showOpacity(node: HTMLInputElement, opacity: number): void {
  node.value = String(opacity);
  node.setAttribute("aria-valuetext", `${Math.round(opacity * 100)} percent`);
}

/** Shown while the kernel is lost. */
export function makeBanner(): HTMLElement {
  return element(
    "div",
    { class: "iseg-banner", role: "status", "data-testid": "iseg-banner", hidden: "" },
    icon("warning"),
    element("span", {}, LOST),
  );
}

export function makeErrors(): HTMLElement {
  return element("div", { class: "iseg-errors", role: "alert", "data-testid": "iseg-errors" });
}

export function listErrors(
  node: HTMLElement,
  errors: readonly ErrorEntry[],
  dismiss: (key: number) => void,
): void {
  node.replaceChildren(
    ...errors.map(({ key, title, message }) =>
      element(
        "div",
        { class: "iseg-error", "data-testid": "iseg-error" },
        icon("warning"),
        element("div", {}, element("strong", {}, title), element("p", {}, message)),
        button("error-dismiss", "Dismiss", "close", () => dismiss(key)),
      ),
    ),
  );
}

/** The list of keys, hidden at first. */
export class HelpPanel {
  readonly root: HTMLElement;
  readonly #list = element("dl", { tabindex: "0" }); // scrolls, so it takes the focus

  constructor(close: () => void) {
    this.root = element(
      "div",
      {
        class: "iseg-help",
        role: "dialog",
        "aria-label": "Keys and gestures",
        "data-testid": "iseg-help-panel",
        hidden: "",
      },
      element(
        "div",
        { class: "iseg-head" },
        element("strong", {}, "Keys and gestures"),
        button("help-close", "Close", "close", close),
      ),
      this.#list,
    );
  }

  list(shortcuts: readonly Shortcut[]): void {
    const rows = [...GESTURES, ...shortcuts].map(({ keys, label }) =>
      element(
        "div",
        { class: "iseg-row" },
        element("dt", {}, ...keys.map((key) => element("kbd", {}, key))),
        element("dd", {}, label),
      ),
    );
    this.#list.replaceChildren(...rows);
  }

  /** Open or close; the focus goes in, and back to `home`. */
  show(open: boolean, home: HTMLElement): void {
    this.root.hidden = !open;
    if (open) this.root.querySelector("button")?.focus();
    else if (this.root.contains(document.activeElement)) home.focus();
  }
}

export function milliseconds(value: number): string {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

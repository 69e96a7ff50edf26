/** Panels beside the picture: one is open at a time, or none. */

import type { Icon } from "./icons";
import { button, element } from "./panel";

export interface Tab {
  /** Also of the button in the tool bar: `iseg-ID-toggle`, and of the panel: `iseg-ID-panel`. */
  id: string;
  title: string;
  icon: Icon | SVGElement;
  element: HTMLElement;
  /** The panel was opened or closed. */
  shown?(open: boolean): void;
}

export interface Side {
  readonly root: HTMLElement;
  readonly open: string | null;
  addTab(tab: Tab): void;
  /** Open a panel, or close it when it is open. */
  toggle(id: string): void;
  close(): void;
}

export class SidePanel implements Side {
  readonly root = element("aside", { class: "iseg-side", hidden: "" });
  readonly #tabs = new Map<string, { tab: Tab; panel: HTMLElement; toggle: HTMLButtonElement }>();
  readonly #makeToggle: (tab: Tab) => HTMLButtonElement;
  #open: string | null = null;

  constructor(makeToggle: (tab: Tab) => HTMLButtonElement) {
    this.#makeToggle = makeToggle;
  }

  get open(): string | null {
    return this.#open;
  }

  addTab(tab: Tab): void {
    const close = button(`${tab.id}-close`, "Close", "close", () => this.toggle(tab.id));
    const panel = element(
      "section",
      {
        class: "iseg-panel",
        "aria-label": tab.title,
        "data-testid": `iseg-${tab.id}-panel`,
        hidden: "",
      },
      element("div", { class: "iseg-head" }, element("strong", {}, tab.title), close),
      tab.element,
    );
    this.root.append(panel);
    this.#tabs.set(tab.id, { tab, panel, toggle: this.#makeToggle(tab) });
  }

  toggle(id: string): void {
    this.#show(this.#open === id ? null : id);
  }

  close(): void {
    this.#show(null);
  }

  #show(id: string | null): void {
    const before = this.#open;
    this.#open = id;
    for (const [name, { panel, toggle }] of this.#tabs) {
      panel.hidden = name !== id;
      toggle.setAttribute("aria-expanded", String(name === id));
    }
    this.root.hidden = id === null;
    if (before !== null) this.#tabs.get(before)?.tab.shown?.(false);
    if (id !== null) this.#tabs.get(id)?.tab.shown?.(true);
  }
}

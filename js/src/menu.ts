/** A menu of what has no room in the tool bar; see the menu button pattern of ARIA's practices. */

import { icon } from "./icons";
import { button, element } from "./panel";

/** What an entry stands for: a button, or an action of its own. */
export interface Choice {
  id: string;
  label: string;
  picture: Element | null;
  /** One of several (tools), on or off, or just to be done. */
  kind: "menuitemradio" | "menuitemcheckbox" | "menuitem";
  checked: boolean;
  disabled: boolean;
  /** The menu stays open, so that it can be chosen again. */
  stays: boolean;
  run(): void;
}

export interface Section {
  label: string;
  choices: readonly Choice[];
}

let menus = 0;

export class MenuButton {
  readonly button: HTMLButtonElement;
  /** Lies over what follows the button; to be put where nothing cuts it off. */
  readonly menu: HTMLElement;
  readonly #sections: () => readonly Section[];
  #choices: readonly Choice[] = [];
  #open: AbortController | null = null;
  #typed = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `sections` is asked for each time the menu opens. */
  constructor(label: string, sections: () => readonly Section[]) {
    menus += 1;
    this.#sections = sections;
    this.button = button("more", label, "more", () => this.toggle());
    this.menu = element("div", {
      id: `iseg-menu-${menus}`,
      class: "iseg-menu",
      role: "menu",
      "aria-label": label,
      "data-testid": "iseg-more-menu",
      hidden: "",
    });
    this.button.setAttribute("aria-haspopup", "menu");
    this.button.setAttribute("aria-expanded", "false");
    this.button.setAttribute("aria-controls", this.menu.id);
    this.button.addEventListener("keydown", (event) => this.#onButtonKey(event));
    this.menu.addEventListener("keydown", (event) => this.#onKey(event));
    this.menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !this.#holds(relatedTarget)) this.close();
    });
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  toggle(): void {
    if (this.isOpen) this.close();
    else this.open();
  }

  /** Open; the focus goes to the first entry, or to the last. */
  open(last = false): void {
    this.close();
    this.#draw();
    this.menu.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.#open = new AbortController();
    // A press elsewhere puts the menu away, and does nothing else: it was not meant as a click.
    document.addEventListener("pointerdown", (event) => this.#onPress(event), {
      capture: true,
      signal: this.#open.signal,
    });
    this.#items.at(last ? -1 : 0)?.focus({ preventScroll: true });
  }

  close(): void {
    if (this.#open === null) return;
    this.#open.abort();
    this.#open = null;
    clearTimeout(this.#timer);
    this.#typed = "";
    const inside = this.menu.contains(document.activeElement);
    this.menu.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    if (inside) this.button.focus({ preventScroll: true });
  }

  get #items(): HTMLButtonElement[] {
    return [...this.menu.querySelectorAll("button")];
  }

  #holds(node: Node): boolean {
    return this.menu.contains(node) || this.button.contains(node);
  }

  #draw(): void {
    const sections = this.#sections().filter(({ choices }) => choices.length > 0);
    this.#choices = sections.flatMap(({ choices }) => choices);
    this.menu.replaceChildren(
      ...sections.map(({ label, choices }) =>
        element(
          "div",
          { class: "iseg-menu-section", role: "group", "aria-label": label },
          ...choices.map((choice) => this.#item(choice)),
        ),
      ),
    );
  }

  #item(choice: Choice): HTMLButtonElement {
    const { id, label, picture, kind, checked, disabled } = choice;
    const node = element(
      "button",
      {
        type: "button",
        class: "iseg-menu-item",
        role: kind,
        tabindex: "-1",
        "data-testid": `iseg-more-${id}`,
      },
      element("span", { class: "iseg-menu-picture", "aria-hidden": "true" }, picture ?? ""),
      element("span", {}, label),
    );
    if (kind !== "menuitem") {
      node.setAttribute("aria-checked", String(checked));
      const mark = element("span", { class: "iseg-menu-mark", "aria-hidden": "true" });
      mark.append(icon("check"));
      node.append(mark);
    }
    if (disabled) node.setAttribute("aria-disabled", "true");
    node.addEventListener("click", () => this.#choose(choice));
    return node;
  }

  #choose(choice: Choice): void {
    if (choice.disabled) return;
    // The focus is back before the choice may take it elsewhere.
    if (!choice.stays) this.close();
    choice.run();
  }

  #onPress(event: PointerEvent): void {
    if (event.target instanceof Node && this.#holds(event.target)) return;
    const root = this.menu.closest(".iseg-widget");
    this.close();
    if (event.target instanceof HTMLCanvasElement && root?.contains(event.target)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  #onButtonKey(event: KeyboardEvent): void {
    if (event.key === "Escape" && this.isOpen) this.close();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp")
      this.open(event.key === "ArrowUp");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = this.#items;
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: items.length - 1,
    };
    if (event.key === "Tab") {
      this.close(); // the focus goes on from the button
      return;
    }
    if (event.key === "Enter" || event.key === " ") {
      event.stopPropagation(); // the button's own
      return;
    }
    if (event.key === "Escape") {
      this.close();
    } else if (event.key in to) {
      const next = (to[event.key] ?? 0) + items.length;
      items[next % items.length]?.focus();
    } else if (event.key.length === 1) {
      this.#find(event.key, items, at);
    }
    // The widget's own keys wait until the menu is closed.
    event.preventDefault();
    event.stopPropagation();
  }

  /** Go to the next entry that begins with what is typed. */
  #find(key: string, items: readonly HTMLButtonElement[], at: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#typed = "";
    }, 700);
    this.#typed += key.toLowerCase();
    const from = this.#typed.length > 1 ? at : at + 1;
    for (let step = 0; step < items.length; step++) {
      const place = (from + step) % items.length;
      if (this.#choices[place]?.label.toLowerCase().startsWith(this.#typed)) {
        items[place]?.focus();
        return;
      }
    }
  }
}

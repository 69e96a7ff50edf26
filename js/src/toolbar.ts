/**
 * A tool bar of one line at every width. What has no room goes into a menu, always in the same
 * order; the chosen tool stays in sight.
 */

import { type Choice, MenuButton, type Section } from "./menu";

/** A step towards a narrower bar: words that go, a tool less, or a button by its id. */
type Step = { words: string } | { tool: true } | { id: string };

const words = (name: string): Step => ({ words: name });
const tools = (count: number): Step[] => Array.from({ length: count }, () => ({ tool: true }));
const ids = (...names: string[]): Step[] => names.map((id) => ({ id }));

/** Tools that are left when the steps below are all taken: both clicks, and the chosen one. */
const LEAST = 3;

/**
 * What goes first, from the left. Buttons that are not named here go before them; with more tools
 * than these, the further ones go with the first of theirs.
 */
const STEPS: readonly Step[] = [
  words("method"),
  ...ids("replay-toggle", "soft-toggle", "threshold-toggle", "two", "loupe", "views-toggle"),
  words("tools"),
  ...tools(3),
  ...ids("opacity", "actual", "display-toggle", "options-toggle", "explain-toggle"),
  ...ids("history-toggle"),
  ...tools(3),
  ...ids("reset", "objects-toggle", "images-toggle"),
  ...tools(2),
  ...ids("mask-toggle", "fit", "help", "redo"),
];

/** Buttons that always stay. */
const KEPT: ReadonlySet<string> = new Set(["undo"]);

/** Entries of the menu in place of a control that cannot be one. */
export type Substitutes = Readonly<Record<string, readonly { label: string; run(): void }[]>>;

const idOf = (node: Element): string =>
  (node as HTMLElement).dataset.testid?.replace(/^iseg-/, "") ?? "";

export class ToolBar {
  readonly #bar: HTMLElement;
  readonly #tools: HTMLElement;
  readonly #more: MenuButton;
  readonly #substitutes: Substitutes;
  readonly #observer: ResizeObserver;
  /** How many steps are taken. */
  #taken = 0;
  #chosen = "";
  /** The tool that has the last place while not all have one. */
  #guest: string | null = null;

  /**
   * @param bar whose groups and buttons are to be kept in one line
   * @param group of the tools, the clicks first
   * @param more is put at the end of the bar; its menu has to be put somewhere
   */
  constructor(bar: HTMLElement, group: HTMLElement, substitutes: Substitutes) {
    this.#bar = bar;
    this.#tools = group;
    this.#substitutes = substitutes;
    this.#more = new MenuButton("More tools", () => this.#sections());
    bar.classList.add("iseg-bar");
    bar.append(this.#more.button);
    this.#observer = new ResizeObserver(() => this.fit());
    this.#observer.observe(bar);
  }

  /** The menu, to be put above what follows the bar. */
  get menu(): HTMLElement {
    return this.#more.menu;
  }

  close(): void {
    this.#more.close();
    this.#observer.disconnect();
  }

  /** This tool is chosen now. */
  choose(tool: string): void {
    if (tool === this.#chosen) return;
    this.#chosen = tool;
    this.#apply(this.#taken);
  }

  /** Take as few steps as are needed for one line. */
  fit(): void {
    const steps = this.#steps();
    const before = this.#taken;
    const fits = (count: number): boolean => {
      this.#apply(count);
      return this.#bar.scrollWidth <= this.#bar.clientWidth;
    };
    let [least, most] = [0, steps.length];
    // All that is wide enough for a number of steps is wide enough for more.
    while (least < most) {
      const middle = (least + most) >> 1;
      if (fits(middle)) most = middle;
      else least = middle + 1;
    }
    if (least !== before) this.#more.close();
    this.#apply(least);
    const focused = document.activeElement;
    const lost = focused?.classList.contains("iseg-folded") && this.#bar.contains(focused);
    if (lost) this.#more.button.focus({ preventScroll: true });
  }

  #steps(): Step[] {
    const named = new Set(STEPS.flatMap((step) => ("id" in step ? [step.id] : [])));
    const own = new Set<Element>([...this.#tools.children, this.#more.button]);
    const unknown = this.#controls()
      .filter((node) => !own.has(node))
      .map(idOf)
      .filter((id) => !named.has(id) && !KEPT.has(id));
    const further =
      this.#tools.children.length - LEAST - STEPS.filter((step) => "tool" in step).length;
    const first = STEPS.findIndex((step) => "tool" in step);
    return [
      ...ids(...unknown),
      ...STEPS.slice(0, first),
      ...tools(Math.max(0, further)),
      ...STEPS.slice(first),
    ];
  }

  /** All that may go into the menu. */
  #controls(): HTMLElement[] {
    return [
      ...this.#bar.querySelectorAll<HTMLElement>(":scope > .iseg-group > *, :scope > .iseg-button"),
    ];
  }

  #apply(count: number): void {
    this.#taken = count;
    const steps = this.#steps().slice(0, count);
    const gone = new Set(steps.flatMap((step) => ("id" in step ? [step.id] : [])));
    const bare = new Set(steps.flatMap((step) => ("words" in step ? [step.words] : [])));
    for (const name of ["method", "tools"]) {
      this.#bar.classList.toggle(`iseg-no-${name}`, bare.has(name));
    }
    const shown = this.#shownTools(steps.filter((step) => "tool" in step).length);
    for (const node of this.#controls()) {
      const tool = node.parentElement === this.#tools;
      const folded = tool ? !shown.has(idOf(node)) : gone.has(idOf(node));
      if (node !== this.#more.button) node.classList.toggle("iseg-folded", folded);
    }
    for (const group of this.#bar.querySelectorAll(":scope > .iseg-group")) {
      const empty = [...group.children].every((node) => node.classList.contains("iseg-folded"));
      group.classList.toggle("iseg-folded", empty && group.children.length > 0);
    }
    const any = this.#bar.querySelector(".iseg-folded") !== null;
    this.#more.button.classList.toggle("iseg-folded", !any);
  }

  /** The first tools; the last place is for the one that was chosen last of the others. */
  #shownTools(fewer: number): ReadonlySet<string> {
    const all = [...this.#tools.children].map(idOf);
    const room = Math.max(LEAST, all.length - fewer);
    if (room >= all.length) return new Set(all);
    const always = all.slice(0, room - 1);
    if (all.includes(this.#chosen) && !always.includes(this.#chosen)) this.#guest = this.#chosen;
    const guest =
      this.#guest === null || always.includes(this.#guest) ? all[room - 1] : this.#guest;
    return new Set([...always, guest ?? ""]);
  }

  #sections(): Section[] {
    const groups = [...this.#bar.children].filter((node) => node !== this.#more.button);
    return groups.map((group) => {
      const single = group.classList.contains("iseg-button");
      const nodes = single ? [group] : [...group.children];
      const folded = nodes.filter((node) => node.classList.contains("iseg-folded"));
      return {
        label: (single ? "" : group.getAttribute("aria-label")) || "More",
        choices: folded.flatMap((node) => this.#choices(node as HTMLElement)),
      };
    });
  }

  #choices(node: HTMLElement): Choice[] {
    const id = idOf(node);
    const common = { picture: null, checked: false, disabled: false };
    const instead = this.#substitutes[id];
    if (instead !== undefined) {
      return instead.map(({ label, run }, place) => ({
        ...common,
        ...{ id: `${id}-${place}`, label, kind: "menuitem", stays: true, run },
      }));
    }
    if (!(node instanceof HTMLButtonElement) || node.hidden) return [];
    const pressed = node.getAttribute("aria-pressed") ?? node.getAttribute("aria-expanded");
    const kind = node.parentElement === this.#tools ? "menuitemradio" : "menuitemcheckbox";
    return [
      {
        id,
        label: node.getAttribute("aria-label") ?? id,
        picture: (node.querySelector("svg")?.cloneNode(true) as Element | undefined) ?? null,
        kind: pressed === null ? "menuitem" : kind,
        checked: pressed === "true",
        disabled: node.disabled,
        stays: false,
        run: () => node.click(),
      },
    ];
  }
}

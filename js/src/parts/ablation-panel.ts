/** The panel of options: change one, see which pixels change, keep one setting to compare with. */

import type { Difference, OptionsForm, OptionValues } from "../messages/ablation";
import { OptionRow, python } from "./option-row";
import { glyph, make, pixels, setText, tap } from "./panels-dom";

export interface AblationActions {
  /** Take these options; they may turn out to be wrong. */
  apply(values: OptionValues): void;
  /** Keep the present options to compare with, or (`false`) compare with the former ones again. */
  pin(on: boolean): void;
  /** Show the difference on the picture. */
  reveal(on: boolean): void;
}

/** What a difference is taken against. */
export interface Reference {
  pinned: boolean;
  method: string;
  /** The method's name for people. */
  title: string;
  values: OptionValues;
}

export const ADDED = "#ffd60a";
export const REMOVED = "#e6399b";

const PIN = "M6 2.5h4l-.5 4 2.5 2.5H4l2.5-2.5Z M8 9v5";
const COPY = "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8Z";

export class AblationPanel {
  readonly element: HTMLElement;
  readonly #actions: AblationActions;
  readonly #title = make("strong", { class: "iseg-method", "data-testid": "iseg-options-method" });
  readonly #list = make("div", { class: "iseg-option-list", "data-testid": "iseg-options-list" });
  readonly #general = make("p", { class: "iseg-problem", role: "alert", hidden: "" });
  readonly #resetAll: HTMLButtonElement;
  readonly #copy: HTMLButtonElement;
  readonly #pin: HTMLButtonElement;
  readonly #code: HTMLTextAreaElement;
  readonly #reveal = make("input", { type: "checkbox", "data-testid": "iseg-difference-show" });
  readonly #against = make("p", { class: "iseg-against", "data-testid": "iseg-difference-of" });
  readonly #figures = make("div", { class: "iseg-figures", "data-testid": "iseg-difference" });
  readonly #card: HTMLElement;
  #form: OptionsForm | null = null;
  #rows: OptionRow[] = [];
  #reference: Reference | null = null;

  constructor(actions: AblationActions) {
    this.#actions = actions;
    this.#resetAll = tap("options-reset", "All options back to their defaults", "Reset all", () => {
      if (this.#form === null) return;
      const defaults = this.#form.fields.map((field) => [field.name, field.default]);
      actions.apply(Object.fromEntries(defaults));
    });
    this.#copy = tap("options-copy", "Copy as Python", glyph(COPY), () => this.#copyCode());
    this.#copy.append("Copy as Python");
    this.#pin = tap("options-pin", "Keep these options as A, to compare with", glyph(PIN), () =>
      actions.pin(!(this.#reference?.pinned ?? false)),
    );
    this.#pin.append(make("span", {}));
    this.#code = make("textarea", {
      class: "iseg-code",
      readonly: "",
      rows: "3",
      hidden: "",
      "aria-label": "Python for these options",
      "data-testid": "iseg-options-code",
    });
    this.#reveal.checked = true;
    this.#reveal.addEventListener("change", () => actions.reveal(this.#reveal.checked));
    this.#card = make(
      "section",
      { class: "iseg-difference", "aria-label": "Difference", "aria-live": "polite" },
      this.#against,
      this.#figures,
    );
    this.element = make(
      "section",
      { class: "iseg-ablation", "aria-label": "Options of the method" },
      make("div", { class: "iseg-bar" }, this.#title, this.#resetAll),
      this.#card,
      make("div", { class: "iseg-bar iseg-bar-low" }, this.#pin, this.#copy),
      this.#code,
      this.#general,
      this.#list,
    );
    this.compare(null);
    this.difference(null);
  }

  /** Show the options of a method as the kernel has them now. */
  show(form: OptionsForm): void {
    const before = this.#form;
    this.#form = form;
    setText(this.#title, form.title);
    this.#copy.hidden = form.code === "";
    this.#code.value = form.code;
    const names = form.fields.map((field) => field.name).join();
    const same =
      before?.method === form.method && before.fields.map((field) => field.name).join() === names;
    if (same) {
      for (const row of this.#rows) row.value = form.values[row.field.name] ?? null;
    } else {
      this.#rows = form.fields.map(
        (field) => new OptionRow(field, form.values[field.name] ?? null, () => this.#onChange()),
      );
      this.#list.replaceChildren(...this.#rows.map((row) => row.element));
      if (this.#rows.length === 0) this.#list.replaceChildren(make("p", {}, "It has no options."));
    }
    this.problems({});
    this.#resetAll.disabled = !this.#rows.some((row) => row.isChanged);
    this.compare(this.#reference);
  }

  /** What is wrong, at the options it is wrong with. */
  problems(found: Readonly<Record<string, string>>): void {
    for (const row of this.#rows) row.problem = found[row.field.name] ?? "";
    const known = new Set(this.#rows.map((row) => row.field.name));
    const rest = Object.entries(found).filter(([name]) => !known.has(name));
    setText(this.#general, rest.map(([, message]) => message).join("\n"));
    this.#general.hidden = rest.length === 0;
  }

  busy(on: boolean): void {
    this.#card.setAttribute("aria-busy", String(on));
  }

  /** What differences are taken against. */
  compare(reference: Reference | null): void {
    this.#reference = reference;
    const pinned = reference?.pinned ?? false;
    this.#pin.setAttribute("aria-pressed", String(pinned));
    setText(this.#pin.lastChild as HTMLElement, pinned ? "Unpin A" : "Pin as A");
    this.#pin.title = pinned
      ? "Compare with the former options again"
      : "Keep these options as A, to compare with";
    this.#pin.setAttribute("aria-label", this.#pin.title);
    const against = this.#against;
    against.replaceChildren();
    if (reference === null) {
      against.append("Change an option: the clicks are replayed, and what changes shows here.");
      return;
    }
    if (this.#form !== null && reference.method !== this.#form.method) {
      against.append(`${this.#form.title} against A: ${reference.title}`);
      return;
    }
    const [then, now] = [reference.values, this.#form?.values ?? {}];
    const changes = Object.keys(now).filter((name) => then[name] !== now[name]);
    against.append(pinned ? "Present options (B) against A: " : "Against the former options: ");
    if (changes.length === 0) against.append("the same options");
    changes.forEach((name, index) => {
      if (index > 0) against.append(", ");
      const arrow = `${name} ${python(then[name] ?? null)} → ${python(now[name] ?? null)}`;
      against.append(make("code", {}, arrow));
    });
  }

  /** Show what changed; `null`: nothing to show. */
  difference(found: Difference | null): void {
    this.busy(false);
    this.#card.dataset.empty = String(found === null);
    if (found === null) {
      this.#figures.replaceChildren();
      return;
    }
    const { added, removed, iou, truth_before: before, truth_after: after } = found;
    const facts = [
      fact(ADDED, "added", pixels(added), "iseg-added"),
      fact(REMOVED, "removed", pixels(removed), "iseg-removed"),
      fact(null, "IoU of both", iou.toFixed(4), "iseg-iou-both"),
    ];
    if (before !== null && after !== null) {
      const gain = after - before;
      const sign = gain > 0 ? "+" : gain < 0 ? "−" : "±";
      const text = `${before.toFixed(4)} → ${after.toFixed(4)} (${sign}${Math.abs(gain).toFixed(4)})`;
      facts.push(fact(null, "IoU with truth", text, "iseg-iou-truth"));
    }
    const show = make("label", { class: "iseg-none" }, this.#reveal, "show on the picture");
    this.#figures.replaceChildren(...facts, show);
  }

  #onChange(): void {
    const wrong: Record<string, string> = {};
    const values: OptionValues = {};
    for (const row of this.#rows) {
      row.mark();
      const { value, field } = row;
      if (value === undefined) wrong[field.name] = `${field.name} must be a number`;
      else if (field.kind !== "fixed") values[field.name] = value;
    }
    this.problems(wrong);
    this.#resetAll.disabled = !this.#rows.some((row) => row.isChanged);
    if (Object.keys(wrong).length === 0) this.#actions.apply(values);
  }

  async #copyCode(): Promise<void> {
    const words = this.#copy.lastChild as Text;
    try {
      await navigator.clipboard.writeText(this.#code.value);
      this.#code.hidden = true;
      words.textContent = "Copied";
    } catch {
      // No clipboard here (an insecure page, a sandboxed frame): the text itself, to copy by hand.
      this.#code.hidden = false;
      this.#code.focus();
      this.#code.select();
      words.textContent = "Press Ctrl + C";
    }
    setTimeout(() => {
      words.textContent = "Copy as Python";
    }, 2000);
  }
}

function fact(colour: string | null, name: string, value: string, id: string): HTMLElement {
  const swatch = colour === null ? [] : [make("span", { class: "iseg-key-colour" })];
  for (const node of swatch) node.style.backgroundColor = colour ?? "";
  return make(
    "div",
    { class: "iseg-fact" },
    make("span", { class: "iseg-fact-name" }, ...swatch, name),
    make("span", { class: "iseg-fact-value", "data-testid": id }, value),
  );
}

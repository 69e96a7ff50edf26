/** One option of a method: its control, what it means, and what is wrong with its value. */

import type { OptionField, OptionValue } from "../messages/ablation";
import { glyph, make, setText, tap } from "./panels-dom";

const RESET = "M3 3v3.5h3.5M3.4 6.3A5 5 0 1 1 3 9";

let rows = 0;

/** A value as Python writes it. */
export function python(value: OptionValue): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? `"${value}"` : String(value);
}

export class OptionRow {
  readonly element: HTMLElement;
  readonly field: OptionField;
  readonly #control: HTMLInputElement | HTMLSelectElement;
  readonly #none: HTMLInputElement | null;
  readonly #problem: HTMLElement;
  readonly #reset: HTMLButtonElement;
  readonly #changed: HTMLElement;
  /** The number that comes back when "None" is taken away again. */
  #number: string;
  #entered: OptionValue | undefined;

  constructor(field: OptionField, value: OptionValue, changed: (row: OptionRow) => void) {
    rows += 1;
    this.field = field;
    const id = `iseg-option-${rows}`;
    this.#number = typeof field.default === "number" ? String(field.default) : "";
    this.#control = this.#makeControl(id);
    this.#none = field.optional ? make("input", { type: "checkbox" }) : null;
    this.#problem = make("p", {
      class: "iseg-problem",
      id: `${id}-problem`,
      role: "alert",
      "data-testid": "iseg-option-problem",
    });
    this.#changed = make("span", { class: "iseg-changed", title: "changed" }, "changed");
    const initial = `Back to ${python(field.default)}`;
    this.#reset = tap("option-reset", `${field.name}: ${initial}`, glyph(RESET), () => {
      this.value = field.default;
      changed(this);
    });
    this.#reset.title = initial;
    this.#control.addEventListener("change", () => this.#enter(changed));
    // Hosts may keep Enter from becoming a change.
    this.#control.addEventListener("keydown", (event) => {
      if ((event as KeyboardEvent).key === "Enter") this.#enter(changed);
    });
    this.#none?.addEventListener("change", () => {
      this.#toggleNone();
      changed(this);
    });
    const label = make("label", { for: id }, field.name);
    const none =
      this.#none === null ? [] : [make("label", { class: "iseg-none" }, this.#none, "None")];
    const accepted = field.accepted === "" ? "" : ` Its value ${field.accepted}.`;
    this.element = make(
      "div",
      { class: "iseg-option", "data-testid": "iseg-option", "data-option": field.name },
      make(
        "div",
        { class: "iseg-option-head" },
        label,
        this.#changed,
        make("span", { class: "iseg-option-control" }, ...none, this.#control, this.#reset),
      ),
      this.#problem,
      make(
        "p",
        { class: "iseg-doc", id: `${id}-doc` },
        ...field.sources.map((source) => make("span", { class: "iseg-source" }, source)),
        sentence(field.doc, field.sources),
        make("span", { class: "iseg-accepted" }, accepted),
      ),
    );
    this.value = value;
    this.problem = "";
  }

  /** What is entered; `undefined` where it is no number. */
  get value(): OptionValue | undefined {
    const control = this.#control;
    if (this.#none?.checked) return null;
    if (this.field.kind === "flag") return (control as HTMLInputElement).checked;
    if (this.field.kind === "choice") return this.field.choices[Number(control.value)];
    if (this.field.kind === "fixed") return this.field.default;
    const text = control.value.trim();
    return text === "" || !Number.isFinite(Number(text)) ? undefined : Number(text);
  }

  set value(value: OptionValue) {
    const control = this.#control;
    if (this.#none !== null) this.#none.checked = value === null;
    if (this.field.kind === "flag") (control as HTMLInputElement).checked = value === true;
    else if (this.field.kind === "choice") {
      control.value = String(this.field.choices.indexOf(value as string));
    } else {
      if (value !== null) this.#number = String(value);
      control.value = value === null ? "" : String(value);
    }
    this.#entered = value;
    this.#disable();
    this.mark();
  }

  get isChanged(): boolean {
    return this.value !== this.field.default;
  }

  /** Message shown in place; empty: all is well. */
  set problem(message: string) {
    setText(this.#problem, message);
    this.#problem.hidden = message === "";
    this.#control.setAttribute("aria-invalid", String(message !== ""));
    const doc = this.#problem.id.replace(/-problem$/, "-doc");
    const described = message === "" ? doc : `${this.#problem.id} ${doc}`;
    this.#control.setAttribute("aria-describedby", described);
  }

  /** Bring marks in line with the value. */
  mark(): void {
    this.element.dataset.changed = String(this.isChanged);
    this.#changed.hidden = !this.isChanged;
    this.#reset.disabled = !this.isChanged;
  }

  /** Tell that another value was entered, once. */
  #enter(changed: (row: OptionRow) => void): void {
    const { value } = this;
    if (value === this.#entered) return;
    this.#entered = value;
    changed(this);
  }

  #toggleNone(): void {
    this.#entered = undefined;
    if (this.#none?.checked) this.#number = this.#control.value || this.#number;
    else this.#control.value = this.#number;
    this.#disable();
  }

  #disable(): void {
    const none = this.#none?.checked ?? false;
    if (none) this.#control.value = "";
    this.#control.disabled = none || this.field.kind === "fixed";
  }

  #makeControl(id: string): HTMLInputElement | HTMLSelectElement {
    const { field } = this;
    const common = { id, class: "iseg-entry", "data-testid": "iseg-option-control" };
    if (field.kind === "flag") return make("input", { ...common, type: "checkbox" });
    if (field.kind === "choice") {
      const items = field.choices.map((choice, index) =>
        make("option", { value: String(index) }, String(choice)),
      );
      return make("select", { ...common, class: "iseg-entry iseg-select" }, ...items);
    }
    if (field.kind === "fixed") return make("input", { ...common, type: "text" });
    const step = field.kind === "integer" ? "1" : stepOf(field.default);
    return make("input", { ...common, type: "number", step, inputmode: "decimal" });
  }
}

/** A step of the spin buttons, about a tenth of the value: 1.4 moves by 0.1, 30 by 1. */
function stepOf(value: OptionValue): string {
  const size = typeof value === "number" && value !== 0 ? Math.abs(value) : 1;
  return String(Number((10 ** (Math.floor(Math.log10(size)) - 1)).toPrecision(1)));
}

/**
 * A docstring as a sentence: without the marks of code and roles, and without brackets that only
 * name the sources, which stand before it.
 */
export function sentence(doc: string, sources: readonly string[]): string {
  let text = doc.replace(/:\w+:`~?([^`]*)`/g, "$1").replaceAll("``", "");
  text = text.replace(/ \(([^()]*)\)/g, (whole, inside: string) =>
    inside.split(/[;,] /).every((part) => sources.includes(part)) ? "" : whole,
  );
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

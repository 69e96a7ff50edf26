/** The list of objects: choosing, naming, colouring, hiding, locking, uniting and parting them. */

import { icon } from "../icons";
import type { Stroke } from "../keyboard";
import { changeObject, type ObjectChanges } from "../messages/objects";
import { button, element, group } from "../panel";
import type { ObjectEntry } from "../protocol";
import type { State } from "../store/state";
import type { Host, Part } from "./part";

const RULES: readonly (readonly [rule: string, title: string])[] = [
  ["allow", "Objects may overlap"],
  ["top", "The upper object wins when exported"],
  ["exclusive", "A pixel has one object"],
];

/** Milliseconds within which two clicks on a row are a double click. */
const TWICE = 500;

export function objects(host: Host): Part {
  return new Objects(host);
}

class Objects implements Part {
  readonly #host: Host;
  readonly #list = element("ul", {
    class: "iseg-objects",
    // Not a listbox: its options may hold no buttons.
    role: "grid",
    "aria-label": "Objects, the upper ones first",
    "aria-multiselectable": "true",
    "data-testid": "iseg-objects-list",
  });
  readonly #label = this.#select("label", "Label of the active object", (label) =>
    this.#change({ label }),
  );
  readonly #rule = this.#select("rule", "What happens where objects overlap", (rule) =>
    this.#host.send({ kind: "rule", rule }),
  );
  readonly #mark: HTMLButtonElement;
  readonly #merge: HTMLButtonElement;
  readonly #subtract: HTMLButtonElement;
  readonly #split: HTMLButtonElement;
  readonly #rename: HTMLButtonElement;
  readonly #remove: HTMLButtonElement;
  /** Whether choosing a row marks it: for fingers, which hold no Ctrl. */
  #marking = false;
  /** Objects chosen beside the active one, for merging and subtracting. */
  #marked: ReadonlySet<number> = new Set();
  #renaming: number | null = null;
  /** Where the name is written; stays when the list is drawn anew meanwhile. */
  #field: HTMLInputElement | null = null;
  #drawing = false;
  #clicked = { id: -1, time: 0 };

  constructor(host: Host) {
    this.#host = host;
    const on = (act: (active: number) => void) => () => {
      const { active } = host.store.state;
      if (active !== null) act(active);
    };
    this.#mark = this.#text("mark", "Mark", "Mark more objects by choosing them", () => {
      this.#marking = !this.#marking;
      this.#show(host.store.state);
    });
    this.#merge = this.#text(
      "merge",
      "Merge",
      "Unite the active object with the marked ones",
      on((active) => host.send({ kind: "merge_objects", objects: [active, ...this.#marked] })),
    );
    this.#subtract = this.#text(
      "subtract",
      "Subtract",
      "Take the pixels of the marked object out of the active one",
      on((object) => {
        for (const other of this.#marked) host.send({ kind: "subtract_object", object, other });
      }),
    );
    this.#split = this.#text(
      "split",
      "Split",
      "Make an object of each connected part",
      on((object) => host.send({ kind: "split_object", object })),
    );
    this.#rename = this.#text(
      "rename-object",
      "Rename",
      "Name the active object (F2)",
      on((object) => this.#edit(object)),
    );
    this.#remove = this.#text(
      "remove-object",
      "Remove",
      "Remove the active object (can be undone)",
      on((object) => host.send({ kind: "remove_object", object })),
    );
    for (const [rule, title] of RULES) this.#rule.append(element("option", { value: rule }, title));
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    host.panel.side.addTab({
      id: "objects",
      title: "Objects",
      icon: "objects",
      element: element(
        "div",
        { class: "iseg-objects-panel" },
        group("New object", this.#text("new-object", "New object", "New object (N)", this.#add)),
        this.#list,
        element("p", { class: "iseg-hint" }, "Ctrl + click or Space marks more objects."),
        group(
          "Objects",
          this.#mark,
          this.#merge,
          this.#subtract,
          this.#split,
          this.#rename,
          this.#remove,
        ),
        element("label", { class: "iseg-field" }, element("span", {}, "Label"), this.#label),
        element("label", { class: "iseg-field" }, element("span", {}, "Overlap"), this.#rule),
      ),
    });
  }

  readonly commands = [
    {
      id: "new-object",
      keys: ["n"],
      label: "next object: a new one",
      run: () => this.#add(),
    },
    {
      id: "objects",
      keys: ["Shift+n"],
      label: "list of objects",
      run: () => this.#host.panel.side.toggle("objects"),
    },
    {
      id: "select-tool",
      keys: ["q"],
      label: "choose objects by clicking",
      run: () => this.#tool(),
    },
  ];

  readonly tools = [
    {
      id: "select",
      name: "",
      title: "Choose an object by clicking on it (Q, or Ctrl + click)",
      icon: icon("select"),
      cursor: "pointer",
      click: (at: { x: number; y: number }) => this.#selectAt(at),
      key: ({ key, ctrlKey, metaKey, altKey }: Stroke) => {
        const { cursor } = this.#host.store.state;
        if (key !== "Enter" || ctrlKey || metaKey || altKey || cursor === null) return false;
        this.#selectAt(cursor);
        return true;
      },
    },
  ];

  grab(at: { x: number; y: number }, press: { ctrlKey: boolean }) {
    if (!press.ctrlKey) return null;
    return {
      move: () => undefined,
      drop: (_: unknown, moved: boolean) => {
        if (!moved) this.#selectAt(at);
      },
      cancel: () => undefined,
    };
  }

  update(state: State, before: State): void {
    if (
      state.objects === before.objects &&
      state.active === before.active &&
      state.labels === before.labels &&
      state.rule === before.rule
    ) {
      return;
    }
    const known = new Set(state.objects.map(({ id }) => id));
    this.#marked = new Set([...this.#marked].filter((id) => known.has(id) && id !== state.active));
    if (known.size < 2) this.#marking = false;
    if (this.#renaming !== null && !known.has(this.#renaming)) this.#renaming = this.#field = null;
    this.#show(state);
  }

  // What the person does

  readonly #add = (): void => {
    this.#host.send({ kind: "add_object", label: null });
  };

  #tool(): void {
    const chosen = this.#host.store.state.tool === "select";
    this.#host.setTrait("tool", chosen ? "positive" : "select");
  }

  #selectAt({ x, y }: { x: number; y: number }): void {
    const { image } = this.#host.store.state;
    if (x >= -0.5 && y >= -0.5 && x < image.width - 0.5 && y < image.height - 0.5) {
      this.#host.send({ kind: "select_at", x, y });
    }
  }

  #change(changes: Partial<ObjectChanges>, id = this.#host.store.state.active): void {
    if (id !== null) this.#host.send(changeObject(id, changes));
  }

  #choose(id: number, more: boolean): void {
    if (!more && !this.#marking) {
      this.#marked = new Set();
      this.#host.send({ kind: "select_object", object: id });
      return;
    }
    const marked = new Set(this.#marked);
    if (!marked.delete(id) && id !== this.#host.store.state.active) marked.add(id);
    this.#marked = marked;
    this.#show(this.#host.store.state);
  }

  #onKey(event: KeyboardEvent): void {
    const row = event.target instanceof Element ? event.target.closest("li") : null;
    const id = Number(row?.dataset.object);
    if (row === null || event.target !== row) return;
    const acts: Record<string, () => void> = {
      ArrowUp: () => (row.previousElementSibling as HTMLElement | null)?.focus(),
      ArrowDown: () => (row.nextElementSibling as HTMLElement | null)?.focus(),
      Enter: () => this.#choose(id, false),
      " ": () => this.#choose(id, true),
      F2: () => this.#edit(id),
      Delete: () => this.#host.send({ kind: "remove_object", object: id }),
    };
    const act = acts[event.key];
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #edit(id: number): void {
    if (this.#renaming === id) return;
    this.#renaming = id;
    this.#field = null;
    this.#show(this.#host.store.state);
  }

  // What is shown

  #show(state: State): void {
    const holder = document.activeElement;
    const focused = holder?.closest<HTMLElement>("[data-object]")?.dataset.object;
    const control = (holder as HTMLElement | null)?.dataset.testid;
    this.#drawing = true; // what is put elsewhere loses the focus, but nobody left it
    const rows = [...state.objects].reverse().map((entry) => this.#row(entry, state));
    this.#list.replaceChildren(...rows);
    this.#drawing = false;
    if (this.#field !== null && document.activeElement !== this.#field) {
      this.#field.focus();
      if (this.#field.value === this.#field.defaultValue) this.#field.select();
    }
    if (focused !== undefined && this.#renaming === null) {
      const row = this.#list.querySelector<HTMLElement>(`[data-object="${focused}"]`);
      (row?.querySelector<HTMLElement>(`[data-testid="${control}"]`) ?? row)?.focus();
    }
    const active = state.objects.find(({ id }) => id === state.active);
    this.#label.replaceChildren(
      ...state.labels.map(([label]) => element("option", { value: label }, label)),
    );
    this.#label.value = active?.label ?? "";
    this.#label.disabled = active === undefined;
    this.#rule.value = state.rule;
    this.#mark.disabled = state.objects.length < 2;
    this.#mark.setAttribute("aria-pressed", String(this.#marking));
    this.#rename.disabled = active === undefined;
    this.#merge.disabled = active === undefined || this.#marked.size === 0;
    this.#subtract.disabled = active === undefined || this.#marked.size === 0;
    this.#split.disabled = active === undefined || active.area === 0;
    this.#remove.disabled = active === undefined;
  }

  #row(entry: ObjectEntry, state: State): HTMLElement {
    const active = entry.id === state.active;
    const colour = element("input", {
      type: "color",
      class: "iseg-swatch",
      value: entry.colour,
      "aria-label": `Colour of ${titleOf(entry)}`,
      "data-testid": "iseg-object-colour",
    });
    colour.addEventListener("change", () => this.#change({ colour: colour.value }, entry.id));
    const row = element(
      "li",
      {
        class: "iseg-object",
        role: "row",
        tabindex:
          active || (state.active === null && entry.id === state.objects.at(-1)?.id) ? "0" : "-1",
        "aria-selected": String(active || this.#marked.has(entry.id)),
        "data-object": String(entry.id),
        "data-lm-suppress-shortcuts": "true",
        "data-testid": "iseg-object",
      },
      ...[
        colour,
        this.#name(entry),
        element("span", { class: "iseg-object-area" }, `${entry.area} px`),
        this.#flag(entry, "visible", entry.visible, entry.visible ? "Hide" : "Show"),
        this.#flag(entry, "locked", entry.locked, entry.locked ? "Unlock" : "Lock"),
      ].map((cell) => element("span", { class: "iseg-cell", role: "gridcell" }, cell)),
    );
    if (active) row.dataset.active = "true";
    row.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest("button, input")) return;
      const more = event.ctrlKey || event.metaKey || event.shiftKey;
      // Not `dblclick`: the first click may have brought another row to this place.
      const { id, time } = this.#clicked;
      this.#clicked = { id: entry.id, time: event.timeStamp };
      const twice = id === entry.id && event.timeStamp - time < TWICE;
      if (twice && !more && !this.#marking) this.#edit(entry.id);
      else this.#choose(entry.id, more);
    });
    return row;
  }

  #name(entry: ObjectEntry): HTMLElement {
    const title = titleOf(entry);
    if (this.#renaming === entry.id && this.#field !== null) return this.#field;
    if (this.#renaming !== entry.id) {
      return element("span", { class: "iseg-object-name", title }, title);
    }
    const input = element("input", {
      type: "text",
      class: "iseg-text",
      value: entry.name,
      "aria-label": `Name of ${title}`,
      "data-testid": "iseg-object-name",
    });
    this.#field = input;
    const done = (keep: boolean): void => {
      if (this.#renaming !== entry.id || this.#drawing) return;
      this.#renaming = this.#field = null;
      if (keep && input.value !== entry.name) this.#change({ name: input.value }, entry.id);
      this.#show(this.#host.store.state);
    };
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      done(event.key === "Enter");
    });
    input.addEventListener("blur", () => done(true));
    return input;
  }

  #flag(
    entry: ObjectEntry,
    field: "visible" | "locked",
    value: boolean,
    label: string,
  ): HTMLButtonElement {
    const drawn = field === "visible" ? (value ? "mask" : "hidden") : value ? "lock" : "unlock";
    const node = button(`object-${field}`, `${label} ${titleOf(entry)}`, drawn, () =>
      this.#change({ [field]: !value }, entry.id),
    );
    node.setAttribute("aria-pressed", String(field === "visible" ? !value : value));
    return node;
  }

  #text(id: string, text: string, label: string, act: () => void): HTMLButtonElement {
    const node = button(id, label, { text }, act);
    node.classList.add("iseg-worded");
    return node;
  }

  #select(id: string, label: string, act: (value: string) => void): HTMLSelectElement {
    const node = element("select", {
      class: "iseg-select",
      "aria-label": label,
      "data-testid": `iseg-${id}`,
    });
    node.addEventListener("change", () => act(node.value));
    return node;
  }
}

function titleOf({ id, name, label }: ObjectEntry): string {
  return name === "" ? `${label} ${id}` : name;
}

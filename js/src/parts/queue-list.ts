/** The list of all images of a queue, with a filter. */

import { icon } from "../icons";
import type { QueueEntry, Status } from "../messages/queue";
import { element, setText } from "../panel";

export const STATUS_NAMES: Record<Status, string> = {
  todo: "To do",
  done: "Done",
  skipped: "Skipped",
};

type Filter = Status | "all" | "notes" | "problems";

const FILTERS: Record<Filter, string> = {
  all: "All images",
  ...STATUS_NAMES,
  notes: "With a note",
  problems: "That cannot be opened",
};

/** Rows that are made; of more, those around the open image. */
const MOST = 400;

const PASSES: Record<Filter, (entry: QueueEntry) => boolean> = {
  all: () => true,
  todo: ({ status }) => status === "todo",
  done: ({ status }) => status === "done",
  skipped: ({ status }) => status === "skipped",
  notes: ({ note }) => note !== "",
  problems: ({ problem }) => problem !== null,
};

export class QueueList {
  readonly root: HTMLElement;
  readonly #filter: HTMLSelectElement;
  readonly #rows = element("div", {
    class: "iseg-queue-rows",
    role: "list",
    "aria-label": "Images",
  });
  readonly #left = element("p", { class: "iseg-queue-left" });
  readonly #open: (index: number) => void;
  readonly #thumbnail: (index: number) => HTMLElement;
  #entries: readonly QueueEntry[] = [];
  #at = 0;
  /** Nothing is built while nobody sees it. */
  #shown = false;

  /** `thumbnail` gives the place of an image's small picture. */
  constructor(open: (index: number) => void, thumbnail: (index: number) => HTMLElement) {
    this.#open = open;
    this.#thumbnail = thumbnail;
    this.#filter = element(
      "select",
      { class: "iseg-select", "aria-label": "Which images", "data-testid": "iseg-queue-filter" },
      ...Object.entries(FILTERS).map(([value, name]) => element("option", { value }, name)),
    );
    this.#filter.addEventListener("change", () => this.#draw());
    this.#rows.addEventListener("keydown", (event) => this.#onKey(event));
    this.root = element("div", { class: "iseg-queue-list" }, this.#filter, this.#rows, this.#left);
  }

  shown(open: boolean): void {
    this.#shown = open;
    if (!open) return;
    this.#draw();
    this.#rows.querySelector("[aria-current]")?.scrollIntoView?.({ block: "nearest" });
  }

  update(entries: readonly QueueEntry[], at: number): void {
    this.#entries = entries;
    this.#at = at;
    if (this.#shown) this.#draw();
  }

  #draw(): void {
    const filter = this.#filter.value as Filter;
    const found = this.#entries.filter(PASSES[filter]);
    const here = found.findIndex(({ index }) => index >= this.#at);
    const from = Math.max(0, Math.min(here - MOST / 2, found.length - MOST));
    const rows = found.slice(from, from + MOST);
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.image;
    this.#rows.replaceChildren(...rows.map((entry) => this.#row(entry)));
    if (focused !== undefined) this.#rowOf(focused)?.focus({ preventScroll: true });
    const left = found.length - rows.length;
    const none = found.length === 0 ? "None." : "";
    setText(this.#left, left > 0 ? `${left} more, before and after these.` : none);
  }

  #rowOf(image: string): HTMLElement | null {
    return this.#rows.querySelector<HTMLElement>(`[data-image="${image}"]`);
  }

  #row(entry: QueueEntry): HTMLElement {
    const { index, file, status, note, problem } = entry;
    const text = element("span", { class: "iseg-queue-text" }, file);
    const said = problem ?? note;
    if (said !== "") {
      const kind = problem === null ? "iseg-queue-said" : "iseg-queue-said iseg-queue-wrong";
      text.append(element("span", { class: kind }, said));
    }
    const row = element(
      "button",
      {
        type: "button",
        class: "iseg-queue-row",
        "data-image": String(index),
        "data-status": status,
        "data-testid": "iseg-queue-item",
        title: said === "" ? file : `${file}\n${said}`,
      },
      this.#thumbnail(index),
      problem === null ? statusMark(status) : icon("warning"),
      element("span", { class: "iseg-queue-number" }, String(index + 1)),
      text,
    );
    const state = problem === null ? STATUS_NAMES[status] : "cannot be opened";
    row.setAttribute("aria-label", `${index + 1}: ${file}, ${state}${note && `, note: ${note}`}`);
    if (index === this.#at) row.setAttribute("aria-current", "true");
    row.addEventListener("click", () => this.#open(index));
    return element("div", { role: "listitem" }, row);
  }

  #onKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const rows = [...this.#rows.querySelectorAll<HTMLElement>("button")];
    rows[rows.indexOf(document.activeElement as HTMLElement) + step]?.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}

/** A mark whose shape, not only its colour, tells the status. */
export function statusMark(status: Status): HTMLElement {
  const mark = element("span", { class: "iseg-queue-mark", "data-status": status });
  mark.setAttribute("aria-hidden", "true");
  if (status === "done") mark.append(icon("check"));
  if (status === "skipped") mark.append(icon("skip"));
  return mark;
}

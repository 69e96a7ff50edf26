/** The bar of a queue: progress, the open image, its status and note, and what to do with it. */

import type { Queue, QueueEntry, Status } from "../messages/queue";
import { STATUSES } from "../messages/queue";
import { button, element, group, setText } from "../panel";
import { STATUS_NAMES } from "./queue-list";

export interface BarActions {
  run(command: string): void;
  status(status: Status): void;
  note(image: number, note: string): void;
}

/** A note is sent when one pauses for so many milliseconds. */
const PAUSE = 500;

export class QueueBar {
  readonly root: HTMLElement;
  readonly #actions: BarActions;
  readonly #previous: HTMLButtonElement;
  readonly #next: HTMLButtonElement;
  readonly #skip: HTMLButtonElement;
  readonly #done: HTMLButtonElement;
  readonly #place = element("span", {
    class: "iseg-queue-place",
    "data-testid": "iseg-queue-place",
  });
  readonly #file = element("span", { class: "iseg-queue-file", "data-testid": "iseg-queue-file" });
  readonly #status: HTMLSelectElement;
  readonly #note: HTMLInputElement;
  readonly #count = element("span", { "data-testid": "iseg-queue-progress" });
  readonly #saved = element("span", {
    class: "iseg-queue-saved",
    role: "status",
    "data-testid": "iseg-queue-saved",
  });
  readonly #meter: HTMLElement;
  readonly #parts = new Map(STATUSES.map((status) => [status, meterPart(status)]));
  /** The image that the note field is about. */
  #image = -1;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(actions: BarActions) {
    this.#actions = actions;
    const run = (command: string) => () => actions.run(command);
    this.#previous = button(
      "queue-previous",
      "Previous image (Page ↑)",
      "back",
      run("queue-previous"),
    );
    this.#next = button("queue-next", "Next image (Page ↓)", "forward", run("queue-next"));
    this.#skip = worded("queue-skip", "Skip", "Skip the image (Shift + K)", run("queue-skip"));
    this.#done = worded(
      "queue-done",
      "Done",
      "Done: to the next image to do (K)",
      run("queue-done"),
    );
    this.#done.classList.add("iseg-queue-main");
    this.#status = element(
      "select",
      {
        class: "iseg-select",
        "aria-label": "Status of the image",
        "data-testid": "iseg-queue-status",
      },
      ...STATUSES.map((value) => element("option", { value }, STATUS_NAMES[value])),
    );
    this.#status.addEventListener("change", () => actions.status(this.#status.value as Status));
    this.#note = this.#makeNote();
    this.#meter = element(
      "div",
      {
        class: "iseg-queue-meter",
        role: "progressbar",
        "aria-label": "Images done",
        "aria-valuemin": "0",
      },
      ...["done", "skipped", "todo"].map((status) => this.#parts.get(status as Status) ?? ""),
    );
    this.root = element(
      "div",
      { class: "iseg-queue", role: "group", "aria-label": "Images", "data-testid": "iseg-queue" },
      this.#meter,
      element(
        "div",
        { class: "iseg-queue-line" },
        group("Other images", this.#previous, this.#place, this.#next),
        this.#file,
        this.#status,
        this.#note,
        this.#saved,
        this.#count,
        group("The image", this.#skip, this.#done),
      ),
    );
  }

  #makeNote(): HTMLInputElement {
    const node = element("input", {
      type: "text",
      class: "iseg-queue-note",
      placeholder: "Note",
      "aria-label": "Note about the image",
      title: "Note about the image (C)",
      autocomplete: "off",
      "data-testid": "iseg-queue-note",
    });
    node.addEventListener("input", () => {
      clearTimeout(this.#pause);
      this.#pause = setTimeout(() => this.flush(), PAUSE);
    });
    node.addEventListener("change", () => this.flush());
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      this.flush();
      node.blur();
      this.root.closest(".iseg-widget")?.querySelector("canvas")?.focus();
      event.preventDefault();
      event.stopPropagation();
    });
    return node;
  }

  /** Send a note that was not sent yet. */
  flush(): void {
    if (this.#pause === undefined) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#actions.note(this.#image, this.#note.value);
  }

  editNote(): void {
    this.#note.focus();
    this.#note.select();
  }

  update(entries: readonly QueueEntry[], at: number, latest: Queue, opening: boolean): void {
    const entry = entries[at];
    if (entry === undefined) return;
    const idle = latest.closed === null && !opening;
    this.root.dataset.opening = String(opening);
    this.#previous.disabled = !idle || at === 0;
    this.#next.disabled = !idle || at === entries.length - 1;
    for (const node of [this.#skip, this.#done, this.#status]) node.disabled = !idle;
    this.#note.disabled = latest.closed !== null;
    setText(this.#place, `${at + 1} / ${entries.length}`);
    setText(this.#file, entry.file);
    this.#file.title = entry.file;
    this.#status.value = entry.status;
    this.#status.dataset.status = entry.status;
    this.#showNote(entry);
    this.#showSaved(latest);
    this.#progress(entries);
  }

  #showNote(entry: QueueEntry): void {
    if (entry.index !== this.#image) {
      this.flush();
      this.#image = entry.index;
    } else if (this.#pause !== undefined || document.activeElement === this.#note) {
      return;
    }
    if (this.#note.value !== entry.note) this.#note.value = entry.note;
  }

  #showSaved({ saved, trouble, closed }: Queue): void {
    const wrong = trouble ?? closed;
    setText(this.#saved, wrong !== null ? "Not saved" : saved ? "Saved" : "Saving…");
    this.#saved.dataset.state = wrong !== null ? "wrong" : saved ? "saved" : "saving";
    this.#saved.title = wrong ?? "";
  }

  #progress(entries: readonly QueueEntry[]): void {
    const count = { todo: 0, done: 0, skipped: 0 };
    for (const { status } of entries) count[status] += 1;
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
    const text = `${count.done} of ${entries.length} done${skipped}`;
    setText(this.#count, text);
    for (const [status, part] of this.#parts) part.style.flexGrow = String(count[status]);
    this.#meter.setAttribute("aria-valuemax", String(entries.length));
    this.#meter.setAttribute("aria-valuenow", String(count.done));
    this.#meter.setAttribute("aria-valuetext", text);
  }
}

function meterPart(status: Status): HTMLElement {
  return element("span", { "data-status": status });
}

function worded(id: string, text: string, title: string, action: () => void): HTMLButtonElement {
  const node = button(id, title, { text }, action);
  node.classList.add("iseg-queue-worded");
  return node;
}

/** One picture of a step, as large as the widget; arrow keys go on, Escape closes. */

import type { PanelData } from "../messages/explain";
import { described, drawLegend, drawMarks, fitted, VIEW_COLOURS } from "./panel-pictures";
import { glyph, make, setText, tap } from "./panels-dom";

export interface LightboxActions {
  /** Another picture is shown; `null`: none any more. */
  shown(panel: PanelData | null): void;
  /** Closed, with the key of the picture that was shown last. */
  closed(key: string): void;
}

interface Entry {
  panel: PanelData;
  url: string;
}

/** Room for the words below the picture, in CSS pixels. */
const WORDS = 128;
const SIDES = 116;

export class Lightbox {
  readonly element: HTMLElement;
  readonly #actions: LightboxActions;
  readonly #image = make("img", { class: "iseg-picture", "data-testid": "iseg-lightbox-image" });
  readonly #frame = make("div", { class: "iseg-frame" }, this.#image);
  readonly #place = make("span", { class: "iseg-place-of" });
  readonly #title = make("h4", {});
  readonly #caption = make("p", { "data-testid": "iseg-lightbox-caption" });
  readonly #legend = make("div", {});
  readonly #close: HTMLButtonElement;
  #entries: Entry[] = [];
  #at = 0;
  #observer: ResizeObserver | null = null;

  constructor(actions: LightboxActions) {
    this.#actions = actions;
    this.#close = tap("lightbox-close", "Close (Esc)", glyph("m4 4 8 8M12 4l-8 8"), () =>
      this.close(),
    );
    const back = tap("lightbox-back", "Picture before (←)", glyph("M10 3.5 5.5 8l4.5 4.5"), () =>
      this.#go(-1),
    );
    const on = tap("lightbox-on", "Picture after (→)", glyph("M6 3.5 10.5 8 6 12.5"), () =>
      this.#go(1),
    );
    this.element = make(
      "div",
      {
        class: "iseg-lightbox",
        role: "dialog",
        "aria-modal": "true",
        "aria-label": "Picture of the step",
        "data-testid": "iseg-lightbox",
        hidden: "",
      },
      make("div", { class: "iseg-lightbox-top" }, this.#place, this.#close),
      make("div", { class: "iseg-lightbox-middle" }, back, this.#frame, on),
      make(
        "div",
        { class: "iseg-lightbox-words", "aria-live": "polite" },
        this.#title,
        this.#caption,
        this.#legend,
      ),
    );
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element) this.close();
    });
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  /** The pictures there are now, in the order of `keys`; one that is shown stays where it is. */
  update(entries: readonly Entry[], keys: readonly string[]): void {
    const key = this.#entries[this.#at]?.panel.key;
    this.#entries = keys.flatMap((k) => entries.find((entry) => entry.panel.key === k) ?? []);
    const at = this.#entries.findIndex((entry) => entry.panel.key === key);
    this.#at = Math.max(at, 0);
    if (!this.isOpen) return;
    if (at < 0) this.close();
    else this.#show();
  }

  open(key: string): void {
    const at = this.#entries.findIndex((entry) => entry.panel.key === key);
    if (at < 0) return;
    this.#at = at;
    this.element.hidden = false;
    if (typeof ResizeObserver !== "undefined") {
      this.#observer = new ResizeObserver(() => this.#show());
      this.#observer.observe(this.element);
    }
    this.#show();
    this.#close.focus({ preventScroll: true });
  }

  close(): void {
    if (!this.isOpen) return;
    this.element.hidden = true;
    this.#observer?.disconnect();
    this.#observer = null;
    this.#actions.shown(null);
    const key = this.#entries[this.#at]?.panel.key;
    if (key !== undefined) this.#actions.closed(key);
  }

  #go(by: number): void {
    const count = this.#entries.length;
    this.#at = (this.#at + by + count) % count;
    this.#show();
  }

  #show(): void {
    const entry = this.#entries[this.#at];
    if (entry === undefined) return;
    const { panel, url } = entry;
    const { clientWidth, clientHeight } = this.element;
    const room = [Math.max(clientWidth - SIDES, 120), Math.max(clientHeight - WORDS - 40, 90)];
    const [width, height] = fitted(panel.aspect, room[0] ?? 120, room[1] ?? 90);
    if (this.#image.src !== url) this.#image.src = url;
    this.#image.alt = described(panel);
    this.#image.dataset.smooth = String(panel.smooth);
    this.#frame.style.width = `${width}px`;
    this.#frame.style.height = `${height}px`;
    const colour = panel.kind === "image" ? VIEW_COLOURS[panel.view] : undefined;
    this.#frame.style.boxShadow = colour === undefined ? "" : `0 0 0 3px ${colour}`;
    const marks = panel.marks.length > 0 ? [drawMarks(panel.marks, width, height, 15)] : [];
    this.#frame.replaceChildren(this.#image, ...marks);
    setText(this.#place, `${this.#at + 1} of ${this.#entries.length}  ·  ${panel.group}`);
    setText(this.#title, panel.title);
    setText(this.#caption, panel.caption);
    const legend = drawLegend(panel.legend);
    this.#legend.replaceChildren(...(legend === null ? [] : [legend]));
    this.#actions.shown(panel);
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowRight" || event.key === "ArrowDown") this.#go(1);
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") this.#go(-1);
    else if (event.key === "Tab") this.#trap(event);
    else return;
    event.preventDefault();
  }

  /** Tab stays among the dialog's buttons. */
  #trap(event: KeyboardEvent): void {
    const buttons = [...this.element.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const next = (at + (event.shiftKey ? -1 : 1) + buttons.length) % buttons.length;
    buttons[next]?.focus();
  }
}

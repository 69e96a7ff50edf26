/** The panel of views: what the method looked at and thought in a step, as pictures with words. */

import type { Explanation, PanelData } from "../messages/explain";
import { Lightbox } from "./lightbox";
import { described, drawLegend, drawMarks, fitted, VIEW_COLOURS } from "./panel-pictures";
import { glyph, make, setText, tap } from "./panels-dom";

/** Room of a thumbnail in CSS pixels. */
const THUMB = { width: 132, height: 104 };

export interface ViewsActions {
  /** Show where a picture lies in the image; `null`: no longer. */
  highlight(panel: PanelData | null): void;
  /** Explain another step (`null`: the latest). */
  step(index: number | null): void;
}

interface Card {
  root: HTMLElement;
  thumb: HTMLButtonElement;
  image: HTMLImageElement;
  words: HTMLElement;
  panel: PanelData;
  url: string;
}

const BACK = "M10 3.5 5.5 8l4.5 4.5";
const ON = "M6 3.5 10.5 8 6 12.5";

export class ViewsPanel {
  readonly element: HTMLElement;
  readonly lightbox: Lightbox;

  readonly #actions: ViewsActions;
  readonly #list = make("div", { class: "iseg-cards", "data-testid": "iseg-views-list" });
  readonly #where = make("span", { class: "iseg-where", "data-testid": "iseg-views-step" });
  readonly #note = make("p", { class: "iseg-note", "data-testid": "iseg-views-note" });
  readonly #back: HTMLButtonElement;
  readonly #on: HTMLButtonElement;
  readonly #latest: HTMLButtonElement;
  #cards = new Map<string, Card>();
  #order: readonly string[] = [];
  #step: { index: number; count: number } | null = null;

  constructor(actions: ViewsActions) {
    this.#actions = actions;
    this.lightbox = new Lightbox({
      shown: (panel) => actions.highlight(panel),
      closed: (key) => this.#cards.get(key)?.thumb.focus(),
    });
    this.#back = tap("views-back", "Step before", glyph(BACK), () => this.#go(-1));
    this.#on = tap("views-on", "Step after", glyph(ON), () => this.#go(1));
    this.#latest = tap("views-latest", "Follow the latest step", "latest", () =>
      actions.step(null),
    );
    this.element = make(
      "section",
      { class: "iseg-views", "aria-label": "What the method looked at" },
      make(
        "div",
        { class: "iseg-bar", role: "group", "aria-label": "Step that is explained" },
        this.#back,
        this.#where,
        this.#on,
        this.#latest,
      ),
      this.#note,
      this.#list,
    );
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    this.empty("Click on the picture: every step then shows here what the method looked at.");
  }

  close(): void {
    this.lightbox.close();
    this.#drop([...this.#cards.keys()]);
  }

  /** There is nothing to explain. */
  empty(reason: string): void {
    this.#drop([...this.#cards.keys()]);
    this.#list.replaceChildren();
    this.#order = [];
    this.#step = null;
    this.#bar(true);
    setText(this.#note, reason);
    this.#note.hidden = false;
    this.busy(false);
  }

  /** New pictures are on their way; the old ones stay until then. */
  busy(on: boolean): void {
    this.#list.setAttribute("aria-busy", String(on));
    this.element.dataset.busy = String(on);
  }

  /** Show the pictures of a step; `following`: it is the latest and shall stay so. */
  show(explanation: Explanation, pictures: readonly Blob[], following: boolean): void {
    const { panels, index, count, omitted } = explanation;
    this.#step = { index, count };
    this.#bar(following);
    const keys = panels.map((panel) => panel.key);
    this.#drop([...this.#cards.keys()].filter((key) => !keys.includes(key)));
    panels.forEach((panel, place) => {
      const picture = pictures[place];
      if (picture !== undefined) this.#put(panel, picture);
    });
    const order = panels.map((panel) => `${panel.group}\n${panel.key}`);
    if (order.join("\n") !== this.#order.join("\n")) this.#arrange(panels);
    this.#order = order;
    const more = omitted === 1 ? "1 more picture" : `${omitted} more pictures`;
    setText(this.#note, omitted > 0 ? `${more} of earlier clicks are left out.` : "");
    this.#note.hidden = omitted === 0;
    this.busy(false);
    this.lightbox.update(
      [...this.#cards.values()].map(({ panel, url }) => ({ panel, url })),
      keys,
    );
  }

  #bar(following: boolean): void {
    const { index, count } = this.#step ?? { index: 0, count: 0 };
    setText(this.#where, count === 0 ? "No step yet" : `Step ${index + 1} of ${count}`);
    this.#back.disabled = index <= 0;
    this.#on.disabled = index >= count - 1;
    this.#latest.setAttribute("aria-pressed", String(following));
  }

  #go(by: number): void {
    if (this.#step === null) return;
    const index = this.#step.index + by;
    if (index < 0 || index >= this.#step.count) return;
    this.#actions.step(index === this.#step.count - 1 ? null : index);
  }

  /** Headings and cards in order; what had the focus keeps it. */
  #arrange(panels: readonly PanelData[]): void {
    const focused = document.activeElement;
    const rows: HTMLElement[] = [];
    let group: string | null = null;
    for (const panel of panels) {
      if (panel.group !== group) {
        group = panel.group;
        rows.push(make("h4", { class: "iseg-heading" }, group));
      }
      const card = this.#cards.get(panel.key);
      if (card !== undefined) rows.push(card.root);
    }
    this.#list.replaceChildren(...rows);
    if (focused instanceof HTMLElement && this.#list.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
    this.#rove(this.#thumbs().find((thumb) => thumb.tabIndex === 0) ?? this.#thumbs()[0]);
  }

  /** One of the thumbnails is in the order of Tab; arrow keys move among them. */
  #rove(to: HTMLElement | undefined): void {
    for (const thumb of this.#thumbs()) thumb.tabIndex = thumb === to ? 0 : -1;
  }

  #thumbs(): HTMLButtonElement[] {
    return [...this.#list.querySelectorAll<HTMLButtonElement>(".iseg-thumb")];
  }

  #onKey(event: KeyboardEvent): void {
    const thumbs = this.#thumbs();
    const at = thumbs.indexOf(event.target as HTMLButtonElement);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: thumbs.length - 1,
    };
    const wanted = steps[event.key];
    if (at < 0 || wanted === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const next = thumbs[Math.min(thumbs.length - 1, Math.max(0, wanted))];
    this.#rove(next);
    next?.focus();
  }

  #put(panel: PanelData, picture: Blob): void {
    const url = URL.createObjectURL(picture);
    let card = this.#cards.get(panel.key);
    if (card === undefined) {
      card = this.#card(panel, url);
      this.#cards.set(panel.key, card);
    } else {
      URL.revokeObjectURL(card.url);
    }
    card.panel = panel;
    card.url = url;
    this.#fill(card);
  }

  #card(panel: PanelData, url: string): Card {
    const image = make("img", { class: "iseg-picture", draggable: "false" });
    const thumb = make("button", {
      type: "button",
      class: "iseg-thumb",
      tabindex: "-1",
      "data-testid": "iseg-views-thumb",
    });
    const words = make("div", { class: "iseg-words" });
    const root = make("figure", { class: "iseg-card", "data-testid": "iseg-views-card" });
    root.append(thumb, words);
    const card: Card = { root, thumb, image, words, panel, url };
    const highlight = () => this.#actions.highlight(card.panel);
    const plain = () => {
      if (!this.lightbox.isOpen) this.#actions.highlight(null);
    };
    root.addEventListener("pointerenter", highlight);
    root.addEventListener("pointerleave", plain);
    thumb.addEventListener("focus", () => {
      this.#rove(thumb);
      highlight();
    });
    thumb.addEventListener("blur", plain);
    thumb.addEventListener("click", () => this.lightbox.open(card.panel.key));
    return card;
  }

  #fill(card: Card): void {
    const { panel, image, thumb, words, root } = card;
    root.dataset.key = panel.key;
    root.dataset.kind = panel.kind;
    const [width, height] = fitted(panel.aspect, THUMB.width, THUMB.height);
    image.src = card.url;
    image.alt = described(panel);
    image.dataset.smooth = String(panel.smooth);
    const frame = make("span", { class: "iseg-frame" }, image);
    frame.style.width = `${width}px`;
    frame.style.height = `${height}px`;
    const colour = panel.kind === "image" ? VIEW_COLOURS[panel.view] : undefined;
    if (colour !== undefined) frame.style.boxShadow = `0 0 0 2px ${colour}`;
    if (panel.marks.length > 0) frame.append(drawMarks(panel.marks, width, height, 9));
    thumb.replaceChildren(frame);
    thumb.setAttribute("aria-label", `Enlarge: ${panel.title}`);
    const legend = drawLegend(panel.legend);
    words.replaceChildren(
      make("strong", {}, panel.title),
      make("p", {}, panel.caption),
      ...(legend === null ? [] : [legend]),
    );
  }

  #drop(keys: readonly string[]): void {
    for (const key of keys) {
      const card = this.#cards.get(key);
      if (card === undefined) continue;
      URL.revokeObjectURL(card.url);
      card.root.remove();
      this.#cards.delete(key);
    }
  }
}

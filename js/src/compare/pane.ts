/** One pane: title, picture, and a line of figures. */

import { element, setText } from "../panel";
import { milliseconds } from "../pieces";
import { marker } from "./chart";
import type { PaneInfo, PaneReply } from "./protocol";

/** What is known of a pane beside its mask. */
export type PaneState = Pick<
  PaneReply,
  "loaded" | "error" | "points" | "views" | "seconds" | "area" | "inferences"
>;

export const UNKNOWN: PaneState = {
  loaded: false,
  error: null,
  points: [],
  views: [],
  seconds: null,
  area: 0,
  inferences: 0,
};

export const css = ([red, green, blue]: readonly [number, number, number]): string =>
  `rgb(${red} ${green} ${blue})`;

/** IoU of the latest step. */
export const latestIou = (pane: PaneState): number | null => pane.points.at(-1)?.[1] ?? null;

/** Conference and year at the end of a title. */
const VENUE = / \([^()]*\)$/;

/** Name of a pane where there is little room: if others have the same, its details are added. */
export function labelOf(infos: readonly PaneInfo[], index: number): string {
  const bare = (info: PaneInfo | undefined): string => info?.title.replace(VENUE, "") ?? "";
  const own = bare(infos[index]);
  const shared = infos.filter((other) => bare(other) === own).length > 1;
  return shared ? `${own} · ${infos[index]?.detail || "defaults"}` : own;
}

/** A little picture of a curve's colour and marker. */
export function swatch(index: number, colour: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "iseg-pane-mark");
  svg.setAttribute("viewBox", "0 0 14 14");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("fill", colour);
  svg.append(marker(index, 7, 7, 5));
  return svg;
}

export class PaneView {
  readonly root: HTMLElement;
  readonly stage: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly #title: string;
  readonly #note = element("div", {
    class: "iseg-pane-note",
    role: "status",
    "data-testid": "iseg-pane-error",
    hidden: "",
  });
  readonly facts = element("div", {
    class: "iseg-pane-facts",
    "data-testid": "iseg-pane-facts",
  });
  readonly #detail = element("span");
  readonly #count = element("span");
  readonly #iou = element("span", { class: "iseg-pane-iou" });
  readonly #time = element("span", { class: "iseg-pane-time" });

  /** `mark` is drawn before the title. */
  constructor(id: string, info: Pick<PaneInfo, "title" | "detail">, mark: Element, hint: string) {
    this.#title = info.title;
    this.canvas = element("canvas", {
      class: "iseg-canvas",
      tabindex: "0",
      role: "application",
      "data-testid": "iseg-canvas",
      "data-jp-suppress-context-menu": "true",
      "aria-roledescription": "picture to segment",
      "aria-describedby": hint,
    });
    this.stage = element(
      "div",
      { class: "iseg-stage" },
      this.canvas,
      element("div", { class: "iseg-progress", "aria-hidden": "true" }),
      this.#note,
    );
    this.root = element(
      "section",
      { class: "iseg-pane", "aria-label": info.title, "data-testid": `iseg-pane-${id}` },
      element(
        "header",
        { class: "iseg-pane-head", title: [info.title, info.detail].filter(Boolean).join(" · ") },
        mark,
        element("strong", {}, info.title),
        this.#detail,
      ),
      this.stage,
      this.facts,
    );
    this.setDetail(info.detail);
    this.facts.append(this.#count, this.#iou, this.#time);
  }

  /**
   * @param total clicks that are to be answered
   * @param best whether no other pane has a higher IoU
   * @param working what the kernel does for it, in words
   */
  update(pane: PaneState, total: number, best: boolean, working: string | null): void {
    const answered = pane.points.at(-1)?.[0] ?? 0;
    const clicks = answered === total ? `${total}` : `${answered} of ${total}`;
    setText(this.#count, `${clicks} ${total === 1 ? "click" : "clicks"}`);
    const iou = latestIou(pane);
    setText(this.#iou, iou === null ? "" : `IoU ${iou.toFixed(3)}`);
    this.#iou.classList.toggle("iseg-best", best);
    this.#iou.title = best ? "The highest IoU" : "";
    const time = pane.seconds === null ? "" : milliseconds(pane.seconds * 1000);
    setText(this.#time, working ?? time);
    this.root.dataset.working = String(working !== null);
    this.root.dataset.failed = String(pane.error !== null);
    this.root.dataset.inferences = String(pane.inferences);
    this.#note.hidden = pane.error === null;
    setText(this.#note, pane.error ?? "");
    this.describe([`${answered} clicks answered`, iou === null ? "" : `IoU ${iou.toFixed(3)}`]);
  }

  /** What the title does not say. */
  setDetail(text: string): void {
    setText(this.#detail, text);
  }

  describe(facts: readonly string[]): void {
    const label = [this.#title, ...facts].filter(Boolean).join(", ");
    this.canvas.setAttribute("aria-label", label);
  }
}

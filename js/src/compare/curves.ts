/** The chart with its legend, and the table that stands for it. */

import { element, setText } from "../panel";
import { type Curve, chartTable, describe, drawChart, HEIGHT } from "./chart";
import { swatch } from "./pane";

export class CurvePanel {
  readonly root: HTMLElement;
  readonly #svg: SVGSVGElement;
  readonly #box = element("div", { class: "iseg-chart-box" });
  readonly #legend = element("ul", { class: "iseg-chart-legend", "aria-hidden": "true" });
  readonly #table = element("div", { class: "iseg-spoken", "data-testid": "iseg-chart-table" });
  readonly #observer: ResizeObserver;
  #curves: readonly Curve[] = [];
  #strong: number | null = null;
  #drawn = "";

  constructor() {
    this.#svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.#svg.setAttribute("role", "img");
    this.#svg.setAttribute("data-testid", "iseg-chart");
    this.#svg.setAttribute("height", String(HEIGHT));
    this.#box.append(this.#svg);
    this.root = element(
      "section",
      { class: "iseg-chart", "aria-label": "IoU by click" },
      this.#box,
      this.#legend,
      this.#table,
    );
    this.#observer = new ResizeObserver(() => this.#draw());
    this.#observer.observe(this.#box);
  }

  close(): void {
    this.#observer.disconnect();
  }

  /** `strong` is the curve that stands out. */
  update(curves: readonly Curve[], strong: number | null): void {
    if (this.#legend.childElementCount !== curves.length) {
      this.#legend.replaceChildren(
        ...curves.map(({ title, colour }, index) =>
          element("li", { title }, swatch(index, colour), element("span", {}, title), element("b")),
        ),
      );
    }
    curves.forEach(({ points }, index) => {
      const entry = this.#legend.children[index];
      const figure = entry?.querySelector("b");
      if (figure) setText(figure, points.at(-1)?.iou.toFixed(3) ?? "");
      entry?.classList.toggle("iseg-faint", strong !== null && strong !== index);
    });
    this.#curves = curves;
    this.#strong = strong;
    this.#draw();
  }

  #draw(): void {
    const width = this.#box.clientWidth;
    const key = JSON.stringify([width, this.#curves, this.#strong]);
    if (width === 0 || key === this.#drawn) return;
    this.#drawn = key;
    drawChart(this.#svg, this.#curves, width, this.#strong);
    this.#svg.setAttribute("aria-label", describe(this.#curves));
    this.#table.replaceChildren(chartTable(this.#curves));
  }
}

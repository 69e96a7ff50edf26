/** Pictures of a step and what belongs to them: size, clicks on them, legend. */

import type { Legend, Mark, PanelData } from "../messages/explain";
import { make, number, svg } from "./panels-dom";

/** Frames of crops, in the colours of the boxes on the canvas. */
export const VIEW_COLOURS: Readonly<Record<string, string>> = {
  target_crop: "#f0e442",
  zoom_in: "#f0e442",
  focus_crop: "#ff8fd0",
  focus_view: "#ff8fd0",
  roi: "#ffb454",
};

/** Width and height with an aspect, as large as fits. */
export function fitted(aspect: number, width: number, height: number): [number, number] {
  const wide = Math.min(width, height * aspect);
  // Long and thin ones stay visible.
  return [Math.max(Math.round(wide), 6), Math.max(Math.round(wide / aspect), 6)];
}

/** Clicks as on the canvas: disks with a plus, squares with a minus. `size` is their diameter. */
export function drawMarks(marks: readonly Mark[], width: number, height: number, size: number) {
  const holder = svg("svg", {
    class: "iseg-marks",
    viewBox: `0 0 ${width} ${height}`,
    "aria-hidden": "true",
  });
  for (const mark of marks) {
    const [x, y] = [mark.x * width, mark.y * height];
    const r = size / 2;
    const shape = mark.positive
      ? svg("circle", { class: "iseg-mark-positive", cx: `${x}`, cy: `${y}`, r: `${r}` })
      : svg("rect", {
          class: "iseg-mark-negative",
          x: `${x - r}`,
          y: `${y - r}`,
          width: `${size}`,
          height: `${size}`,
          rx: "1",
        });
    const arm = r * 0.55;
    const across = `M${x - arm} ${y}h${2 * arm}`;
    const sign = mark.positive ? `${across}M${x} ${y - arm}v${2 * arm}` : across;
    holder.append(shape, svg("path", { d: sign }));
  }
  return holder;
}

/** How to read the colours; `null` where there is nothing to say. */
export function drawLegend(legend: Legend | null): HTMLElement | null {
  if (legend === null) return null;
  if (legend.kind === "inks") {
    const items = legend.inks.map(([colour, meaning]) => {
      const swatch = make("span", { class: "iseg-key-colour" });
      swatch.style.backgroundColor = colour;
      return make("span", { class: "iseg-ink" }, swatch, meaning);
    });
    return make("div", { class: "iseg-legend", "data-testid": "iseg-legend" }, ...items);
  }
  if (legend.kind === "bars") {
    const few = legend.values.length <= 6 ? legend.values.map((value) => number(value)) : [];
    const range = `${number(legend.low)} to ${number(legend.high)}, from ${number(legend.baseline)}`;
    const text = few.length > 0 ? few.join(", ") : range;
    return make("div", { class: "iseg-legend", "data-testid": "iseg-legend" }, text);
  }
  const { low, high, unit } = legend;
  const signed = low < 0 && high > 0;
  const bar = make("span", { class: "iseg-scale", "aria-hidden": "true" });
  bar.style.backgroundImage = `linear-gradient(to right, ${legend.stops.join(", ")})`;
  const ends = [number(low), ...(signed ? [number(0)] : []), number(high, signed)];
  const last = ends.length - 1;
  if (unit !== "") ends[last] = `${ends[last]} ${unit}`;
  const names = ends.map((end) => make("span", {}, end));
  const node = make(
    "div",
    { class: "iseg-legend", "data-testid": "iseg-legend", role: "img" },
    make("span", { class: "iseg-scale-box" }, bar, make("span", { class: "iseg-ends" }, ...names)),
  );
  node.setAttribute("aria-label", `Colours from ${ends[0]} to ${ends[last]}`);
  return node;
}

/** Words for those who do not see the picture. */
export function described(panel: PanelData): string {
  return `${panel.title}. ${panel.caption}`;
}

/** The panel with all view modes. */

import type { PageTraits } from "../model";
import { element } from "../panel";
import type { Modes } from "../store/state";

type Set = <K extends keyof Modes & keyof PageTraits>(name: K, value: PageTraits[K]) => void;

export interface DisplayPanel {
  element: HTMLElement;
  update(modes: Modes): void;
}

export function displayPanel(set: Set): DisplayPanel {
  const updates: ((modes: Modes) => void)[] = [];
  const row = (label: string, control: HTMLElement): HTMLElement =>
    element("label", { class: "iseg-display-row" }, element("span", {}, label), control);

  const choice = <K extends "mask_display" | "background">(
    name: K,
    label: string,
    options: Record<Modes[K], string>,
  ): HTMLElement => {
    const node = element("select", { class: "iseg-select", "data-testid": `iseg-${dashed(name)}` });
    for (const [value, text] of Object.entries<string>(options)) {
      node.append(element("option", { value }, text));
    }
    node.addEventListener("change", () => set(name, node.value as PageTraits[K]));
    updates.push((modes) => {
      node.value = modes[name];
    });
    return row(label, node);
  };

  const slider = (
    name: "contour_width" | "loupe_zoom",
    label: string,
    [min, max, step]: [number, number, number],
    text: (value: number) => string,
  ): HTMLElement => {
    const node = element("input", {
      type: "range",
      class: "iseg-slider",
      min: String(min),
      max: String(max),
      step: String(step),
      "data-testid": `iseg-${dashed(name)}`,
    });
    node.addEventListener("input", () => set(name, Number(node.value)));
    const shown = element("output", { class: "iseg-display-value" });
    updates.push((modes) => {
      node.value = String(modes[name]);
      node.setAttribute("aria-valuetext", text(modes[name]));
      shown.textContent = text(modes[name]);
    });
    return row(label, element("span", { class: "iseg-display-range" }, node, shown));
  };

  const check = (
    name: "invert" | "pixel_grid" | "loupe" | "side_by_side",
    label: string,
  ): HTMLElement => {
    const id = `iseg-display-${dashed(name)}`;
    const node = element("input", { type: "checkbox", "data-testid": id });
    node.addEventListener("change", () => set(name, node.checked));
    updates.push((modes) => {
      node.checked = modes[name];
    });
    return element("label", { class: "iseg-display-check" }, node, element("span", {}, label));
  };

  return {
    element: element(
      "div",
      { class: "iseg-display" },
      choice("mask_display", "Mask", {
        both: "fill and contour",
        fill: "fill",
        contour: "contour",
      }),
      slider("contour_width", "Contour", [0.5, 8, 0.5], (value) => `${value} px`),
      choice("background", "Background", {
        shown: "shown",
        dimmed: "dimmed",
        checkerboard: "checkerboard",
      }),
      check("invert", "Tint the outside instead"),
      check("pixel_grid", "Lines between large pixels"),
      check("side_by_side", "Picture without masks beside it"),
      check("loupe", "Loupe near the pointer"),
      slider("loupe_zoom", "Loupe", [2, 8, 1], (value) => `× ${value}`),
    ),
    update: (modes) => {
      for (const update of updates) update(modes);
    },
  };
}

const dashed = (name: string): string => name.replaceAll("_", "-");

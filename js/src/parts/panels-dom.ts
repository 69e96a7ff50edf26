/** Small helpers of the panels of views, ablation and replay. */

import { button } from "../panel";

export { element as make, setText } from "../panel";

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag: string, props: Record<string, string>, ...children: Node[]): SVGElement {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** An icon on a 16 x 16 grid, of one path. */
export function glyph(path: string, filled = false): SVGElement {
  const style = filled ? "fill: currentColor" : "";
  return svg(
    "svg",
    { class: "iseg-icon", viewBox: "0 0 16 16", "aria-hidden": "true", style },
    svg("path", { d: path }),
  );
}

/** A small button with an icon or a text. */
export function tap(id: string, label: string, content: SVGElement | string, action: () => void) {
  return button(id, label, typeof content === "string" ? { text: content } : content, action);
}

/** A number for people: few digits, a true minus. */
export function number(value: number, signed = false): string {
  const plain = Math.abs(value) < 10 ? Number(value.toPrecision(3)) : Math.round(value);
  const text = String(plain).replace("-", "−");
  return signed && plain > 0 ? `+${text}` : text;
}

/** A count of pixels with thin spaces between thousands. */
export function pixels(count: number): string {
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, "\u2009")} px`;
}

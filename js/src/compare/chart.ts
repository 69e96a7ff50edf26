/** Curves of the IoU after every click: a drawing, a legend, and a table for screen readers. */

export interface Point {
  /** Clicks given so far. */
  clicks: number;
  iou: number;
}

export interface Curve {
  title: string;
  colour: string;
  points: readonly Point[];
}

export interface Axes {
  /** Lowest IoU on the axis. */
  low: number;
  /** Last click on the axis. */
  last: number;
}

const SPACE = "http://www.w3.org/2000/svg";
export const HEIGHT = 188;
const MARGIN = { top: 22, right: 12, bottom: 30, left: 42 };
/** Clicks on the axis before there are more: the axis does not grow with each of the first ones. */
const FIRST = 6;
/** The axis starts at the highest of these that leaves all curves in sight. */
const LOWS = [0.9, 0.8, 0.6, 0.4, 0];
const STEPS: Record<number, number> = { 0: 0.25, 0.4: 0.2, 0.6: 0.1, 0.8: 0.05, 0.9: 0.02 };

/** The part of the plane that holds all curves. */
export function axesOf(curves: readonly Curve[]): Axes {
  const points = curves.flatMap((curve) => curve.points);
  const least = Math.min(1, ...points.map((point) => point.iou));
  const low = points.length === 0 ? 0 : (LOWS.find((value) => value <= least - 0.005) ?? 0);
  return { low, last: Math.max(FIRST, ...points.map((point) => point.clicks)) };
}

/** Values that are marked at the IoU axis. */
export function marks(low: number): number[] {
  const step = STEPS[low] ?? 0.25;
  const count = Math.round((1 - low) / step);
  return Array.from({ length: count + 1 }, (_, index) => Number((low + index * step).toFixed(2)));
}

/** Clicks that are marked at the other axis. */
export function counts(last: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100].find((value) => last / value <= 12) ?? 200;
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, index) => index * step);
}

/** What the curves say, in words. */
export function describe(curves: readonly Curve[]): string {
  const said = curves.flatMap(({ title, points }) => {
    const latest = points.at(-1);
    if (latest === undefined) return [];
    const clicks = `${latest.clicks} ${latest.clicks === 1 ? "click" : "clicks"}`;
    return [`${title} ${latest.iou.toFixed(3)} after ${clicks}`];
  });
  return said.length === 0 ? "IoU by click: no click yet" : `IoU by click: ${said.join("; ")}`;
}

function shape(name: string, attributes: Record<string, string | number>): SVGElement {
  const node = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

function label(text: string, attributes: Record<string, string | number>): SVGElement {
  const node = shape("text", attributes);
  node.textContent = text;
  return node;
}

/** Marker `index` around (x, y): curves differ in it as well as in colour. */
export function marker(index: number, x: number, y: number, size = 3.6): SVGElement {
  const at = (points: [number, number][]): SVGElement =>
    shape("polygon", {
      points: points.map(([dx, dy]) => `${x + dx * size},${y + dy * size}`).join(" "),
    });
  switch (index % 4) {
    case 0:
      return shape("circle", { cx: x, cy: y, r: size });
    case 1:
      return shape("rect", {
        x: x - size * 0.9,
        y: y - size * 0.9,
        width: size * 1.8,
        height: size * 1.8,
      });
    case 2:
      return at([
        [0, -1.25],
        [1.2, 0.9],
        [-1.2, 0.9],
      ]);
    default:
      return at([
        [0, -1.3],
        [1.3, 0],
        [0, 1.3],
        [-1.3, 0],
      ]);
  }
}

const DASHES = ["", "7 3", "2 3"];

/** Draw the curves anew; `strong` is the one to stand out. */
export function drawChart(
  svg: SVGSVGElement,
  curves: readonly Curve[],
  width: number,
  strong: number | null,
): void {
  const axes = axesOf(curves);
  const right = Math.max(width - MARGIN.right, MARGIN.left + 40);
  const bottom = HEIGHT - MARGIN.bottom;
  const x = (clicks: number): number => MARGIN.left + (clicks / axes.last) * (right - MARGIN.left);
  const y = (iou: number): number =>
    bottom - ((iou - axes.low) / (1 - axes.low)) * (bottom - MARGIN.top);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const grid = shape("g", { class: "iseg-chart-grid", "aria-hidden": "true" });
  for (const value of marks(axes.low)) {
    grid.append(
      shape("line", { x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      label(value.toFixed(2), { x: MARGIN.left - 7, y: y(value) + 4, "text-anchor": "end" }),
    );
  }
  for (const count of counts(axes.last)) {
    grid.append(
      shape("line", { x1: x(count), x2: x(count), y1: bottom, y2: bottom + 4 }),
      label(String(count), { x: x(count), y: bottom + 16, "text-anchor": "middle" }),
    );
  }
  grid.append(
    label("clicks", { x: right, y: HEIGHT - 2, "text-anchor": "end", class: "iseg-chart-name" }),
    label("IoU", { x: 10, y: 12, class: "iseg-chart-name" }),
  );
  const lines = curves.map((curve, index) => {
    const line = drawCurve(curve, index, x, y);
    if (strong !== null && strong !== index) line.setAttribute("class", "iseg-curve iseg-faint");
    return line;
  });
  // The strong one is drawn last, above the others.
  if (strong !== null) lines.push(...lines.splice(strong, 1));
  svg.replaceChildren(grid, ...lines);
}

function drawCurve(
  { title, colour, points }: Curve,
  index: number,
  x: (clicks: number) => number,
  y: (iou: number) => number,
): SVGElement {
  const group = shape("g", { class: "iseg-curve", stroke: colour, fill: colour });
  if (points.length > 1) {
    group.append(
      shape("polyline", {
        points: points.map((point) => `${x(point.clicks)},${y(point.iou)}`).join(" "),
        fill: "none",
        "stroke-dasharray": DASHES[Math.floor(index / 4) % DASHES.length] ?? "",
      }),
    );
  }
  for (const point of points) {
    const dot = marker(index, x(point.clicks), y(point.iou));
    const said = shape("title", {});
    said.textContent = `${title}, click ${point.clicks}: IoU ${point.iou.toFixed(3)}`;
    dot.append(said);
    group.append(dot);
  }
  return group;
}

/** The same as rows and columns; drawn for nobody, read to those who cannot see the curves. */
export function chartTable(curves: readonly Curve[]): HTMLTableElement {
  const table = document.createElement("table");
  const caption = table.createCaption();
  caption.textContent = "IoU by click";
  const clicks = [
    ...new Set(curves.flatMap((curve) => curve.points.map((point) => point.clicks))),
  ].sort((a, b) => a - b);
  const head = table.createTHead().insertRow();
  for (const text of ["Clicks", ...curves.map((curve) => curve.title)]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = text;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const count of clicks) {
    const row = body.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = String(count);
    row.append(name);
    for (const { points } of curves) {
      const found = points.find((point) => point.clicks === count);
      row.insertCell().textContent = found === undefined ? "" : found.iou.toFixed(3);
    }
  }
  return table;
}

/** How many panes stand beside each other, and how high their pictures are. */

import type { Size } from "../viewport";

export interface Layout {
  columns: number;
  /** Height of each picture in CSS pixels. */
  height: number;
}

/** Between panes, in CSS pixels. */
export const GAP = 8;
/** Room for all rows of pictures together, so that the whole comparison is seen at once. */
const ROOM = 540;
const TALLEST = 520;
/** Pictures of many rows get at least this, and the page has to be scrolled. */
const TALL = 240;
const LOWEST = 120;
/** A narrower pane can neither show its title nor be clicked well. */
const NARROWEST = 220;
/** How much larger pictures must become to be worth one more row: side by side compares best. */
const WORTH = 1.5;

/** The arrangement of `count` panes; `wanted` is the height a person asked for. */
export function arrange(
  count: number,
  image: Size,
  width: number,
  wanted: number | null = null,
): Layout {
  const aspect = image.height / Math.max(image.width, 1);
  let best: Layout = { columns: 1, height: LOWEST };
  let largest = 0;
  for (let rows = 1; rows <= count; rows++) {
    // Rows of equal length, as far as that goes; places that stay empty count against it.
    const columns = Math.ceil(count / rows);
    const room = (width - GAP * (columns - 1)) / columns;
    if (columns > 1 && room < NARROWEST) continue;
    const ceiling = wanted ?? Math.min(TALLEST, Math.max(TALL, ROOM / rows));
    const height = Math.max(LOWEST, Math.min(room * aspect, ceiling));
    const shown = Math.min(room, height / aspect);
    if (shown > ((largest * WORTH) / count) * columns * rows) {
      largest = shown;
      best = { columns, height: Math.round(wanted ?? height) };
    }
  }
  return best;
}

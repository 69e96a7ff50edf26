/** How many panes stand beside each other, and how high their pictures are. */

import type { Size } from "../viewport";

export interface Layout {
  columns: number;
  /** Height of each picture in CSS pixels. */
  height: number;
}

/** Between panes, in CSS pixels; the style sheet has the same number. */
export const GAP = 8;
/** Room for all rows of pictures together, so that the whole comparison is seen at once. */
const ROOM = 620;
const TALLEST = 520;
const LOWEST = 120;
/** A pane narrower than this cannot show its title and figures. */
const NARROWEST = 190;

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
  let best: Layout = { columns: 1, height: 0 };
  let largest = 0;
  for (let columns = count; columns >= 1; columns--) {
    const room = (width - GAP * (columns - 1)) / columns;
    if (columns > 1 && room < NARROWEST) continue;
    const rows = Math.ceil(count / columns);
    const ceiling = wanted ?? Math.min(TALLEST, Math.max(LOWEST, ROOM / rows));
    const height = Math.max(LOWEST, Math.min(room * aspect, ceiling));
    const shown = Math.min(room, height / aspect);
    if (shown > largest * WORTH) {
      largest = shown;
      best = { columns, height: Math.round(wanted ?? height) };
    }
  }
  return best;
}

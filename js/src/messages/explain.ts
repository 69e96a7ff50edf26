/** Messages about a step's views and trace, the mirror of `widget/messages/explain.py`. */

import {
  type Box,
  isBox,
  isCount,
  isEvery,
  isFields,
  isFlag,
  isNumber,
  isText,
  registerReply,
} from "../protocol";

/** How to read a picture's colours; colours are `#rrggbb`. */
export type Legend =
  | { kind: "scale"; stops: string[]; low: number; high: number; unit: string }
  | { kind: "inks"; inks: [colour: string, meaning: string][] }
  | { kind: "bars"; values: number[]; baseline: number; low: number; high: number };

/** A click on a picture, in shares of its sides. */
export interface Mark {
  x: number;
  y: number;
  positive: boolean;
}

/** One picture of a step; its pixels are the buffer of the same place in the message. */
export interface PanelData {
  key: string;
  title: string;
  caption: string;
  group: string;
  kind: string;
  /** Kind of the view that it covers, or empty. */
  view: string;
  /** Where it lies in the image; `null` where it has no place. */
  box: Box | null;
  width: number;
  height: number;
  /** Width by height to show it with, which need not be that of its pixels. */
  aspect: number;
  /** Whether pixels may be interpolated. */
  smooth: boolean;
  legend: Legend | null;
  marks: Mark[];
}

export interface Explanation {
  kind: "explanation";
  id: string;
  /** Number of the step, from 0, and of all steps. */
  index: number;
  count: number;
  mime: string;
  panels: PanelData[];
  /** Panels left out for want of room. */
  omitted: number;
}

declare module "../protocol" {
  interface Requests {
    explain: { index: number | null };
  }
  interface Replies {
    explanation: Explanation;
  }
}

const isLegend = (value: unknown): value is Legend | null =>
  value === null || (isFields(value) && ["scale", "inks", "bars"].includes(String(value.kind)));

function isMark(value: unknown): value is Mark {
  return isFields(value) && isNumber(value.x) && isNumber(value.y) && isFlag(value.positive);
}

function isPanel(value: unknown): value is PanelData {
  return (
    isFields(value) &&
    [value.key, value.title, value.caption, value.group, value.kind, value.view].every(isText) &&
    (value.box === null || isBox(value.box)) &&
    [value.width, value.height].every(isCount) &&
    isNumber(value.aspect) &&
    value.aspect > 0 &&
    isFlag(value.smooth) &&
    isLegend(value.legend) &&
    isEvery(isMark)(value.marks)
  );
}

registerReply("explanation", {
  id: isText,
  index: isCount,
  count: isCount,
  mime: isText,
  panels: isEvery(isPanel),
  omitted: isCount,
});

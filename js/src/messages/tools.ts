/** Messages of the tools beside the click; see `messages/tools.py`. */

import { type Box, isCount, isEvery, isNumber, isPair, isText, registerReply } from "../protocol";

/** The last probability, for thresholds and soft masks in the page. */
export interface Soft {
  kind: "soft";
  id: string;
  /** Part of the image it covers; null (and no buffer) when no network was asked yet. */
  box: Box | null;
  /** Width and height of the grid of values; the buffer is zlib over one byte each. */
  size: [number, number];
  threshold: number;
}

/** A line along edges: corners `x, y, x, y, …`. */
export interface Wire {
  kind: "wire";
  id: string;
  corners: number[];
}

declare module "../protocol" {
  interface Requests {
    box: { x0: number; y0: number; x1: number; y1: number };
    scribble: { corners: number[]; positive: boolean };
    brush: { corners: number[]; radius: number; erase: boolean };
    polygon: { corners: number[]; erase: boolean };
    fill: { x: number; y: number };
    threshold: { value: number };
    move_click: { index: number; x: number; y: number };
    remove_click: { index: number };
    soft: { side: number };
    wire: { x0: number; y0: number; x1: number; y1: number };
  }
  interface Replies {
    soft: Soft;
    wire: Wire;
  }
}

registerReply("soft", {
  id: isText,
  box: (value) =>
    value === null || (Array.isArray(value) && value.length === 4 && value.every(isCount)),
  size: isPair(isCount),
  threshold: isNumber,
});

registerReply("wire", {
  id: isText,
  corners: (value) => isEvery(isNumber)(value) && value.length >= 4 && value.length % 2 === 0,
});

/** The tools that draw: what their buttons, keys and options say. */

import type { Wanted } from "./options";

export type Id = "box" | "scribble" | "brush" | "eraser" | "lasso" | "polygon" | "fill";

export interface Kind extends Wanted {
  key: string;
  title: string;
  label: string;
}

/** The tools in the order of their buttons. */
export const KINDS: Record<Id, Kind> = {
  box: {
    key: "b",
    title: "Box around the object (B)",
    label: "box around the object",
    signs: null,
    size: false,
    hint: "Drag a box around the object",
  },
  scribble: {
    key: "s",
    title: "Scribble: a line becomes clicks (S)",
    label: "scribble",
    signs: ["Object", "Background"],
    size: false,
    hint: "",
  },
  brush: {
    key: "d",
    title: "Brush (D)",
    label: "brush (X: eraser)",
    signs: null,
    size: true,
    hint: "",
  },
  eraser: {
    key: "e",
    title: "Eraser (E)",
    label: "eraser (X: brush)",
    signs: null,
    size: true,
    hint: "",
  },
  lasso: {
    key: "o",
    title: "Lasso: outline drawn freely (O)",
    label: "lasso",
    signs: ["Add", "Subtract"],
    size: false,
    hint: "",
  },
  polygon: {
    key: "p",
    title: "Polygon (P)",
    label: "polygon",
    signs: ["Add", "Subtract"],
    size: false,
    hint: "Enter or the first corner closes, Backspace takes one back",
  },
  fill: {
    key: "g",
    title: "Fill a hole, remove a part (G)",
    label: "fill a hole, remove a part",
    signs: null,
    size: false,
    hint: "Click a hole to fill it, a part to remove it",
  },
};
export const IDS = Object.keys(KINDS) as Id[];

export const isDrawing = (id: string): id is Id => Object.hasOwn(KINDS, id);

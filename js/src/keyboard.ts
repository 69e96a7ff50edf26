/** Keys of the widget, one table for what they do and for the list that `?` shows. */

export type Command =
  | "undo"
  | "redo"
  | "reset"
  | "cancel"
  | "tool"
  | "mask"
  | "views"
  | "fainter"
  | "stronger"
  | "fit"
  | "actual"
  | "zoom-in"
  | "zoom-out"
  | "left"
  | "right"
  | "up"
  | "down"
  | "click"
  | "click-negative"
  | "help";

export interface Stroke {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
}

export interface Shortcut {
  keys: string[];
  label: string;
}

const PLAIN: Record<string, Command> = {
  u: "undo",
  y: "redo",
  Delete: "reset",
  Backspace: "reset",
  Escape: "cancel",
  x: "tool",
  m: "mask",
  v: "views",
  "[": "fainter",
  "]": "stronger",
  f: "fit",
  "1": "actual",
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  Enter: "click",
  "?": "help",
};

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ["click"], label: "click with the chosen sign" },
  { keys: ["right click", "Shift + click"], label: "negative click" },
  { keys: ["X"], label: "switch between positive and negative" },
  { keys: ["U", "Ctrl + Z"], label: "undo" },
  { keys: ["Y", "Ctrl + Shift + Z"], label: "redo" },
  { keys: ["Delete"], label: "remove all clicks (can be undone)" },
  { keys: ["Esc"], label: "cancel what is running or queued" },
  { keys: ["M"], label: "show or hide the mask" },
  { keys: ["[", "]"], label: "mask fainter, stronger" },
  { keys: ["V"], label: "show or hide the crops looked at" },
  { keys: ["F", "1"], label: "fit, one to one" },
  { keys: ["+", "−", "wheel"], label: "zoom" },
  { keys: ["drag", "two fingers"], label: "move the picture" },
  { keys: ["arrows", "Enter"], label: "place a click without a mouse (Shift: negative)" },
  { keys: ["?"], label: "this list" },
];

/** The command of a key stroke; `null` leaves the key to the page. */
export function commandOf(stroke: Stroke): Command | null {
  const key = stroke.key.length === 1 ? stroke.key.toLowerCase() : stroke.key;
  if (stroke.altKey) return null;
  if (stroke.ctrlKey || stroke.metaKey) {
    if (key === "z") return stroke.shiftKey ? "redo" : "undo";
    return key === "y" && !stroke.shiftKey ? "redo" : null;
  }
  if (key === "Enter" && stroke.shiftKey) return "click-negative";
  return Object.hasOwn(PLAIN, key) ? (PLAIN[key] ?? null) : null;
}

const OWN_KEYS: Record<string, RegExp> = {
  range: /^(Arrow|Home|End|Page)/,
  select: /^(?!Escape$|\?$)/,
  button: /^(Enter| )$/,
};

/** Whether a control that has the focus needs the key itself. */
export function belongsToControl(target: EventTarget | null, stroke: Stroke): boolean {
  if (!(target instanceof HTMLElement) || stroke.ctrlKey || stroke.metaKey) return false;
  const kind = target instanceof HTMLInputElement ? target.type : target.localName;
  return OWN_KEYS[kind]?.test(stroke.key) ?? false;
}

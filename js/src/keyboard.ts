/** Keys of the widget: commands tell theirs, and the list that `?` shows is made of them. */

export interface Stroke {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
}

/**
 * Something that a person can do. Keys are written `u`, `Shift+Enter`, `Ctrl+Shift+z`; Ctrl is
 * also the Mac's Command, and a plain key is also taken with Shift unless that is another's.
 */
export interface Command {
  id: string;
  keys: readonly string[];
  run(): void;
  /** In the list of keys; without one it is left out. */
  label?: string;
  /** How the list names the keys; else as they are. */
  shown?: readonly string[];
}

/** A row of the list of keys. */
export interface Shortcut {
  keys: readonly string[];
  label: string;
}

const NAMES: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  " ": "Space",
  "-": "−",
};

/** A key as people read it: `Ctrl+Shift+z` becomes `Ctrl + Shift + Z`. */
export function shownKey(key: string): string {
  const parts = key === "+" ? ["+"] : key.split("+");
  return parts
    .map((part) => NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" + ");
}

export class Keys {
  readonly #commands = new Map<string, Command>();
  readonly #ids = new Map<string, Command>();

  /** Throws when a key or an id is taken twice. */
  add(command: Command): void {
    if (this.#ids.has(command.id)) throw new Error(`two commands are called ${command.id}`);
    this.#ids.set(command.id, command);
    for (const key of command.keys) {
      const other = this.#commands.get(key);
      if (other) throw new Error(`the key ${key} belongs to ${other.id} and ${command.id}`);
      this.#commands.set(key, command);
    }
  }

  get(id: string): Command | undefined {
    return this.#ids.get(id);
  }

  /** The command of a key stroke; `null` leaves the key to the page. */
  of(stroke: Stroke): Command | null {
    const key = stroke.key.length === 1 ? stroke.key.toLowerCase() : stroke.key;
    const control = stroke.ctrlKey || stroke.metaKey ? "Ctrl+" : "";
    const alt = stroke.altKey ? "Alt+" : "";
    const held = `${control}${alt}${stroke.shiftKey ? "Shift+" : ""}${key}`;
    const exact = this.#commands.get(held);
    if (exact || control !== "" || alt !== "") return exact ?? null;
    return this.#commands.get(key) ?? null;
  }

  shortcuts(): Shortcut[] {
    return [...this.#ids.values()].flatMap(({ keys, shown, label }) =>
      label === undefined ? [] : [{ keys: shown ?? keys.map(shownKey), label }],
    );
  }
}

/** What the mouse does, for the list of keys. */
export const GESTURES: readonly Shortcut[] = [
  { keys: ["click"], label: "use the chosen tool" },
  { keys: ["right click", "Shift + click"], label: "negative click" },
  { keys: ["wheel"], label: "zoom" },
  { keys: ["drag", "two fingers", "middle button"], label: "move the picture" },
];

const OWN_KEYS: Record<string, RegExp> = {
  range: /^(Arrow|Home|End|Page)/,
  select: /^(?!Escape$|\?$)/,
  "select-one": /^(?!Escape$|\?$)/,
  text: /^(?!Escape$)/,
  number: /^(?!Escape$)/,
  search: /^(?!Escape$)/,
  textarea: /^(?!Escape$)/,
  color: /^(?!Escape$)/,
  checkbox: /^ $/,
  button: /^(Enter| )$/,
  dl: /^(Arrow(Up|Down)|Page(Up|Down)|Home|End| )$/, // the list of keys scrolls
};

/** Whether a control that has the focus needs the key itself. */
export function belongsToControl(target: EventTarget | null, stroke: Stroke): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const kind = target instanceof HTMLInputElement ? target.type : target.localName;
  const writes = ["text", "number", "search", "textarea"].includes(kind);
  if ((stroke.ctrlKey || stroke.metaKey) && !writes) return false;
  return OWN_KEYS[kind]?.test(stroke.key) ?? false;
}

import { describe, expect, it } from "vitest";
import { belongsToControl, Keys, type Stroke } from "../src/keyboard";
import { PARTS } from "../src/parts/index";
import type { Host } from "../src/parts/part";

const stroke = (key: string, held: Partial<Stroke> = {}): Stroke => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...held,
});

/** The keys of all parts; none of them is used before it runs. */
function keys(): Keys {
  const made = new Keys();
  const element = () => document.createElement("div");
  const side = { addTab: () => undefined };
  const panel = {
    side,
    root: element(),
    stage: element(),
    canvas: element(),
    below: element(),
    addGroup: element,
  };
  const state = { image: { width: 64, height: 48 }, tool: "positive", clicks: [] };
  const store = { state, subscribe: () => () => undefined };
  const model = {
    get: (name: string) => (name === "images" ? 3 : undefined),
    on: () => undefined,
    off: () => undefined,
  };
  const host = { panel, store, model, overlay: {} } as unknown as Host;
  for (const part of PARTS.map((make) => make(host))) {
    for (const command of part.commands ?? []) made.add(command);
  }
  return made;
}

describe("keys", () => {
  it.each([
    ["u", {}, "undo"],
    ["U", { shiftKey: true }, "undo"],
    ["z", { ctrlKey: true }, "undo"],
    ["z", { metaKey: true }, "undo"],
    ["Z", { ctrlKey: true, shiftKey: true }, "redo"],
    ["y", { ctrlKey: true }, "redo"],
    ["y", {}, "redo"],
    ["z", {}, "clicks"],
    ["ArrowLeft", { ctrlKey: true }, "pan-ArrowLeft"],
    ["Delete", { shiftKey: true }, "reset"],
    ["?", { shiftKey: true }, "help"],
    ["1", {}, "actual"],
    ["v", {}, "views"],
    ["m", {}, "mask"],
    ["[", {}, "fainter"],
    ["]", {}, "stronger"],
    ["x", {}, "sign"],
    ["ArrowLeft", {}, "left"],
    ["Enter", {}, "click"],
    ["Enter", { shiftKey: true }, "click-negative"],
    // The page's own:
    ["6", {}, null],
    ["f", { ctrlKey: true }, null],
    ["u", { altKey: true }, null],
    ["Tab", {}, null],
    ["Enter", { ctrlKey: true }, null],
    ["toString", {}, null],
  ] as const)("%s %j: %s", (key, held, command) => {
    expect(keys().of(stroke(key, held))?.id ?? null).toBe(command);
  });

  it("are all in the list that is shown", () => {
    const shown = keys()
      .shortcuts()
      .flatMap((row) => row.keys)
      .join(" ");
    for (const key of ["X", "U", "Y", "Delete", "M", "[", "]", "V", "1", "?", "Enter"]) {
      expect(shown).toContain(key);
    }
  });

  it.each([
    ["range", "ArrowLeft", true],
    ["range", "u", false],
    ["select", "ArrowDown", true],
    ["select", "f", true],
    ["select", "Escape", false],
    ["button", "Enter", true],
    ["button", " ", true],
    ["button", "u", false],
    ["canvas", "Enter", false],
  ])("leave a %s its %s: %s", (kind, key, own) => {
    const target = document.createElement(kind === "range" ? "input" : kind);
    if (target instanceof HTMLInputElement) target.type = "range";
    expect(belongsToControl(target, stroke(key))).toBe(own);
  });
});

import { describe, expect, it } from "vitest";
import { belongsToControl, commandOf, SHORTCUTS, type Stroke } from "../src/keyboard";

const stroke = (key: string, held: Partial<Stroke> = {}): Stroke => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...held,
});

describe("keys", () => {
  it.each([
    ["u", {}, "undo"],
    ["U", { shiftKey: true }, "undo"],
    ["z", { ctrlKey: true }, "undo"],
    ["z", { metaKey: true }, "undo"],
    ["Z", { ctrlKey: true, shiftKey: true }, "redo"],
    ["y", { ctrlKey: true }, "redo"],
    ["y", {}, "redo"],
    ["Delete", {}, "reset"],
    ["Escape", {}, "cancel"],
    ["?", { shiftKey: true }, "help"],
    ["f", {}, "fit"],
    ["1", {}, "actual"],
    ["v", {}, "views"],
    ["m", {}, "mask"],
    ["[", {}, "fainter"],
    ["]", {}, "stronger"],
    ["x", {}, "tool"],
    ["ArrowLeft", {}, "left"],
    ["Enter", {}, "click"],
    ["Enter", { shiftKey: true }, "click-negative"],
    // The page's own:
    ["z", {}, null],
    ["f", { ctrlKey: true }, null],
    ["u", { altKey: true }, null],
    ["Tab", {}, null],
    ["Enter", { ctrlKey: true }, null],
    ["toString", {}, null],
  ] as const)("%s %j: %s", (key, held, command) => {
    expect(commandOf(stroke(key, held))).toBe(command);
  });

  it("are all in the list that is shown", () => {
    const shown = SHORTCUTS.flatMap(({ keys }) => keys).join(" ");
    for (const key of [
      "X",
      "U",
      "Y",
      "Delete",
      "Esc",
      "M",
      "[",
      "]",
      "V",
      "F",
      "1",
      "?",
      "Enter",
    ]) {
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

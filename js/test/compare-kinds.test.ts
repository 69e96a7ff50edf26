/** The comparison is a bundle of its own: it has to know its messages without the other widget. */

import { expect, it } from "vitest";
import "../src/compare/index";
import { parseReply } from "../src/protocol";

it.each([
  { kind: "tile", id: "a.1", level: 0, column: 2, row: 1, mime: "image/jpeg" },
  { kind: "picture", id: "a.1", width: 9, height: 9, level: 1, tile: 512, mime: "image/png" },
  { kind: "working", pane: null },
])("knows $kind", (content) => {
  expect(parseReply(content)).toMatchObject(content);
});

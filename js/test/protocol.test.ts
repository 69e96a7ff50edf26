import { describe, expect, it } from "vitest";
import "../src/messages/index";
import { parseReply, type RequestBody, toBytes } from "../src/protocol";
import { result } from "./fakes";
import { replies, requests } from "./recorded";

describe("replies", () => {
  it.each(replies.map((entry, index) => ({ index, ...entry })))(
    "recorded $index ($content.kind) is understood",
    ({ content }) => {
      expect(parseReply(content)).toEqual(content);
    },
  );

  it.each([
    [null, "it is no object"],
    [[], "it is no object"],
    ["result", "it is no object"],
    [{}, "unknown kind undefined"],
    [{ kind: "toString" }, 'unknown kind "toString"'],
    [{ kind: "paint" }, 'unknown kind "paint"'],
    [{ kind: "received" }, "received.id is undefined"],
    [{ kind: "activity", ids: [], what: "sleep" }, 'activity.what is "sleep"'],
    [result({ rev: -1 }), "result.rev is -1"],
    [result({ base: "0" }), 'result.base is "0"'],
    [result({ box: [0, 0, 1] }), "result.box is [0,0,1]"],
    [result({ clicks: [{ x: 1, y: null, positive: true }] }), "result.clicks is"],
    [result({ others: { base: null, box: [0, 0, 1, 1] } }), "result.others is"],
    [result({ objects: [{ id: 1 }] }), "result.objects is"],
    [result({ stats: { seconds: 1, iou: null } }), "result.stats is"],
    [result({ views: [{ kind: "roi", box: "all" }] }), "result.views is"],
  ])("refuses %j", (content, reason) => {
    expect(() => parseReply(content)).toThrow(reason);
  });
});

describe("requests", () => {
  it("have a type for every recorded kind", () => {
    const kinds: Record<RequestBody["kind"], true> = {
      hello: true,
      ping: true,
      click: true,
      undo: true,
      redo: true,
      reset: true,
      cancel: true,
      method: true,
      add_object: true,
      select_object: true,
      select_at: true,
      change_object: true,
      remove_object: true,
      merge_objects: true,
      subtract_object: true,
      split_object: true,
      duplicate_object: true,
      rule: true,
      add_label: true,
      history: true,
      jump: true,
      queue: true,
      queue_go: true,
      queue_mark: true,
      queue_note: true,
      queue_thumbnail: true,
      tile: true,
      timing: true,
      box: true,
      scribble: true,
      brush: true,
      polygon: true,
      fill: true,
      threshold: true,
      move_click: true,
      remove_click: true,
      soft: true,
      wire: true,
      explain: true,
      step_mask: true,
      options_form: true,
      check_options: true,
      difference: true,
    };
    expect(new Set(requests.map((content) => content.kind))).toEqual(new Set(Object.keys(kinds)));
  });
});

describe("buffers", () => {
  const whole = new Uint8Array([9, 1, 2, 3, 9]);

  it.each([
    ["DataView", new DataView(whole.buffer, 1, 3)],
    ["Uint8Array", whole.subarray(1, 4)],
    ["ArrayBuffer", new Uint8Array([1, 2, 3]).buffer],
  ])("may be a %s", (_, buffer) => {
    expect([...toBytes(buffer)]).toEqual([1, 2, 3]);
  });

  it("must be there", () => {
    expect(() => toBytes(undefined)).toThrow("a buffer is missing");
  });
});

import { describe, expect, it, vi } from "vitest";
import type { Reply } from "../src/protocol";
import {
  initialState,
  type PendingClick,
  reduce,
  type State,
  Store,
  summary,
} from "../src/store/state";
import { MODES, result } from "./fakes";

const start = initialState({
  image: { width: 20, height: 12 },
  clicks: [],
  tool: "positive",
  opacity: 0.5,
  showMask: true,
  showViews: false,
  modes: MODES,
  method: "disks",
  methods: [["disks", "Disks"]],
});
const click = (id: string): PendingClick => ({ id, x: 1, y: 2, positive: true });
const reply = (content: Record<string, unknown>) =>
  ({ type: "reply", reply: content as unknown as Reply }) as const;
const sent = (...ids: string[]): State =>
  ids.reduce((state, id) => reduce(state, { type: "sent", click: click(id) }), start);

describe("state", () => {
  it("shows a click at once and takes it over when it is answered", () => {
    const waiting = sent("a", "b");
    expect(waiting.pending.map(({ id }) => id)).toEqual(["a", "b"]);
    const answered = reduce(
      waiting,
      reply(
        result({
          ids: ["a"],
          clicks: [{ x: 1, y: 2, positive: true }],
          history: { done: 1, undone: 0, undo: "click", redo: null },
        }),
      ),
    );
    expect(answered.pending.map(({ id }) => id)).toEqual(["b"]);
    expect(answered.clicks).toHaveLength(1);
    expect(answered.history.done).toBe(1);
  });

  it("leaves the clicks of another view alone", () => {
    expect(reduce(sent("a"), reply(result({ ids: ["other"] }))).pending).toHaveLength(1);
  });

  it.each([
    [{ kind: "cancelled", id: "a", ids: ["a"] }],
    [{ kind: "error", id: "a", ids: ["a"], title: "No", message: "no" }],
  ])("takes a click back: %j", (content) => {
    expect(reduce(sent("a"), reply(content)).pending).toEqual([]);
  });

  it("forgets all waiting clicks on Escape, and lost ones", () => {
    expect(reduce(sent("a", "b"), { type: "cancelled" }).pending).toEqual([]);
    expect(reduce(sent("a", "b"), { type: "lost", ids: ["a"] }).pending).toEqual([click("b")]);
  });

  it("keeps the latest errors, each message once", () => {
    let state = start;
    for (const message of ["1", "2", "2", "3", "4"]) {
      state = reduce(state, { type: "problem", title: "No", message });
    }
    expect(state.errors.map(({ message }) => message)).toEqual(["2", "3", "4"]);
    expect(new Set(state.errors.map(({ key }) => key)).size).toBe(3);
    const key = state.errors[1]?.key ?? -1;
    state = reduce(state, { type: "dismiss", key });
    expect(state.errors.map(({ message }) => message)).toEqual(["2", "4"]);
  });

  it("is summed up for tests and styles", () => {
    const ready: State = { ...start, connection: "ready", hasPicture: true };
    expect(summary(start)).toBe("loading");
    expect(summary({ ...ready, hasPicture: false })).toBe("loading");
    expect(summary(ready)).toBe("idle");
    expect(summary({ ...ready, pending: [click("a")] })).toBe("busy");
    expect(summary({ ...ready, activity: "segment" })).toBe("busy");
    expect(summary({ ...ready, activity: "segment", connection: "lost" })).toBe("disconnected");
  });

  it("tells listeners about changes only, until they leave", () => {
    const store = new Store(start);
    const listener = vi.fn();
    const leave = store.subscribe(listener);
    store.dispatch(reply({ kind: "received", id: "a" }));
    expect(listener).not.toHaveBeenCalled();
    store.dispatch({ type: "help", open: true });
    expect(listener).toHaveBeenCalledWith(store.state, start);
    leave();
    store.dispatch({ type: "help", open: false });
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

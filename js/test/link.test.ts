import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CHECKUP, Link, PATIENCE } from "../src/link";
import { FakeModel } from "./fakes";

const events = { reply: vi.fn(), problem: vi.fn(), alive: vi.fn(), lost: vi.fn() };
let model: FakeModel;
let link: Link;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel();
  link = new Link(model, events);
});
afterEach(() => {
  link.close();
  vi.useRealTimers();
  vi.clearAllMocks();
});

const received = (id: string) => model.reply({ kind: "received", id });

describe("link", () => {
  it("sends requests with an id of its own and the revision", () => {
    const id = link.send({ kind: "undo" }, 4);
    expect(model.sent).toEqual([{ id, rev: 4, kind: "undo" }]);
    expect(link.owns(id)).toBe(true);
    expect(link.owns("other.1")).toBe(false);
    expect(link.owns(null)).toBe(false);
    expect(new Link(model, events).owns(id)).toBe(false);
  });

  it("never sends a negative revision", () => {
    link.send({ kind: "hello", picture: true }, -1);
    expect(model.sent[0]?.rev).toBe(0);
  });

  it("calls the kernel lost when nothing comes back, and found again", () => {
    const id = link.send({ kind: "undo" }, 0);
    vi.advanceTimersByTime(PATIENCE - 1);
    expect(events.alive).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(events.alive).toHaveBeenLastCalledWith(false);
    received(id);
    expect(events.alive).toHaveBeenLastCalledWith(true);
  });

  it("has all the patience for a kernel that took the request", () => {
    received(link.send({ kind: "undo" }, 0));
    vi.advanceTimersByTime(100 * PATIENCE);
    expect(events.alive).not.toHaveBeenCalled();
  });

  it("asks during long work whether anybody is there", () => {
    received(link.send({ kind: "undo" }, 0));
    model.reply({ kind: "activity", ids: [], what: "segment" });
    vi.advanceTimersByTime(CHECKUP);
    expect(model.last("ping")).toBeDefined();
    vi.advanceTimersByTime(PATIENCE);
    expect(events.alive).toHaveBeenLastCalledWith(false);
    model.reply({ kind: "activity", ids: [], what: null });
    expect(events.alive).toHaveBeenLastCalledWith(true);
  });

  it("tells which requests were lost on the way", () => {
    const first = link.send({ kind: "undo" }, 0);
    const second = link.send({ kind: "redo" }, 0);
    received("somebody.1");
    expect(events.lost).not.toHaveBeenCalled();
    received(second);
    expect(events.lost).toHaveBeenCalledExactlyOnceWith([first]);
  });

  it("survives a host that cannot send", () => {
    model.broken = true;
    link.send({ kind: "undo" }, 0);
    expect(events.alive).toHaveBeenLastCalledWith(false);
  });

  it("knows a closed comm at once", () => {
    model.emit("comm:close");
    expect(events.alive).toHaveBeenLastCalledWith(false);
  });

  it("asks for the state when the connection changed", () => {
    model.emit("comm_live_update");
    expect(model.last("hello").picture).toBe(false);
  });

  it("reports messages that are not in the protocol", () => {
    model.reply({ kind: "paint" });
    expect(events.problem).toHaveBeenCalledWith(expect.stringContaining('unknown kind "paint"'));
    expect(events.reply).not.toHaveBeenCalled();
  });

  it("leaves nothing behind", () => {
    link.send({ kind: "undo" }, 0);
    link.close();
    expect(model.listeners).toBe(0);
    vi.advanceTimersByTime(2 * PATIENCE);
    expect(events.alive).not.toHaveBeenCalled();
  });
});

import { describe, expect, it } from "vitest";
import { describe as explain } from "../src/parts/timing";
import { Stopwatch } from "../src/stopwatch";

const result = (ids: string[]) => ({ kind: "result", ids }) as never;

function watch() {
  const clock = { now: 0 };
  return { clock, stopwatch: new Stopwatch(() => clock.now) };
}

describe("stopwatch", () => {
  it("marks a click from the press to the frame", () => {
    const { clock, stopwatch } = watch();
    clock.now = 5;
    stopwatch.start("a.1", 3);
    clock.now = 8;
    stopwatch.hear({ kind: "received", id: "a.1" });
    clock.now = 20;
    stopwatch.hear(result(["a.1"]));
    expect(stopwatch.drawn()).toBeNull();
    stopwatch.ready(["a.1"]);
    clock.now = 31;
    expect(stopwatch.drawn()).toEqual({
      id: "a.1",
      marks: { pressed: 3, sent: 5, heard: 8, got: 20, drawn: 31 },
    });
    expect(stopwatch.drawn()).toBeNull();
  });

  it("reports the newest of clicks that were answered together", () => {
    const { clock, stopwatch } = watch();
    for (const id of ["a.1", "a.2"]) {
      clock.now += 1;
      stopwatch.start(id, clock.now);
    }
    stopwatch.ready(["a.1", "a.2", "other.1"]);
    expect(stopwatch.drawn()?.id).toBe("a.2");
    expect(stopwatch.drawn()).toBeNull();
  });

  it("forgets clicks that were refused, and all that were cancelled", () => {
    const { stopwatch } = watch();
    stopwatch.start("a.1", 0);
    stopwatch.forget(["a.1"]);
    stopwatch.start("a.2", 0);
    stopwatch.clear();
    stopwatch.ready(["a.1", "a.2"]);
    expect(stopwatch.drawn()).toBeNull();
  });

  it("never takes an event for later than its message", () => {
    const { clock, stopwatch } = watch();
    clock.now = 5;
    stopwatch.start("a.1", 6);
    stopwatch.ready(["a.1"]);
    expect(stopwatch.drawn()?.marks).toMatchObject({ pressed: 5, sent: 5 });
  });
});

describe("the tooltip", () => {
  it("lists the phases by name", () => {
    const text = explain({
      kind: "timing",
      id: "a.3",
      clicks: 1,
      phases: [
        ["inference", 20, 30, 25],
        ["total", 60.04, 90, 70],
      ],
    });
    expect(text.split("\n")).toEqual([
      "Milliseconds of the last click (median and 95 % of 1 click)",
      "method: 25.0 (20.0, 30.0)",
      "click to mask: 70.0 (60.0, 90.0)",
    ]);
  });
});

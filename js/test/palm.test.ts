import { expect, it } from "vitest";
import { PalmGuard, PEN_LINGERS } from "../src/tools/palm";

const pen = (type: string, timeStamp: number) => ({ type, timeStamp, pointerId: 5 });

it("a touch without a pen is a finger", () => {
  expect(new PalmGuard().rests(0)).toBe(false);
});

it("a touch while the pen is down rests, however long", () => {
  const guard = new PalmGuard();
  guard.pen(pen("pointerdown", 100));
  expect(guard.rests(60_000)).toBe(true);
  guard.pen(pen("pointerup", 61_000));
  expect(guard.rests(61_000 + PEN_LINGERS - 1)).toBe(true);
  expect(guard.rests(61_000 + PEN_LINGERS)).toBe(false);
});

it("a pen that hovers counts as well", () => {
  const guard = new PalmGuard();
  guard.pen(pen("pointermove", 100));
  expect(guard.rests(400)).toBe(true);
  expect(guard.rests(700)).toBe(false);
});

it("a cancelled pen is not down any more", () => {
  const guard = new PalmGuard();
  guard.pen(pen("pointerdown", 0));
  guard.pen(pen("pointercancel", 10));
  expect(guard.rests(1000)).toBe(false);
});

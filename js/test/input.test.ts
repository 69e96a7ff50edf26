import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Actions, PointerInput } from "../src/tools/input";

const canvas = document.createElement("div");
let focused = true;
const actions = {
  click: vi.fn(),
  grab: vi.fn<Actions["grab"]>(() => null),
  pan: vi.fn(),
  zoom: vi.fn(),
  hover: vi.fn(),
  finger: vi.fn(),
  focus: vi.fn(),
  hasFocus: () => focused,
};
let input: PointerInput;

function pointer(type: string, x: number, y: number, init: PointerEventInit = {}): void {
  const event = new PointerEvent(type, {
    clientX: x,
    clientY: y,
    pointerId: 1,
    pointerType: "mouse",
    cancelable: true,
    ...init,
  });
  canvas.dispatchEvent(event);
}

function wheel(init: WheelEventInit): WheelEvent {
  const event = new WheelEvent("wheel", { cancelable: true, ...init });
  // happy-dom leaves the modifier keys out.
  Object.defineProperty(event, "ctrlKey", { value: init.ctrlKey ?? false });
  canvas.dispatchEvent(event);
  return event;
}

beforeEach(() => {
  focused = true;
  input = new PointerInput(canvas, actions);
});
afterEach(() => {
  input.close();
  vi.clearAllMocks();
});

describe("a finger alone", () => {
  const first = { pointerId: 1, pointerType: "touch" };
  const second = { pointerId: 2, pointerType: "touch" };

  it("is told of until it is lifted or another one comes", () => {
    pointer("pointerdown", 30, 40, first);
    pointer("pointermove", 33, 40, first);
    pointer("pointerup", 33, 40, first);
    expect(actions.finger.mock.calls).toEqual([[{ x: 30, y: 40 }], [{ x: 33, y: 40 }], [null]]);
    actions.finger.mockClear();
    pointer("pointerdown", 30, 40, first);
    pointer("pointerdown", 90, 40, second);
    expect(actions.finger.mock.lastCall).toEqual([null]);
    actions.finger.mockClear();
    pointer("pointermove", 95, 40, second);
    expect(actions.finger).not.toHaveBeenCalledWith(expect.objectContaining({ x: 95 }));
  });

  it("is none beside a pen, and a mouse is none", () => {
    pointer("pointerdown", 10, 10, { pointerType: "pen", pointerId: 3 });
    pointer("pointerdown", 30, 40, first);
    pointer("pointerup", 10, 10, { pointerType: "pen", pointerId: 3 });
    pointer("pointerdown", 30, 40, { pointerId: 4 });
    expect(actions.finger).not.toHaveBeenCalledWith(expect.objectContaining({ x: 30 }));
  });
});

describe("mouse and pen", () => {
  it.each([
    [{}, false],
    [{ shiftKey: true }, true],
    [{ button: 2 }, true],
    [{ pointerType: "pen" }, false],
    [{ pointerType: "pen", button: 2 }, true],
  ])("a press %j clicks (negative: %s)", (init, negative) => {
    pointer("pointerdown", 30, 40, init);
    pointer("pointermove", 32, 41, init);
    pointer("pointerup", 32, 41, init);
    expect(actions.click).toHaveBeenCalledExactlyOnceWith(
      { x: 30, y: 40 },
      expect.objectContaining({ negative, time: expect.any(Number) }),
    );
    expect(actions.pan).not.toHaveBeenCalled();
    expect(actions.focus).toHaveBeenCalled();
  });

  it("a press that moves pans", () => {
    pointer("pointerdown", 30, 40);
    pointer("pointermove", 40, 45);
    pointer("pointermove", 42, 45);
    pointer("pointerup", 42, 45);
    expect(actions.pan.mock.calls).toEqual([
      [10, 5],
      [2, 0],
    ]);
    expect(actions.click).not.toHaveBeenCalled();
  });

  it("the middle button never clicks, and further buttons do nothing", () => {
    pointer("pointerdown", 30, 40, { button: 1 });
    pointer("pointerup", 30, 40, { button: 1 });
    pointer("pointerdown", 30, 40, { button: 3 });
    pointer("pointerup", 30, 40, { button: 3 });
    expect(actions.click).not.toHaveBeenCalled();
  });

  it("a cancelled press does nothing", () => {
    pointer("pointerdown", 30, 40);
    pointer("pointercancel", 30, 40);
    pointer("pointerup", 30, 40);
    expect(actions.click).not.toHaveBeenCalled();
  });

  it("no menu opens", () => {
    const event = new MouseEvent("contextmenu", { cancelable: true });
    canvas.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(true);
  });
});

describe("touch", () => {
  const finger = (id: number) => ({ pointerType: "touch", pointerId: id });

  it("one finger clicks, even an unsteady one", () => {
    pointer("pointerdown", 30, 40, finger(1));
    pointer("pointermove", 37, 44, finger(1));
    pointer("pointerup", 37, 44, finger(1));
    expect(actions.click).toHaveBeenCalledExactlyOnceWith(
      { x: 30, y: 40 },
      expect.objectContaining({ negative: false, time: expect.any(Number) }),
    );
    expect(actions.hover).not.toHaveBeenCalled();
  });

  it("two fingers pan and zoom and never click", () => {
    pointer("pointerdown", 100, 100, finger(1));
    pointer("pointerdown", 200, 100, finger(2));
    pointer("pointermove", 300, 100, finger(2));
    pointer("pointerup", 300, 100, finger(2));
    pointer("pointerup", 100, 100, finger(1));
    expect(actions.pan).toHaveBeenCalledWith(50, 0);
    expect(actions.zoom).toHaveBeenCalledWith({ x: 200, y: 100 }, 2);
    expect(actions.click).not.toHaveBeenCalled();
  });
});

it("a drag goes through all places between two frames", () => {
  const drag = { move: vi.fn(), drop: vi.fn(), cancel: vi.fn() };
  actions.grab.mockReturnValueOnce(drag);
  pointer("pointerdown", 10, 10);
  const places = [12, 15, 19].map((x) => new PointerEvent("pointermove", { clientX: x }));
  const event = new PointerEvent("pointermove", { clientX: 19, pointerId: 1 });
  Object.defineProperty(event, "getCoalescedEvents", { value: () => places });
  canvas.dispatchEvent(event);
  expect(drag.move.mock.calls.map(([at]) => at.x)).toEqual([12, 15, 19]);
});

describe("a hand beside a pen", () => {
  const finger = (id: number) => ({ pointerType: "touch", pointerId: id });
  const pen = { pointerType: "pen", pointerId: 9 };
  const drag = () => ({ move: vi.fn(), drop: vi.fn(), cancel: vi.fn() });

  it("neither clicks nor pans nor draws while the pen is down, nor disturbs it", () => {
    const stroke = drag();
    actions.grab.mockReturnValueOnce(stroke);
    pointer("pointerdown", 30, 40, pen);
    pointer("pointerdown", 90, 90, finger(1));
    pointer("pointermove", 95, 99, finger(1));
    pointer("pointermove", 36, 47, pen);
    pointer("pointerup", 95, 99, finger(1));
    pointer("pointerup", 36, 47, pen);
    expect(actions.grab).toHaveBeenCalledOnce();
    expect(stroke.move).toHaveBeenCalledWith({ x: 36, y: 47 });
    expect(stroke.drop).toHaveBeenCalledOnce();
    expect(stroke.cancel).not.toHaveBeenCalled();
    expect(actions.click).not.toHaveBeenCalled();
    expect(actions.pan).not.toHaveBeenCalled();
    expect(actions.zoom).not.toHaveBeenCalled();
  });

  it("that touches at two places does not zoom while the pen writes", () => {
    pointer("pointerdown", 30, 40, pen);
    pointer("pointerdown", 100, 100, finger(1));
    pointer("pointerdown", 200, 100, finger(2));
    pointer("pointermove", 300, 100, finger(2));
    expect(actions.zoom).not.toHaveBeenCalled();
    expect(actions.pan).not.toHaveBeenCalled();
  });

  it("that lay there before the pen came gives up its stroke", () => {
    const stroke = drag();
    actions.grab.mockReturnValueOnce(stroke);
    pointer("pointerdown", 90, 90, finger(1));
    pointer("pointerdown", 30, 40, pen);
    expect(stroke.cancel).toHaveBeenCalledOnce();
    pointer("pointerup", 30, 40, pen);
    pointer("pointerup", 90, 90, finger(1));
    expect(actions.click).toHaveBeenCalledExactlyOnceWith({ x: 30, y: 40 }, expect.anything());
  });

  it("counts for half a second after the pen was seen, then a finger clicks again", () => {
    const clock = vi.spyOn(Event.prototype, "timeStamp", "get");
    clock.mockReturnValue(1000);
    pointer("pointermove", 30, 40, pen);
    clock.mockReturnValue(1400);
    pointer("pointerdown", 90, 90, finger(1));
    pointer("pointerup", 90, 90, finger(1));
    expect(actions.click).not.toHaveBeenCalled();
    clock.mockReturnValue(1501);
    pointer("pointerdown", 90, 90, finger(2));
    pointer("pointerup", 90, 90, finger(2));
    expect(actions.click).toHaveBeenCalledOnce();
    clock.mockRestore();
  });

  it("is two fingers that zoom, when the pen is up", () => {
    pointer("pointermove", 30, 40, pen);
    pointer("pointerdown", 100, 100, finger(1));
    pointer("pointerdown", 200, 100, finger(2));
    pointer("pointermove", 300, 100, finger(2));
    expect(actions.zoom).toHaveBeenCalledWith({ x: 200, y: 100 }, 2);
  });
});

describe("wheel", () => {
  it("zooms only with the focus or with Ctrl", () => {
    focused = false;
    expect(wheel({ deltaY: -100 }).defaultPrevented).toBe(false);
    expect(actions.zoom).not.toHaveBeenCalled();
    expect(wheel({ deltaY: -100, ctrlKey: true }).defaultPrevented).toBe(true);
    focused = true;
    expect(wheel({ deltaY: 100 }).defaultPrevented).toBe(true);
    expect(actions.zoom).toHaveBeenCalledTimes(2);
  });
});

it("hears nothing after it is closed", () => {
  input.close();
  pointer("pointerdown", 30, 40);
  pointer("pointerup", 30, 40);
  wheel({ deltaY: 1 });
  expect(actions.click).not.toHaveBeenCalled();
  expect(actions.zoom).not.toHaveBeenCalled();
});

describe("a press that is taken", () => {
  it("moves what took it, not the picture, and does not click", () => {
    const drag = { move: vi.fn(), drop: vi.fn(), cancel: vi.fn() };
    actions.grab.mockReturnValueOnce(drag);
    pointer("pointerdown", 30, 40);
    pointer("pointermove", 50, 40);
    pointer("pointerup", 52, 41);
    expect(drag.move).toHaveBeenCalledExactlyOnceWith({ x: 50, y: 40 });
    expect(drag.drop).toHaveBeenCalledExactlyOnceWith({ x: 52, y: 41 }, true);
    expect(actions.pan).not.toHaveBeenCalled();
    expect(actions.click).not.toHaveBeenCalled();
  });

  it("is given up for a second finger, and by the browser", () => {
    const drag = { move: vi.fn(), drop: vi.fn(), cancel: vi.fn() };
    actions.grab.mockReturnValue(drag);
    pointer("pointerdown", 30, 40, { pointerType: "touch" });
    pointer("pointerdown", 90, 40, { pointerType: "touch", pointerId: 2 });
    expect(drag.cancel).toHaveBeenCalledOnce();
    pointer("pointerup", 90, 40, { pointerType: "touch", pointerId: 2 });
    pointer("pointerup", 30, 40, { pointerType: "touch" });
    pointer("pointerdown", 30, 40);
    pointer("pointercancel", 30, 40);
    expect(drag.cancel).toHaveBeenCalledTimes(2);
    expect(drag.drop).not.toHaveBeenCalled();
    actions.grab.mockReset().mockReturnValue(null);
  });
});

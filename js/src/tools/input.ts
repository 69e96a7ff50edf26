/**
 * Pointers to actions. A press that does not move is a click, one that does pans; two fingers
 * pan and zoom. The wheel is taken only while the widget has the focus, or with Ctrl (which is
 * also how browsers report a pinch on a touch pad). A hand that rests on the screen beside a pen
 * neither clicks nor draws nor pans (see `palm.ts`).
 */

import { type Point, wheelFactor } from "../viewport";
import { PalmGuard } from "./palm";

/** How a press began. */
export interface Press {
  /** The person asked for the opposite of what the tool does: right button or Shift. */
  negative: boolean;
  pointerType: string;
  /** Milliseconds, as of the event. */
  time: number;
  shiftKey: boolean;
  ctrlKey: boolean;
  altKey: boolean;
}

/** A press that somebody took: what is done while the pointer moves. Positions as in `Actions`. */
export interface Drag {
  move(at: Point): void;
  /** The pointer was lifted. `moved`: it was moved before, farther than by a trembling hand. */
  drop(at: Point, moved: boolean): void;
  /** A second finger came down, or the browser took the pointer away. */
  cancel(): void;
}

/** A drag in CSS pixels of the canvas, of one that takes other positions. */
export function translated(drag: Drag, position: (at: Point) => Point): Drag {
  return {
    move: (at) => drag.move(position(at)),
    drop: (at, moved) => drag.drop(position(at), moved),
    cancel: () => drag.cancel(),
  };
}

/** Positions are in CSS pixels of the canvas. */
export interface Actions {
  click(at: Point, press: Press): void;
  /** Take a press, or leave it: then it pans. */
  grab(at: Point, press: Press): Drag | null;
  pan(dx: number, dy: number): void;
  zoom(at: Point, factor: number): void;
  hover(at: Point | null): void;
  /** A finger alone is on the picture, or (null) no longer. */
  finger?(at: Point | null): void;
  focus(): void;
  hasFocus(): boolean;
}

/** How far a press may move, in CSS pixels, and still be a click. */
const SLACK = { mouse: 4, pen: 6, touch: 10 };

interface Pointer {
  start: Point;
  at: Point;
  slack: number;
  button: number;
  press: Press;
  moved: boolean;
  drag: Drag | null;
  /** A hand beside a pen: does nothing on its own. */
  resting: boolean;
}

const middle = (a: Point, b: Point): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);

export class PointerInput {
  readonly #canvas: HTMLElement;
  readonly #actions: Actions;
  readonly #presses = new Map<number, Pointer>();
  readonly #palm = new PalmGuard();
  readonly #abort = new AbortController();

  constructor(canvas: HTMLElement, actions: Actions) {
    this.#canvas = canvas;
    this.#actions = actions;
    const options = { signal: this.#abort.signal };
    canvas.addEventListener("pointerdown", this.#down, options);
    canvas.addEventListener("pointermove", this.#move, options);
    canvas.addEventListener("pointerup", this.#up, options);
    canvas.addEventListener("pointercancel", this.#cancel, options);
    canvas.addEventListener("pointerleave", () => actions.hover(null), options);
    canvas.addEventListener("wheel", this.#wheel, { ...options, passive: false });
    canvas.addEventListener(
      "contextmenu",
      (event) => {
        event.preventDefault();
        event.stopPropagation();
      },
      options,
    );
  }

  close(): void {
    this.#abort.abort();
  }

  #position(event: MouseEvent): Point {
    const box = this.#canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  readonly #down = (event: PointerEvent): void => {
    if (event.button > 2) return;
    if (event.button === 1) event.preventDefault(); // no auto-scroll
    this.#actions.focus();
    this.#canvas.setPointerCapture?.(event.pointerId);
    const at = this.#position(event);
    const kind = event.pointerType as keyof typeof SLACK;
    const press: Press = {
      negative: event.button === 2 || event.shiftKey,
      pointerType: event.pointerType,
      time: event.timeStamp,
      shiftKey: event.shiftKey,
      ctrlKey: event.ctrlKey,
      altKey: event.altKey,
    };
    const touch = event.pointerType === "touch";
    if (event.pointerType === "pen") this.#writes(event);
    const resting = touch && this.#palm.rests(event.timeStamp);
    // Fingers belong together; a pen or a mouse is alone whatever touches the screen.
    const others = this.#alike(touch);
    const alone = others.length === 0;
    this.#presses.set(event.pointerId, {
      start: at,
      at,
      slack: SLACK[kind] ?? SLACK.mouse,
      button: event.button,
      press,
      moved: resting,
      drag: alone && !resting && event.button !== 1 ? this.#actions.grab(at, press) : null,
      resting,
    });
    if (touch && alone && !resting) this.#actions.finger?.(at);
    // A second finger turns both into a gesture: neither may click when it is lifted.
    if (!alone) this.#spoil(this.#alike(touch));
  };

  #alike(touch: boolean): Pointer[] {
    const pointers = [...this.#presses.values()];
    return pointers.filter(({ press }) => (press.pointerType === "touch") === touch);
  }

  #spoil(pointers: readonly Pointer[]): void {
    for (const pointer of pointers) {
      pointer.moved = true;
      pointer.drag?.cancel();
      pointer.drag = null;
      if (pointer.press.pointerType === "touch") this.#actions.finger?.(null);
    }
  }

  /** A pen is there: what touches the screen when it comes down is the hand that holds it. */
  #writes(event: PointerEvent): void {
    this.#palm.pen(event);
    if (event.type !== "pointerdown") return;
    const hand = this.#alike(true);
    this.#spoil(hand);
    for (const pointer of hand) pointer.resting = true;
  }

  readonly #move = (event: PointerEvent): void => {
    const at = this.#position(event);
    if (event.pointerType === "pen") this.#writes(event);
    if (event.pointerType !== "touch") this.#actions.hover(at);
    const press = this.#presses.get(event.pointerId);
    if (press === undefined) return;
    const touch = event.pointerType === "touch";
    if (touch && this.#alike(true).length === 2) {
      if (this.#palm.writing) press.at = at;
      else this.#pinch(event.pointerId, press, at);
      return;
    }
    if (press.resting) return;
    if (touch) this.#actions.finger?.(at);
    if (!press.moved && distance(press.start, at) > press.slack) press.moved = true;
    if (press.drag !== null) {
      // Between two frames a pen is at many places: a line goes through all of them.
      const between = event.getCoalescedEvents?.() ?? [];
      for (const each of between.length > 0 ? between : [event]) {
        press.drag.move(this.#position(each));
      }
      press.at = at;
    } else if (press.moved) {
      this.#actions.pan(at.x - press.at.x, at.y - press.at.y);
      press.at = at;
    }
  };

  #pinch(id: number, press: Pointer, at: Point): void {
    const fingers = [...this.#presses].filter(([, { press }]) => press.pointerType === "touch");
    const other = fingers.find(([key]) => key !== id)?.[1];
    if (other === undefined) return;
    const before = middle(press.at, other.at);
    const after = middle(at, other.at);
    const factor = distance(at, other.at) / Math.max(distance(press.at, other.at), 1);
    press.at = at;
    this.#actions.pan(after.x - before.x, after.y - before.y);
    if (factor > 0) this.#actions.zoom(after, factor);
  }

  readonly #up = (event: PointerEvent): void => {
    const press = this.#presses.get(event.pointerId);
    this.#presses.delete(event.pointerId);
    if (event.pointerType === "pen") this.#writes(event);
    if (press === undefined) return;
    if (event.pointerType === "touch") this.#actions.finger?.(null);
    if (press.drag !== null) press.drag.drop(this.#position(event), press.moved);
    else if (!press.moved && press.button !== 1) {
      this.#actions.click(press.start, { ...press.press, time: event.timeStamp });
    }
  };

  readonly #cancel = (event: PointerEvent): void => {
    if (event.pointerType === "pen") this.#writes(event);
    this.#presses.get(event.pointerId)?.drag?.cancel();
    if (event.pointerType === "touch") this.#actions.finger?.(null);
    this.#presses.delete(event.pointerId);
  };

  readonly #wheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && !this.#actions.hasFocus()) return;
    event.preventDefault();
    const factor = wheelFactor(event.deltaY, event.deltaMode, event.ctrlKey);
    this.#actions.zoom(this.#position(event), factor);
  };
}

/**
 * Which touches are a hand that rests on the screen while a pen writes: those that come while a
 * pen is on the screen or was seen up to half a second before, and those that are there when it
 * comes down.
 */

/** Milliseconds after the pen was last seen during which a touch counts as the writing hand. */
export const PEN_LINGERS = 500;

export class PalmGuard {
  readonly #pens = new Set<number>();
  #seen = Number.NEGATIVE_INFINITY;

  /** A pen hovers, moves or presses. */
  pen(event: Pick<PointerEvent, "pointerId" | "type" | "timeStamp">): void {
    this.#seen = event.timeStamp;
    if (event.type === "pointerdown") this.#pens.add(event.pointerId);
    if (event.type === "pointerup" || event.type === "pointercancel") {
      this.#pens.delete(event.pointerId);
    }
  }

  /** Whether a pen is on the screen. */
  get writing(): boolean {
    return this.#pens.size > 0;
  }

  /** Whether a touch at this time is taken for the writing hand. */
  rests(timeStamp: number): boolean {
    return this.writing || timeStamp - this.#seen < PEN_LINGERS;
  }
}

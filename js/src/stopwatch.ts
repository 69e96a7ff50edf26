/** When clicks passed through the page: from the press of the pointer to the drawn overlay. */

import type { Marks } from "./messages/timing";
import type { Reply } from "./protocol";

export interface Timed {
  id: string;
  marks: Marks;
}

export class Stopwatch {
  readonly #now: () => number;
  readonly #running = new Map<string, Marks>();
  /** Clicks whose overlay the next frame shows. */
  #arrived: string[] = [];

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A click was sent; `pressed` is the time of the pointer's event. */
  start(id: string, pressed: number): void {
    const sent = this.#now();
    this.#running.set(id, { pressed: Math.min(pressed, sent), sent, heard: 0, got: 0, drawn: 0 });
  }

  /** A message came in, and is not yet worked on. */
  hear(reply: Reply): void {
    if (reply.kind === "received") this.#mark(reply.id, "heard");
    else if (reply.kind === "result") for (const id of reply.ids) this.#mark(id, "got");
  }

  #mark(id: string, name: "heard" | "got"): void {
    const marks = this.#running.get(id);
    if (marks !== undefined) marks[name] = this.#now();
  }

  /** These clicks will not be answered by an overlay. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#running.delete(id);
  }

  clear(): void {
    this.#running.clear();
  }

  /** The overlay that answers these clicks is ready to be drawn. */
  ready(ids: readonly string[]): void {
    this.#arrived.push(...ids);
  }

  /** A frame was drawn: the newest click that it answers, if it answers any. */
  drawn(): Timed | null {
    let newest: Timed | null = null;
    for (const id of this.#arrived.splice(0)) {
      const marks = this.#running.get(id);
      this.#running.delete(id);
      if (marks !== undefined && (newest === null || marks.sent >= newest.marks.sent)) {
        newest = { id, marks: { ...marks, drawn: this.#now() } };
      }
    }
    return newest;
  }
}

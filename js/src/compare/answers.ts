/** What the panes have answered: their masks, their figures, and where they agree. */

import { inflate, Overlay } from "../overlay";
import { toBytes } from "../protocol";
import { AgreementMap } from "./agreement";
import { type PaneState, UNKNOWN } from "./pane";
import type { PaneInfo, PaneReply } from "./protocol";

export class Answers {
  readonly overlays: readonly Overlay[];
  readonly agreement = new AgreementMap();
  #panes: readonly PaneState[];

  constructor(infos: readonly PaneInfo[]) {
    this.overlays = infos.map(({ colour }) => new Overlay(colour));
    this.#panes = infos.map(() => UNKNOWN);
  }

  get panes(): readonly PaneState[] {
    return this.#panes;
  }

  /** Take a pane's answer. `false`: a message was missed, and everything has to be asked for. */
  async take(reply: PaneReply, buffer: unknown): Promise<boolean> {
    const overlay = this.overlays[reply.pane];
    if (overlay === undefined) throw new RangeError(`there is no pane ${reply.pane}`);
    const [x0, y0, x1, y1] = reply.box;
    const bits = x1 > x0 && y1 > y0 ? await inflate(toBytes(buffer)) : new Uint8Array(0);
    if (reply.base === null && reply.rev < overlay.rev) return true;
    // A patch of what is not shown: a full overlay may already be on its way.
    if (!overlay.apply(reply, bits)) return reply.rev <= overlay.rev;
    const before = this.#panes[reply.pane]?.error ?? null;
    this.#panes = this.#panes.map((pane, index) => (index === reply.pane ? reply : pane));
    if (before !== reply.error) this.count();
    return true;
  }

  /** Count the agreement anew: when all panes have answered, not in between. */
  count(): void {
    const good = this.overlays.filter((_, index) => !this.#panes[index]?.error);
    this.agreement.update(good);
  }
}

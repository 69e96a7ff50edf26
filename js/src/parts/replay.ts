/** Replay of the clicks, joined with picture and kernel: earlier steps are shown, never computed. */

import "../messages/replay";
import { MASK } from "../layers";
import type { StepMask } from "../messages/replay";
import { inflate, Overlay } from "../overlay";
import { toBytes } from "../protocol";
import type { State } from "../store/state";
import { glyph, make, setText, tap } from "./panels-dom";
import type { Host, Part } from "./part";
import { Player } from "./player";
import { ReplayBar } from "./replay-bar";

const ICON = "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3M7 6v4l3-2Z";

interface Frame {
  reply: StepMask;
  bits: Uint8Array<ArrayBuffer> | null;
}

export function replay(host: Host): Part {
  const { panel, store } = host;
  const frames = new Map<number, Frame>();
  /** Frames that were asked for, by request. */
  const asked = new Map<string, number>();
  const overlay = new Overlay(MASK);
  /** The frame that is on the picture. */
  let shown: StepMask | null = null;
  /** Counts what is to be shown, so that a slow frame does not replace a later one. */
  let turn = 0;
  let open = false;

  const badge = make("div", { class: "iseg-moment", "data-testid": "iseg-moment", hidden: "" });
  panel.stage.append(badge);

  const ask = (index: number): void => {
    if (frames.has(index) || [...asked.values()].includes(index)) return;
    asked.set(host.send({ kind: "step_mask", index }), index);
  };
  const refresh = (): void => {
    bar.update(shown);
    const { index, count } = player;
    badge.hidden = index === null;
    panel.root.dataset.moment = index === null ? "" : String(index);
    setText(badge, index === null ? "" : `Replay: ${index} of ${count}. Click to return.`);
  };
  const show = async (): Promise<void> => {
    const { index } = player;
    turn += 1;
    const own = turn;
    if (index === null) {
      shown = null;
    } else {
      const frame = frames.get(index);
      if (index < player.count) ask(index + 1);
      if (frame === undefined) {
        ask(index);
        refresh();
        return;
      }
      const { grid } = frame.reply;
      const bits = frame.bits === null ? new Uint8Array(0) : await inflate(frame.bits);
      if (own !== turn) return;
      overlay.apply({ rev: own, base: null, grid, box: [0, 0, grid[0], grid[1]] }, bits);
      overlay.tint(host.overlay.colour);
      shown = frame.reply;
    }
    refresh();
    host.redraw();
  };
  const player = new Player({ moment: () => void show(), changed: () => refresh() });
  const close = (): void => {
    player.leave();
    open = false;
    bar.element.hidden = true;
    button.setAttribute("aria-pressed", "false");
    panel.canvas.focus({ preventScroll: true });
  };
  const toggle = (): void => {
    if (open) {
      close();
      return;
    }
    open = true;
    bar.element.hidden = false;
    button.setAttribute("aria-pressed", "true");
    forget();
    bar.focus();
  };
  /** The session is another one: what was loaded belongs to the past. */
  const forget = (): void => {
    frames.clear();
    asked.clear();
    player.reset(0);
    // Any frame tells how many there are.
    if (open) ask(0);
  };
  const bar = new ReplayBar(player, close);
  const button = tap("replay-toggle", "Replay the clicks (R)", glyph(ICON), toggle);
  button.setAttribute("aria-pressed", "false");
  panel.addGroup("Replay", button);
  panel.below.append(bar.element);

  /** While an earlier moment is shown, a press in the picture leads back and does nothing else. */
  const abort = new AbortController();
  const refuse = (event: Event): void => {
    if (player.index === null) return;
    event.stopPropagation();
    event.preventDefault();
    player.leave();
  };
  const capture = { capture: true, signal: abort.signal };
  panel.stage.addEventListener("pointerdown", refuse, capture);
  panel.canvas.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter") refuse(event);
    },
    capture,
  );

  return {
    commands: [{ id: "replay", keys: ["r"], label: "replay the clicks", run: toggle }],
    scene: (scene) => {
      if (shown === null) return scene;
      const { clicks, views } = shown;
      const state: State = { ...scene.state, clicks, views, pending: [], cursor: null };
      return { ...scene, overlay, state };
    },
    reply: (reply, buffers) => {
      if (reply.kind === "error") for (const id of reply.ids) asked.delete(id);
      if (reply.kind !== "step_mask" || !asked.delete(reply.id)) return;
      const bits = buffers[0] === undefined ? null : toBytes(buffers[0]);
      frames.set(reply.index, { reply, bits });
      if (player.count !== reply.count) player.reset(reply.count);
      if (player.index === reply.index) void show();
    },
    update: (state, before) => {
      if (open && state.rev !== before.rev && store.state.rev === state.rev) forget();
    },
    escape: () => {
      if (!open) return false;
      close();
      return true;
    },
    close: () => {
      abort.abort();
      player.reset(0);
    },
  };
}

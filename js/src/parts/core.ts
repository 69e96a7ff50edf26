/** What every widget has: history, view, mask, help. */

import * as viewport from "../viewport";
import type { Basics, Part } from "./part";

const OPACITY_STEP = 0.1;
const ZOOM_STEP = 1.4;
/** CSS pixels that a key moves the picture. */
const PAN_STEP = 64;
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export function core(host: Basics): Part {
  const { store } = host;
  /** What stays where it is: the crosshair, or the middle. */
  const anchor = (): viewport.Point => {
    const { cursor } = store.state;
    if (cursor !== null) return viewport.toScreen(host.viewport(), cursor);
    return { x: host.size().width / 2, y: host.size().height / 2 };
  };
  const zoom = (scale: number): void => {
    const { image } = store.state;
    host.show(viewport.zoomTo(host.viewport(), scale, anchor(), image, host.size()));
  };
  const pan = (dx: number, dy: number): void => {
    const { image } = store.state;
    host.show(viewport.pan(host.viewport(), dx * PAN_STEP, dy * PAN_STEP, image, host.size()));
  };
  const opacity = (change: number): void => {
    const value = Math.round((store.state.opacity + change) * 100) / 100;
    host.setTrait("opacity", Math.min(1, Math.max(0, value)));
  };
  return {
    commands: [
      {
        id: "undo",
        keys: ["u", "Ctrl+z"],
        label: "undo",
        run: () => host.send({ kind: "undo" }),
      },
      {
        id: "redo",
        keys: ["y", "Ctrl+Shift+z", "Ctrl+y"],
        shown: ["Y", "Ctrl + Shift + Z"],
        label: "redo",
        run: () => host.send({ kind: "redo" }),
      },
      {
        id: "reset",
        keys: ["Shift+Delete", "Shift+Backspace"],
        shown: ["Shift + Delete"],
        label: "remove all clicks of the object (can be undone)",
        run: () => host.send({ kind: "reset" }),
      },
      {
        id: "mask",
        keys: ["m"],
        label: "show or hide the masks",
        run: () => host.setTrait("show_mask", !store.state.showMask),
      },
      {
        id: "fainter",
        keys: ["["],
        shown: ["[", "]"],
        label: "masks fainter, stronger",
        run: () => opacity(-OPACITY_STEP),
      },
      { id: "stronger", keys: ["]"], run: () => opacity(OPACITY_STEP) },
      {
        id: "views",
        keys: ["v"],
        label: "show or hide the crops looked at",
        run: () => host.setTrait("show_views", !store.state.showViews),
      },
      {
        id: "actual",
        keys: ["1"],
        label: "one to one",
        run: () => zoom(1),
      },
      {
        id: "zoom-in",
        keys: ["+", "="],
        shown: ["+", "−"],
        label: "zoom",
        run: () => zoom(host.viewport().scale * ZOOM_STEP),
      },
      { id: "zoom-out", keys: ["-"], run: () => zoom(host.viewport().scale / ZOOM_STEP) },
      ...Object.entries(ARROWS).map(([key, [dx = 0, dy = 0]], index) => ({
        id: `pan-${key}`,
        keys: [`Ctrl+${key}`],
        ...(index === 0 ? { shown: ["Ctrl + arrows"], label: "move the picture" } : {}),
        run: () => pan(dx, dy),
      })),
      {
        id: "help",
        keys: ["?", "Shift+?"],
        shown: ["?"],
        label: "this list",
        run: () => store.dispatch({ type: "help", open: !store.state.help }),
      },
    ],
  };
}

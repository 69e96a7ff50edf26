/** What every widget has: history, view, mask, help. */

import * as viewport from "../viewport";
import type { Basics, Part } from "./part";

const OPACITY_STEP = 0.1;
const ZOOM_STEP = 1.4;

export function core(host: Basics): Part {
  const { store } = host;
  const middle = (): viewport.Point => ({ x: host.size().width / 2, y: host.size().height / 2 });
  const zoom = (scale: number): void => {
    const { image } = store.state;
    host.show(viewport.zoomTo(host.viewport(), scale, middle(), image, host.size()));
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

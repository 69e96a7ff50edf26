/** Positive and negative clicks, by pointer or with the keyboard's crosshair. */

import { icon } from "../icons";
import { reveal, toImage } from "../viewport";
import type { Basics, Part, Tool } from "./part";

/** Screen pixels that an arrow key moves the crosshair. */
const STEP = 8;

export function clicks(host: Basics): Part {
  const { store } = host;
  const tool = (id: "positive" | "negative", name: string, title: string): Tool => ({
    id,
    name,
    title,
    icon: icon(id),
    click: (at, { negative, time }) => host.click(at, id === "positive" && !negative, time),
  });
  const move = (dx: number, dy: number): void => {
    const { cursor, image } = store.state;
    const { width, height } = host.size();
    const from = cursor ?? toImage(host.viewport(), { x: width / 2, y: height / 2 });
    // The first press only shows where it is.
    const step = cursor === null ? 0 : Math.max(1, Math.round(STEP / host.viewport().scale));
    const keep = (value: number, length: number): number =>
      Math.min(length - 1, Math.max(0, Math.round(value)));
    const at = {
      x: keep(from.x + dx * step, image.width),
      y: keep(from.y + dy * step, image.height),
    };
    store.dispatch({ type: "cursor", at });
    host.show(reveal(host.viewport(), at, image, host.size()));
  };
  const press = (negative: boolean): void => {
    const { cursor, tool } = store.state;
    if (cursor === null) move(0, 0);
    else host.click(cursor, !negative && tool !== "negative", performance.now());
  };
  return {
    tools: [
      tool("positive", "Object", "Positive click: object (X switches)"),
      tool("negative", "Background", "Negative click: background (X switches)"),
    ],
    commands: [
      {
        id: "sign",
        keys: ["x"],
        label: "switch between positive and negative",
        run: () => {
          host.setTrait("tool", store.state.tool === "positive" ? "negative" : "positive");
        },
      },
      {
        id: "clicks",
        keys: ["z"],
        label: "click again, after another tool",
        run: () => host.setTrait("tool", "positive"),
      },
      {
        id: "left",
        keys: ["ArrowLeft"],
        shown: ["arrows", "Enter"],
        label: "place a click without a mouse (Shift: negative)",
        run: () => move(-1, 0),
      },
      { id: "right", keys: ["ArrowRight"], run: () => move(1, 0) },
      { id: "up", keys: ["ArrowUp"], run: () => move(0, -1) },
      { id: "down", keys: ["ArrowDown"], run: () => move(0, 1) },
      { id: "click", keys: ["Enter"], run: () => press(false) },
      { id: "click-negative", keys: ["Shift+Enter"], run: () => press(true) },
    ],
    // Who takes the mouse or a finger is done with the crosshair: Enter is no corner then.
    grab: () => {
      if (store.state.cursor !== null) store.dispatch({ type: "cursor", at: null });
      return null;
    },
  };
}

/** Escape puts the crosshair away, after everything else that it puts away. */
export function crosshair({ store }: Basics): Part {
  return {
    escape: () => {
      if (store.state.cursor === null) return false;
      store.dispatch({ type: "cursor", at: null });
      return true;
    },
  };
}

/** What changed by a key, said to a screen reader: the button that shows it has no focus then. */

import type { Modes, State } from "../store/state";
import { isDrawing, KINDS } from "../tools/kinds";
import type { Host, Part } from "./part";

const TOOLS: Record<string, string> = {
  positive: "Positive clicks",
  negative: "Negative clicks",
  scissors: "Scissors: Enter places corners, twice at one place closes",
  select: "Choosing objects: Enter chooses the one at the crosshair",
};
const SHOWN: Record<Modes["mask_display"], string> = {
  both: "fill and contour",
  fill: "fill",
  contour: "contour",
};

const on = (name: string, value: boolean): string => `${name} ${value ? "on" : "off"}`;

/** What is different, in words; empty where nothing is that is said here. */
export function difference(state: State, before: State): string {
  const { cursor, tool, modes, active } = state;
  if (tool !== before.tool) return isDrawing(tool) ? toolOf(tool) : (TOOLS[tool] ?? tool);
  if (state.showMask !== before.showMask) return on("Masks", state.showMask);
  if (state.opacity !== before.opacity) return `Opacity ${Math.round(state.opacity * 100)} percent`;
  if (modes !== before.modes) return modeOf(modes, before.modes);
  if (active !== before.active && before.active !== null) {
    const object = state.objects.find(({ id }) => id === active);
    if (object === undefined) return "No object is active";
    return `Object ${object.name === "" ? `${object.label} ${object.id}` : object.name}`;
  }
  if (cursor !== null && cursor !== before.cursor) {
    return `${Math.round(cursor.x)}, ${Math.round(cursor.y)}`;
  }
  return "";
}

function toolOf(tool: keyof typeof KINDS): string {
  const how =
    tool === "fill"
      ? "Enter fills or removes at the crosshair"
      : tool === "polygon"
        ? "Enter places corners, twice at one place closes"
        : "Enter begins, arrow keys draw, Enter ends";
  return `${KINDS[tool].label}: ${how}`;
}

function modeOf(now: Modes, before: Modes): string {
  if (now.loupe !== before.loupe) return on("Loupe", now.loupe);
  if (now.loupe_zoom !== before.loupe_zoom) return `Loupe times ${now.loupe_zoom}`;
  if (now.side_by_side !== before.side_by_side) return on("Side by side", now.side_by_side);
  if (now.background !== before.background) return `Background ${now.background}`;
  if (now.invert !== before.invert) return on("Outside tinted", now.invert);
  if (now.pixel_grid !== before.pixel_grid) return on("Lines between pixels", now.pixel_grid);
  if (now.mask_display !== before.mask_display) return `Mask: ${SHOWN[now.mask_display]}`;
  if (now.contour_width !== before.contour_width) return `Contour ${now.contour_width} pixels`;
  return "";
}

export function spoken(host: Host): Part {
  return {
    update: (state, before) => {
      const text = difference(state, before);
      if (text !== "") host.panel.say(text);
    },
  };
}

/** The synced traits that the page's state follows. */

import type { Model } from "./model";
import type { TraitState } from "./store/state";

/** Traits to follow and what they change in the state. */
export const FOLLOWED = {
  clicks: (model: Model) => ({ clicks: model.get("clicks") }),
  tool: (model: Model) => ({ tool: model.get("tool") }),
  opacity: (model: Model) => ({ opacity: model.get("opacity") }),
  show_mask: (model: Model) => ({ showMask: model.get("show_mask") }),
  show_views: (model: Model) => ({ showViews: model.get("show_views") }),
  loupe: modes,
  loupe_zoom: modes,
  pixel_grid: modes,
  contour_width: modes,
  mask_display: modes,
  background: modes,
  invert: modes,
  side_by_side: modes,
  method: (model: Model) => ({ method: model.get("method") }),
  methods: (model: Model) => ({ methods: model.get("methods") }),
} satisfies Record<string, (model: Model) => Partial<TraitState>>;

function modes(model: Model): Partial<TraitState> {
  return {
    modes: {
      loupe: model.get("loupe"),
      loupe_zoom: model.get("loupe_zoom"),
      pixel_grid: model.get("pixel_grid"),
      contour_width: model.get("contour_width"),
      mask_display: model.get("mask_display"),
      background: model.get("background"),
      invert: model.get("invert"),
      side_by_side: model.get("side_by_side"),
    },
  };
}

export const isFollowed = (name: string): name is keyof typeof FOLLOWED =>
  Object.hasOwn(FOLLOWED, name);

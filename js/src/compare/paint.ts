/** Drawing all panes. */

import { draw, type Scene } from "../layers";
import { drawFill } from "../mask-layer";
import { OthersOverlay } from "../others";
import type { Pyramid } from "../pyramid";
import { Still } from "../still";
import type { State } from "../store/state";
import { onDevicePixels, toScreen } from "../viewport";
import type { AgreementMap } from "./agreement";
import type { Answers } from "./answers";
import { drawPointer } from "./marks";
import type { ComparePanel } from "./panel";
import type { Sight } from "./sight";

export interface Shown {
  state: State;
  answers: Answers;
  sight: Sight;
  picture: Pyramid | null;
  /** The pane under the pointer; the agreement is the last one. */
  under: number | null;
  showsAgreement: boolean;
  /** Draws on the masks and below the clicks of each. */
  between(scene: Scene): void;
}

/** What moves along with the picture, for each canvas. */
const STILLS = new WeakMap<HTMLCanvasElement, Still>();

function stillOf(canvas: HTMLCanvasElement): Still {
  const still = STILLS.get(canvas) ?? new Still();
  STILLS.set(canvas, still);
  return still;
}

/** A comparison has one object. */
const NOTHING = new OthersOverlay();

export function paint(panel: ComparePanel, shown: Shown): void {
  const { state, answers } = shown;
  panel.panes.forEach(({ canvas }, index) => {
    const views = answers.panes[index]?.views ?? [];
    paintPane(canvas, { ...shown, state: { ...state, views } }, index);
  });
  if (!shown.showsAgreement) return;
  const bare = { ...state, showMask: false, showViews: false };
  paintPane(panel.agreement.canvas, { ...shown, state: bare }, panel.panes.length);
}

function paintPane(canvas: HTMLCanvasElement, shown: Shown, index: number): void {
  const { state, answers, sight, picture, under } = shown;
  const context = canvas.getContext("2d");
  const overlay = answers.overlays[index] ?? answers.overlays[0];
  if (context === null || overlay === undefined) return;
  const scene: Scene = {
    context,
    ratio: canvas.width / sight.size.width,
    size: sight.size,
    view: onDevicePixels(sight.view, canvas.width / sight.size.width),
    state,
    picture,
    overlay,
    others: NOTHING,
  };
  const map = index === answers.overlays.length ? answers.agreement : null;
  draw(
    scene,
    stillOf(canvas),
    () => {
      if (map !== null) paintMap(scene, map);
      shown.between(scene);
    },
    null,
  );
  if (state.hover !== null && under !== null && under !== index) {
    drawPointer(context, toScreen(sight.view, state.hover));
  }
}

/** Draw the map of agreement on the picture, which loses its colours: the map's are to be read. */
function paintMap(scene: Scene, map: AgreementMap): void {
  const { context, view, state } = scene;
  if (map.width === 0) return;
  const { width, height } = state.image;
  context.globalCompositeOperation = "saturation";
  context.fillStyle = "#808080";
  context.fillRect(view.offsetX, view.offsetY, width * view.scale, height * view.scale);
  context.globalCompositeOperation = "source-over";
  context.globalAlpha = 0.4 + 0.6 * state.opacity;
  const scale = (view.scale * width) / map.width;
  drawFill({ ...scene, view: { ...view, scale } }, map, "");
  context.globalAlpha = 1;
}

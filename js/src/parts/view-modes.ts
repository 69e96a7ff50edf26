/** How picture and mask are shown: loupe, pixel grid, contour, cut-out, side by side. */

import { icon } from "../icons";
import { drawMask, NEGATIVE, POSITIVE, type Scene } from "../layers";
import { drawLoupe, drawPixelGrid } from "../magnifier";
import type { PageTraits } from "../model";
import { button, element } from "../panel";
import { Still } from "../still";
import type { Modes, State } from "../store/state";
import { isInside, type Point, toImage, toScreen } from "../viewport";
import { displayPanel } from "./display-panel";
import type { Host, Part } from "./part";

const ZOOMS = [2, 3, 4, 6, 8];
const DISPLAYS: readonly Modes["mask_display"][] = ["both", "fill", "contour"];
const BACKGROUNDS: readonly Modes["background"][] = ["shown", "dimmed", "checkerboard"];
const THINNEST = 0.5;
const THICKEST = 8;

/** The one after `value`, the first after the last. */
function next<T>(values: readonly T[], value: T): T {
  return values[(values.indexOf(value) + 1) % values.length] ?? value;
}

export function viewModes(host: Host): Part {
  const { store, panel } = host;
  const modes = (): Modes => store.state.modes;
  const set = <K extends keyof Modes & keyof PageTraits>(name: K, value: PageTraits[K]): void =>
    host.setTrait(name, value);
  /** Where the pointer is, in CSS pixels of the canvas. */
  let pointer: Point | null = null;
  const still = new Still();

  const loupe = button("loupe", "Loupe (L)", "loupe", () => set("loupe", !modes().loupe));
  const beside = button("two", "The picture without masks beside it (2)", "two", () =>
    set("side_by_side", !modes().side_by_side),
  );
  panel.addGroup("See more", loupe, beside);
  const display = displayPanel(set);
  panel.side.addTab({
    id: "display",
    title: "Display",
    icon: icon("display"),
    element: display.element,
    shown: () => undefined,
  });

  const original = element("canvas", {
    class: "iseg-canvas iseg-original",
    role: "img",
    "aria-label": "The picture without masks",
    "data-testid": "iseg-original",
    "data-jp-suppress-context-menu": "true",
    hidden: "",
  });

  const width = (change: number): void => {
    const wanted = Math.round((modes().contour_width + change) * 2) / 2;
    set("contour_width", Math.min(THICKEST, Math.max(THINNEST, wanted)));
  };

  let applied: Modes | null = null;
  const apply = ({ modes: now }: State): void => {
    const before = applied;
    if (now === before) return;
    applied = now;
    loupe.setAttribute("aria-pressed", String(now.loupe));
    beside.setAttribute("aria-pressed", String(now.side_by_side));
    display.update(now);
    if (now.side_by_side !== (before?.side_by_side ?? false)) {
      if (original.parentNode === null) {
        panel.canvas.after(original);
        host.listenTo(original);
      }
      original.hidden = !now.side_by_side;
      panel.stage.classList.toggle("iseg-two", now.side_by_side);
      host.measure();
    }
  };

  const colour = (state: State): string => (state.tool === "negative" ? NEGATIVE : POSITIVE);

  const drawTheLoupe = (scene: Scene): void => {
    const { state, view, picture } = scene;
    const cursor = state.cursor === null ? null : toScreen(view, state.cursor);
    const near = pointer ?? cursor;
    delete panel.root.dataset.loupe;
    if (!state.modes.loupe || near === null || picture === null) return;
    const at = pointer === null && state.cursor !== null ? state.cursor : toImage(view, near);
    if (!isInside(at, state.image)) return;
    const circle = drawLoupe(scene, near, at, state.modes.loupe_zoom, colour(state), (inner) => {
      picture.lookAlso(inner.view, inner.size, inner.ratio);
      picture.draw(inner.context, inner.view, inner.size, inner.ratio, 1.5);
      if (state.showMask) {
        const plain: Modes = { ...state.modes, background: "shown", invert: false };
        const faint = { ...state, opacity: state.opacity * 0.6, modes: plain };
        drawMask({ ...scene, ...inner, state: faint });
      }
      if (state.modes.pixel_grid) drawPixelGrid(inner, state.image);
    });
    // What it covers, for tests.
    panel.root.dataset.loupe = [circle.x, circle.y, circle.radius].map(Math.round).join(" ");
  };

  const drawOriginal = (scene: Scene): void => {
    const { size, ratio, view, state } = scene;
    const [across, down] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (original.width !== across || original.height !== down) {
      original.width = across;
      original.height = down;
    }
    const context = original.getContext("2d");
    if (context === null) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    const place = { context, view, size, ratio };
    still.draw(place, scene.picture, [], (part) =>
      scene.picture?.draw(part.context, part.view, part.size, part.ratio),
    );
    if (pointer === null || !isInside(toImage(view, pointer), state.image)) return;
    // The same place in both: a ring that does not hide it.
    for (const on of [context, scene.context]) ring(on, pointer);
  };

  return {
    commands: [
      {
        id: "loupe",
        keys: ["l"],
        label: "loupe near the pointer (Shift: next magnification)",
        shown: ["L"],
        run: () => set("loupe", !modes().loupe),
      },
      {
        id: "loupe-zoom",
        keys: ["Shift+l"],
        run: () => {
          const { loupe, loupe_zoom } = modes();
          if (loupe) set("loupe_zoom", ZOOMS.find((zoom) => zoom > loupe_zoom) ?? 2);
          else set("loupe", true);
        },
      },
      {
        id: "two",
        keys: ["2"],
        label: "the picture without masks beside it",
        run: () => set("side_by_side", !modes().side_by_side),
      },
      {
        id: "cut-out",
        keys: ["0"],
        label: "cut out the object: dimmed, checkerboard, off",
        run: () => set("background", next(BACKGROUNDS, modes().background)),
      },
      {
        id: "invert",
        keys: ["i"],
        label: "tint what is outside of the mask instead",
        run: () => set("invert", !modes().invert),
      },
      {
        id: "mask-display",
        keys: ["j"],
        label: "fill and contour, fill, contour",
        run: () => set("mask_display", next(DISPLAYS, modes().mask_display)),
      },
      {
        id: "thinner",
        keys: [","],
        shown: [",", "."],
        label: "contour thinner, thicker",
        run: () => width(-0.5),
      },
      { id: "thicker", keys: ["."], run: () => width(0.5) },
      {
        id: "pixel-grid",
        keys: ["3"],
        label: "lines between pixels when they are large",
        run: () => set("pixel_grid", !modes().pixel_grid),
      },
    ],
    draw: (scene) => {
      if (scene.state.modes.pixel_grid) drawPixelGrid(scene, scene.state.image);
    },
    drawOver: (scene) => {
      apply(scene.state);
      if (scene.state.modes.side_by_side) drawOriginal(scene);
      drawTheLoupe(scene);
    },
    // Under the loupe a finger aims, and clicks where it is lifted; two move the picture.
    grab: (_, press) => {
      const { tool } = store.state;
      const clicks = tool === "positive" || tool === "negative";
      if (!modes().loupe || press.pointerType !== "touch" || !clicks) return null;
      return {
        move: () => undefined,
        drop: (to) => host.click(to, tool === "positive", press.time),
        cancel: () => undefined,
      };
    },
    finger: (at) => {
      pointer = at === null ? null : toScreen(host.viewport(), at);
      if (modes().loupe) host.redraw();
    },
    hover: (at) => {
      pointer = at === null ? null : toScreen(host.viewport(), at);
      if (modes().loupe || modes().side_by_side) host.redraw();
    },
    update: apply,
  };
}

function ring(context: CanvasRenderingContext2D, at: Point): void {
  context.setLineDash([]);
  for (const [width, style] of [
    [3, "rgba(0, 0, 0, 0.5)"],
    [1.5, "#ffffff"],
  ] as const) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.beginPath();
    context.arc(at.x, at.y, 9, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** The panel of options, joined with picture and kernel. */

import "../messages/ablation";
import type { Scene } from "../layers";
import type { Difference, OptionsForm, OptionValues } from "../messages/ablation";
import { inflate, unpackBits } from "../overlay";
import { type Reply, toBytes } from "../protocol";
import { summary } from "../store/state";
import { AblationPanel, ADDED, REMOVED } from "./ablation-panel";
import { glyph } from "./panels-dom";
import type { Host, Part } from "./part";

const ICON = "M2.5 4.5h6M12.5 4.5h1M2.5 11.5h1M7.5 11.5h6M10.5 2.5v4M5.5 9.5v4";

/** A method with options. */
interface Setting {
  method: string;
  title: string;
  values: OptionValues;
}

const settingOf = ({ method, title, values }: OptionsForm): Setting => ({ method, title, values });

export function ablation(host: Host): Part {
  const { panel, store, model } = host;
  let open = false;
  let form: OptionsForm | null = null;
  let formId: string | null = null;
  /** Options that are being checked, and then taken. */
  let checking: { id: string; setting: Setting } | null = null;
  let changing: string | null = null;
  /** What differences are taken against: pinned, or what was before the latest change. */
  let pinned: Setting | null = null;
  let former: Setting | null = null;
  let asked: string | null = null;
  /** A difference is to be asked for when the kernel has nothing else to do. */
  let stale = false;
  let revealed = true;
  let picture: { found: Difference; canvas: HTMLCanvasElement } | null = null;

  const clear = (): void => {
    picture = null;
    options.difference(null);
    host.redraw();
  };
  const compare = (): void => {
    const reference = pinned ?? former;
    options.compare(reference === null ? null : { pinned: pinned !== null, ...reference });
  };
  const askForm = (): void => {
    formId = host.send({ kind: "options_form" });
  };
  const askDifference = (): void => {
    stale = false;
    const reference = pinned ?? former;
    if (reference === null || !hasSteps()) {
      clear();
      return;
    }
    options.busy(true);
    const { method, values } = reference;
    asked = host.send({ kind: "difference", method, values });
  };
  const hasSteps = (): boolean => {
    const { clicks, pending } = store.state;
    return clicks.length + pending.length > 0;
  };
  const apply = (values: OptionValues): void => {
    if (form === null) return;
    const { method, title } = form;
    const id = host.send({ kind: "check_options", method, values });
    checking = { id, setting: { method, title, values } };
  };
  const take = (setting: Setting): void => {
    if (form !== null) former = settingOf(form);
    changing = host.send({ kind: "method", name: setting.method, options: setting.values });
    askDifference();
  };
  const options = new AblationPanel({
    apply,
    pin: (on) => {
      pinned = on && form !== null ? settingOf(form) : null;
      former = null;
      compare();
      askDifference();
    },
    reveal: (on) => {
      revealed = on;
      host.redraw();
    },
  });
  panel.side.addTab({
    id: "options",
    title: "Options of the method",
    icon: glyph(ICON),
    element: options.element,
    shown: (shown) => {
      open = shown;
      if (shown) askForm();
      host.redraw();
    },
  });

  /** The kernel says that options or method are others now. */
  const follow = (): void => {
    if (open) askForm();
  };
  model.on("change:options", follow);
  model.on("change:method", follow);

  const onDifference = async (found: Difference, buffers: readonly unknown[]): Promise<void> => {
    const parts = await Promise.all(buffers.map((buffer) => inflate(toBytes(buffer))));
    asked = null;
    options.difference(found);
    compare();
    picture = parts.length === 2 ? { found, canvas: paint(found, parts) } : null;
    host.redraw();
  };
  const consider = (): void => {
    if (open && stale && summary(store.state) === "idle") askDifference();
  };
  const onResult = (ids: readonly string[]): void => {
    if (changing !== null && ids.includes(changing)) {
      changing = null;
      return;
    }
    // Clicks came or went: the former options were those of another moment.
    if (pinned !== null) {
      stale = true;
      consider();
    } else if (former !== null) {
      former = null;
      compare();
      clear();
    }
  };

  return {
    commands: [
      {
        id: "options",
        keys: ["a"],
        label: "options of the method",
        run: () => panel.side.toggle("options"),
      },
    ],
    draw: (scene) => {
      // An earlier moment has nothing to do with the present options.
      const present = scene.overlay === host.overlay;
      if (open && revealed && present && picture !== null) drawDifference(scene, picture);
    },
    reply: (reply: Reply, buffers) => {
      if (reply.kind === "options_form" && reply.id === formId) {
        form = reply;
        options.show(reply);
        compare();
      } else if (reply.kind === "options_checked" && reply.id === checking?.id) {
        const { setting } = checking;
        checking = null;
        options.problems(reply.problems);
        if (Object.keys(reply.problems).length === 0) take(setting);
      } else if (reply.kind === "difference" && reply.id === asked) {
        return onDifference(reply, buffers);
      } else if (reply.kind === "result") {
        onResult(reply.ids);
      } else if (reply.kind === "error" && asked !== null && reply.ids.includes(asked)) {
        asked = null;
        options.busy(false);
      }
    },
    update: consider,
    close: () => {
      model.off("change:options", follow);
      model.off("change:method", follow);
    },
  };
}

const rgb = (colour: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

/** The pixels of a difference in two colours, as large as its box. */
function paint({ box }: Difference, parts: readonly Uint8Array[]): HTMLCanvasElement {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const pixels = new Uint8ClampedArray(4 * width * height);
  parts.forEach((bits, place) => {
    const mask = new Uint8Array(width * height);
    unpackBits(mask, width, [0, 0, width, height], bits);
    const [red = 0, green = 0, blue = 0] = rgb(place === 0 ? ADDED : REMOVED);
    mask.forEach((set, at) => {
      if (set === 1) pixels.set([red, green, blue, 255], 4 * at);
    });
  });
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas;
}

/** A difference with a side below this, in screen pixels, gets a frame, so that it is found. */
const SMALL = 28;

function drawDifference(scene: Scene, picture: { found: Difference; canvas: HTMLCanvasElement }) {
  const { context, view, state, ratio } = scene;
  const { box, grid } = picture.found;
  const { width: wide, height: high } = state.image;
  const step = (view.scale * wide) / grid[0];
  const [x, y] = [view.offsetX + box[0] * step, view.offsetY + box[1] * step];
  const [width, height] = [(box[2] - box[0]) * step, (box[3] - box[1]) * step];
  context.save();
  // The picture steps back: single pixels along the contour have to be seen.
  context.fillStyle = "rgba(10, 12, 16, 0.4)";
  context.fillRect(view.offsetX, view.offsetY, wide * view.scale, high * view.scale);
  context.imageSmoothingEnabled = step * ratio < 1;
  context.drawImage(picture.canvas, x, y, width, height);
  if (Math.min(width, height) < SMALL) {
    const pad = Math.max(5, (SMALL - Math.min(width, height)) / 2);
    const frame = [x - pad, y - pad, width + 2 * pad, height + 2 * pad] as const;
    context.setLineDash([]);
    context.strokeStyle = "rgba(0, 0, 0, 0.55)";
    context.lineWidth = 3;
    context.strokeRect(...frame);
    context.setLineDash([5, 4]);
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1.5;
    context.strokeRect(...frame);
  }
  context.restore();
}

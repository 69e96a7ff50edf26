/** The panel of views, joined with picture and kernel. */

import "../messages/explain";
import type { Scene } from "../layers";
import type { Explanation, PanelData } from "../messages/explain";
import { type Reply, toBytes } from "../protocol";
import { type State, summary } from "../store/state";
import { toScreen } from "../viewport";
import { VIEW_COLOURS } from "./panel-pictures";
import { glyph } from "./panels-dom";
import type { Host, Part } from "./part";
import { ViewsPanel } from "./views-panel";

/** So long nothing else has to be asked for before the method is asked to explain a step. */
const PATIENCE = 150;

const ICON = "M2.5 3h11v10h-11ZM2.5 8h11M6.2 3v10M9.8 3v10";

export function explain(host: Host): Part {
  const { store, panel } = host;
  let open = false;
  /** Step that is wanted; null: the latest. */
  let wanted: number | null = null;
  /** Revision that was explained or asked for. */
  let rev = -1;
  let asked: string | null = null;
  let timer = 0;
  let highlighted: PanelData | null = null;

  const highlight = (shown: PanelData | null): void => {
    if (shown === highlighted) return;
    highlighted = shown;
    host.redraw();
  };
  const ask = (): void => {
    window.clearTimeout(timer);
    timer = 0;
    rev = store.state.rev;
    views.busy(true);
    asked = host.send({ kind: "explain", index: wanted });
  };
  const views = new ViewsPanel({
    highlight,
    step: (index) => {
      wanted = index;
      ask();
    },
  });
  panel.root.append(views.lightbox.element);

  /** Ask when the panel is open, the state is new, and the kernel has nothing else to do. */
  const consider = (): void => {
    const { state } = store;
    if (!open || state.rev === rev || summary(state) !== "idle") {
      window.clearTimeout(timer);
      timer = 0;
      return;
    }
    if (timer === 0) timer = window.setTimeout(ask, PATIENCE);
  };
  const toggle = (): void => panel.side.toggle("explain");
  panel.side.addTab({
    id: "explain",
    title: "What the method looked at",
    icon: glyph(ICON),
    element: views.element,
    shown: (shown) => {
      open = shown;
      if (!shown) {
        highlight(null);
        views.lightbox.close();
      }
      consider();
    },
  });

  const take = (reply: Explanation, buffers: readonly unknown[]): void => {
    asked = null;
    if (reply.count === 0) {
      views.empty("Click on the picture: every step then shows here what the method looked at.");
      return;
    }
    const pictures = buffers.map((buffer) => new Blob([toBytes(buffer)], { type: reply.mime }));
    views.show(reply, pictures, wanted === null);
  };

  return {
    commands: [{ id: "explain", keys: ["w"], label: "what the method looked at", run: toggle }],
    draw: (scene) => {
      if (highlighted !== null && scene.overlay === host.overlay) drawHighlight(scene, highlighted);
    },
    reply: (reply: Reply, buffers) => {
      if (reply.kind === "explanation" && reply.id === asked) take(reply, buffers);
      if (reply.kind === "error" && asked !== null && reply.ids.includes(asked)) {
        asked = null;
        views.busy(false);
      }
    },
    update: (state: State, before: State) => {
      if (state.rev !== before.rev) wanted = null;
      consider();
    },
    escape: () => {
      if (!views.lightbox.isOpen) return false;
      views.lightbox.close();
      return true;
    },
    close: () => {
      window.clearTimeout(timer);
      views.close();
    },
  };
}

/** Frame where a picture lies in the image, and dim the rest. */
export function drawHighlight(scene: Scene, shown: PanelData): void {
  if (shown.box === null) return;
  const { context, size, view } = scene;
  const [x0, y0, x1, y1] = shown.box;
  const from = toScreen(view, { x: x0 - 0.5, y: y0 - 0.5 });
  const to = toScreen(view, { x: x1 - 0.5, y: y1 - 0.5 });
  const [width, height] = [to.x - from.x, to.y - from.y];
  context.save();
  context.beginPath();
  context.rect(0, 0, size.width, size.height);
  context.rect(from.x, from.y, width, height);
  context.fillStyle = "rgba(10, 12, 16, 0.5)";
  context.fill("evenodd");
  context.setLineDash([]);
  context.strokeStyle = "rgba(0, 0, 0, 0.6)";
  context.lineWidth = 5;
  context.strokeRect(from.x, from.y, width, height);
  context.strokeStyle = VIEW_COLOURS[shown.view] ?? "#ffffff";
  context.lineWidth = 2.5;
  context.strokeRect(from.x, from.y, width, height);
  context.restore();
}

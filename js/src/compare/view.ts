/** One view of a comparison: joins model, wire, store, panel, pointers, keys and drawing. */

import { belongsToControl, type Command, Keys } from "../keyboard";
import { draw, place, type Scene } from "../layers";
import { Link } from "../link";
import { OthersOverlay } from "../others";
import { inflate, Overlay } from "../overlay";
import { clicks } from "../parts/clicks";
import { core } from "../parts/core";
import type { Basics, Tool } from "../parts/part";
import { type Picture, type Reply, toBytes } from "../protocol";
import { initialState, type State, Store, type TraitState } from "../store/state";
import { type Drag, PointerInput } from "../tools/input";
import * as viewport from "../viewport";
import { AgreementMap } from "./agreement";
import { arrange } from "./layout";
import { drawPointer, movedClick, nearestClick } from "./marks";
import type { CompareModel, ComparePageTraits } from "./model";
import { type PaneState, UNKNOWN } from "./pane";
import { ComparePanel } from "./panel";
import type { CompareRequest, CourseReply, PaneReply } from "./protocol";

/** Traits to follow and what they change in the state. */
const FOLLOWED = {
  clicks: (model: CompareModel) => ({ clicks: model.get("clicks") }),
  tool: (model: CompareModel) => ({ tool: model.get("tool") }),
  opacity: (model: CompareModel) => ({ opacity: model.get("opacity") }),
  show_mask: (model: CompareModel) => ({ showMask: model.get("show_mask") }),
  show_views: (model: CompareModel) => ({ showViews: model.get("show_views") }),
} satisfies Record<string, (model: CompareModel) => Partial<TraitState>>;

/** Traits that only the panel shows. */
const OWN = ["show_agreement", "robot_pane", "height"] as const;

export class CompareView implements Basics {
  readonly store: Store;
  readonly #model: CompareModel;
  readonly #panel: ComparePanel;
  readonly #link: Link;
  readonly #keys = new Keys();
  readonly #tools = new Map<string, Tool>();
  readonly #escapes: (() => boolean)[] = [];
  readonly #overlays: readonly Overlay[];
  readonly #agreement = new AgreementMap();
  readonly #nothing = new OthersOverlay();
  readonly #cleanups: (() => void)[] = [];
  #panes: readonly PaneState[];
  #working: number | null = null;
  #under: number | null = null;
  /** A click that is being moved. */
  #dragged: { index: number; at: viewport.Point } | null = null;
  #picture: ImageBitmap | null = null;
  #size: viewport.Size = { width: 0, height: 0 };
  #viewport: viewport.Viewport = { scale: 1, offsetX: 0, offsetY: 0 };
  /** Whether the picture follows the canvases' size. */
  #fitted = true;
  #frame = 0;
  /** Messages are taken one after another, because inflating is asynchronous. */
  #messages: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(model: CompareModel, host: HTMLElement) {
    this.#model = model;
    const [width, height] = model.get("image_size");
    const traits = Object.values(FOLLOWED).map((read) => read(model));
    const fixed = { image: { width, height }, method: "", methods: [] };
    this.store = new Store(initialState(Object.assign(fixed, ...traits) as TraitState));
    const infos = model.get("panes");
    this.#panes = infos.map(() => UNKNOWN);
    this.#overlays = infos.map(({ colour }) => new Overlay(colour));
    this.#panel = new ComparePanel(infos, model.get("has_truth"), {
      command: (command) => this.#keys.get(command)?.run(),
      tool: (tool) => this.setTrait("tool", tool),
      opacity: (value) => this.setTrait("opacity", value),
      robotPane: (pane) => this.setTrait("robot_pane", pane),
      dismiss: (key) => this.#dismiss(key),
      under: (pane) => this.#setUnder(pane),
    });
    this.#link = new Link(model, {
      reply: (reply, buffers) => this.#queue(reply, buffers),
      problem: (message) => this.#problem("Message not understood", message),
      alive: (alive) => this.#onAlive(alive),
      lost: (ids) => this.#onLost(ids),
    });
    this.#cleanups.push(() => this.#link.close());
    this.#plugIn();
    host.append(this.#panel.root);
    this.#follow();
    this.#listen();
    this.#cleanups.push(this.store.subscribe((state, before) => this.#onState(state, before)));
    this.#measure();
    this.#update();
    this.send({ kind: "hello", picture: true });
  }

  close(): void {
    this.#closed = true;
    cancelAnimationFrame(this.#frame);
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
    this.#picture?.close();
    this.#picture = null;
    this.#panel.close();
  }

  // Commands: those of the segmentation widget, and a few more

  #plugIn(): void {
    const parts = [clicks(this), core(this)];
    const own: Command[] = [
      {
        id: "agreement",
        keys: ["a"],
        label: "show or hide the agreement",
        run: () => this.setTrait("show_agreement", !this.#model.get("show_agreement")),
      },
      {
        id: "robot",
        keys: ["r"],
        label: "let the robot user click (needs the ground truth)",
        run: () => this.send({ kind: "robot", pane: this.#model.get("robot_pane") }),
      },
      {
        id: "cancel",
        keys: ["Escape"],
        label: "cancel what is running or queued",
        run: () => this.#escape(),
      },
      { id: "fit", keys: ["f"], label: "fit the picture", run: () => this.#fit() },
    ];
    for (const part of parts) {
      for (const tool of part.tools ?? []) {
        this.#tools.set(tool.id, tool);
        this.#panel.addTool(tool);
      }
      if (part.escape) this.#escapes.push(part.escape);
    }
    const commands = [...parts.flatMap((part) => part.commands ?? []), ...own];
    for (const command of commands) this.#keys.add(command);
    this.#panel.listKeys(this.#keys.shortcuts());
  }

  viewport(): viewport.Viewport {
    return this.#viewport;
  }

  /** Of each canvas, in CSS pixels. */
  size(): viewport.Size {
    return this.#size;
  }

  // What comes from the kernel

  #follow(): void {
    const on = (name: string, update: () => void): void => {
      this.#model.on(`change:${name}`, update);
      this.#cleanups.push(() => this.#model.off(`change:${name}`, update));
    };
    for (const [name, read] of Object.entries(FOLLOWED)) {
      on(name, () => this.store.dispatch({ type: "traits", traits: read(this.#model) }));
    }
    for (const name of OWN) {
      on(name, () => {
        this.#measure();
        this.#update();
      });
    }
  }

  #queue(reply: Reply, buffers: readonly unknown[]): void {
    this.#messages = this.#messages
      .then(() => (this.#closed ? undefined : this.#take(reply, buffers)))
      .catch((error: unknown) => this.#problem("Could not show the answer", String(error)));
  }

  async #take(reply: Reply, buffers: readonly unknown[]): Promise<void> {
    switch (reply.kind) {
      case "picture":
        return this.#takePicture(reply, buffers[0]);
      case "pane":
        return this.#takePane(reply, buffers[0]);
      case "course":
        return this.#takeCourse(reply);
      case "working":
        this.#working = reply.pane;
        return this.#update();
      default:
        this.store.dispatch({ type: "reply", reply });
    }
  }

  async #takePicture(reply: Picture, buffer: unknown): Promise<void> {
    if (!this.#link.owns(reply.id)) return;
    const blob = new Blob([toBytes(buffer)], { type: reply.mime });
    const picture = await createImageBitmap(blob);
    if (this.#closed) return picture.close();
    this.#picture?.close();
    this.#picture = picture;
    this.store.dispatch({ type: "picture" });
    this.store.dispatch({ type: "connection", connection: "ready" });
  }

  async #takePane(reply: PaneReply, buffer: unknown): Promise<void> {
    const overlay = this.#overlays[reply.pane];
    if (overlay === undefined) throw new RangeError(`there is no pane ${reply.pane}`);
    const [x0, y0, x1, y1] = reply.box;
    const bits = x1 > x0 && y1 > y0 ? await inflate(toBytes(buffer)) : new Uint8Array(0);
    if (this.#closed || (reply.base === null && reply.rev < overlay.rev)) return;
    if (!overlay.apply(reply, bits)) {
      // A message was missed: ask for everything. That may already be on its way.
      if (reply.rev > overlay.rev) this.send({ kind: "hello", picture: false });
      return;
    }
    const before = this.#panes[reply.pane]?.error ?? null;
    this.#panes = this.#panes.map((pane, index) => (index === reply.pane ? reply : pane));
    if (before !== reply.error) this.#count();
    this.#update();
    this.redraw();
  }

  #takeCourse(reply: CourseReply): void {
    if (reply.rev < this.store.state.rev) return;
    const { ids, rev, clicks: given, history } = reply;
    this.#count();
    this.store.dispatch({ type: "answered", ids, rev, clicks: given, history });
    this.redraw();
  }

  /** The agreement is counted anew when all panes have answered, not in between. */
  #count(): void {
    const good = this.#overlays.filter((_, index) => !this.#panes[index]?.error);
    this.#agreement.update(good);
  }

  #onAlive(alive: boolean): void {
    const { hasPicture } = this.store.state;
    const connection = alive ? (hasPicture ? "ready" : "loading") : "lost";
    this.store.dispatch({ type: "connection", connection });
  }

  #onLost(ids: readonly string[]): void {
    const { pending } = this.store.state;
    const gone = pending.filter((click) => ids.includes(click.id)).length;
    this.store.dispatch({ type: "lost", ids });
    if (gone > 0) {
      this.#problem("Lost on the way", `${gone} of the clicks did not reach the kernel.`);
    }
  }

  #problem(title: string, message: string): void {
    this.store.dispatch({ type: "problem", title, message });
  }

  // What the person does

  send(body: CompareRequest): string {
    return this.#link.send(body, this.store.state.rev);
  }

  click(at: viewport.Point, positive: boolean): void {
    if (!viewport.isInside(at, this.store.state.image)) return;
    const click = { ...movedClick(at), positive };
    const id = this.send({ kind: "click", ...click });
    this.store.dispatch({ type: "sent", click: { id, ...click } });
  }

  setTrait<K extends keyof ComparePageTraits>(name: K, value: ComparePageTraits[K]): void {
    this.#model.set(name, value);
    this.#model.save_changes();
    if (Object.hasOwn(FOLLOWED, name)) {
      const read = FOLLOWED[name as keyof typeof FOLLOWED];
      this.store.dispatch({ type: "traits", traits: read(this.#model) });
    } else {
      this.#measure();
      this.#update();
    }
  }

  #dismiss(key: number): void {
    this.store.dispatch({ type: "dismiss", key });
    this.#panel.home.focus();
  }

  #setUnder(pane: number | null): void {
    if (pane === this.#under) return;
    this.#under = pane;
    this.#update();
    this.redraw();
  }

  /** Escape closes the list of keys, else puts away what is shown, else cancels. */
  #escape(): void {
    const { state } = this.store;
    if (state.help) {
      this.store.dispatch({ type: "help", open: false });
    } else if (!this.#escapes.some((putAway) => putAway())) {
      if (state.pending.length === 0 && state.activity === null) return;
      this.send({ kind: "cancel" });
      this.store.dispatch({ type: "cancelled" });
    }
  }

  #listen(): void {
    const { root, panes, agreement, grid } = this.#panel;
    const pixel = (at: viewport.Point) => viewport.toImage(this.#viewport, at);
    for (const { canvas } of [...panes, agreement]) {
      const input = new PointerInput(canvas, {
        click: (at, press) => this.#tools.get(this.store.state.tool)?.click?.(pixel(at), press),
        grab: (at) => this.#grab(at),
        pan: (dx, dy) => this.#pan(dx, dy),
        zoom: (at, factor) => this.#zoom(at, factor),
        hover: (at) => this.#hover(at),
        focus: () => canvas.focus({ preventScroll: true }),
        hasFocus: () => root.contains(document.activeElement),
      });
      this.#cleanups.push(() => input.close());
    }
    const abort = new AbortController();
    this.#cleanups.push(() => abort.abort());
    root.addEventListener("keydown", (event) => this.#onKey(event), { signal: abort.signal });
    const observer = new ResizeObserver(() => this.#measure());
    observer.observe(grid);
    this.#cleanups.push(() => observer.disconnect());
    window.addEventListener("resize", () => this.#measure(), { signal: abort.signal });
  }

  /** A press on a click moves it, in all panes. */
  #grab(at: viewport.Point): Drag | null {
    const { clicks: given, pending } = this.store.state;
    const index = pending.length > 0 ? null : nearestClick(given, at, this.#viewport);
    if (index === null) return null;
    const move = (to: viewport.Point | null): void => {
      this.#dragged = to === null ? null : { index, at: viewport.toImage(this.#viewport, to) };
      this.redraw();
    };
    return {
      move,
      drop: (to, moved) => {
        move(null);
        const pixel = viewport.toImage(this.#viewport, to);
        if (!moved || !viewport.isInside(pixel, this.store.state.image)) return;
        this.send({ kind: "move_click", index, ...movedClick(pixel) });
      },
      cancel: () => move(null),
    };
  }

  #onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || belongsToControl(event.target, event)) return;
    const command = this.#keys.of(event);
    if (command === null) return;
    event.preventDefault();
    event.stopPropagation();
    command.run();
  }

  #hover(at: viewport.Point | null): void {
    const pixel = at === null ? null : viewport.toImage(this.#viewport, at);
    const inside = pixel !== null && viewport.isInside(pixel, this.store.state.image);
    this.store.dispatch({ type: "hover", at: inside ? pixel : null });
  }

  // What is in sight: one viewport for all panes

  #fit(): void {
    this.#fitted = true;
    this.#view(viewport.fit(this.store.state.image, this.#size));
  }

  #pan(dx: number, dy: number): void {
    this.show(viewport.pan(this.#viewport, dx, dy, this.store.state.image, this.#size));
  }

  #zoom(at: viewport.Point, factor: number): void {
    const scale = this.#viewport.scale * factor;
    this.show(viewport.zoomTo(this.#viewport, scale, at, this.store.state.image, this.#size));
  }

  show(view: viewport.Viewport): void {
    this.#fitted = false;
    this.#view(view);
  }

  #view(next: viewport.Viewport): void {
    this.#viewport = next;
    for (const { canvas } of [...this.#panel.panes, this.#panel.agreement]) {
      canvas.dataset.scale = String(next.scale);
      canvas.dataset.offsetX = String(next.offsetX);
      canvas.dataset.offsetY = String(next.offsetY);
    }
    this.store.dispatch({ type: "scale", scale: next.scale });
    this.redraw();
  }

  get #showsAgreement(): boolean {
    return this.#panes.length > 1 && this.#model.get("show_agreement");
  }

  #measure(): void {
    const { panes, agreement, grid } = this.#panel;
    const { image } = this.store.state;
    const shown = this.#showsAgreement;
    const count = panes.length + Number(shown);
    const layout = arrange(count, image, grid.clientWidth, this.#model.get("height"));
    this.#panel.arrange(layout, shown);
    const stage = panes[0]?.stage;
    const size = { width: stage?.clientWidth ?? 0, height: stage?.clientHeight ?? 0 };
    if (size.width === 0 || size.height === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    const canvases = [...panes, agreement].map((pane) => pane.canvas);
    if (canvases.every((canvas) => canvas.width === width && canvas.height === height)) return;
    const before = this.#size;
    for (const canvas of canvases) {
      canvas.width = width;
      canvas.height = height;
    }
    this.#size = size;
    if (this.#fitted) this.#fit();
    else this.#view(viewport.resized(this.#viewport, before, size, image));
    // The canvases were cleared: draw before the browser paints, so that nothing flickers.
    this.#draw();
  }

  #update(): void {
    this.#panel.update(this.store.state, {
      panes: this.#panes,
      working: this.#working,
      under: this.#under,
      robotPane: this.#model.get("robot_pane"),
      showAgreement: this.#showsAgreement,
      share: this.#agreement.share,
      voters: this.#agreement.count,
    });
  }

  #onState(state: State, before: State): void {
    this.#update();
    const { latency, ...shown } = state;
    const looksSame = (Object.keys(shown) as (keyof typeof shown)[]).every(
      (name) => before[name] === state[name],
    );
    if (!looksSame) this.redraw();
  }

  redraw(): void {
    if (this.#frame !== 0 || this.#closed) return;
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#size.width === 0) return;
    const { panes, agreement, root } = this.#panel;
    const { state } = this.store;
    const dragged = this.#dragged;
    const given = state.clicks.map((click, index) =>
      dragged?.index === index ? { ...click, ...dragged.at } : click,
    );
    panes.forEach(({ canvas }, index) => {
      const views = this.#panes[index]?.views ?? [];
      this.#drawPane(canvas, { ...state, clicks: given, views }, index);
    });
    const bare = { ...state, clicks: given, showMask: false, showViews: false };
    if (this.#showsAgreement) this.#drawPane(agreement.canvas, bare, panes.length);
    root.dataset.revision = String(state.rev);
  }

  #drawPane(canvas: HTMLCanvasElement, state: State, index: number): void {
    const context = canvas.getContext("2d");
    const overlay = this.#overlays[index] ?? this.#overlays[0];
    if (context === null || overlay === undefined) return;
    const scene: Scene = {
      context,
      ratio: canvas.width / this.#size.width,
      size: this.#size,
      view: this.#viewport,
      state,
      picture: this.#picture,
      overlay,
      others: this.#nothing,
    };
    const isMap = index === this.#panes.length;
    draw(scene, () => {
      if (isMap && this.#agreement.canvas !== null) {
        context.globalAlpha = Math.max(this.store.state.opacity, 0.3);
        context.imageSmoothingEnabled = false;
        place(scene, this.#agreement.canvas);
        context.globalAlpha = 1;
      }
    });
    if (state.hover !== null && this.#under !== null && this.#under !== index) {
      drawPointer(context, viewport.toScreen(this.#viewport, state.hover));
    }
  }
}

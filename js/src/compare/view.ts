/** One view of a comparison: joins model, wire, store, panel, pointers, keys and drawing. */

import { belongsToControl, type Command, Keys } from "../keyboard";
import { Link } from "../link";
import { clicks, crosshair } from "../parts/clicks";
import { core } from "../parts/core";
import { movingOn } from "../parts/moving";
import type { Basics, Part, Surface, Tool } from "../parts/part";
import { PictureLayer } from "../picture";
import type { Picture, Reply } from "../protocol";
import { initialState, PLAIN, type State, Store, type TraitState } from "../store/state";
import { type Drag, PointerInput, type Press, translated } from "../tools/input";
import type * as viewport from "../viewport";
import { Answers } from "./answers";
import { arrange } from "./layout";
import type { CompareModel, ComparePageTraits } from "./model";
import { paint } from "./paint";
import { ComparePanel } from "./panel";
import type { CompareRequest, CourseReply, PaneReply } from "./protocol";
import { Sight } from "./sight";

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
  readonly #parts: readonly Part[];
  readonly #answers: Answers;
  readonly #sight: Sight;
  readonly #cleanups: (() => void)[] = [];
  #working: number | null = null;
  #under: number | null = null;
  /** The picture that the pointer was at last. */
  #surface: Surface;
  /** All panes draw the same picture. */
  readonly #picture = new PictureLayer({
    send: (body) => this.send(body),
    redraw: () => this.redraw(),
  });
  #frame = 0;
  /** Messages are taken one after another, because inflating is asynchronous. */
  #messages: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(model: CompareModel, host: HTMLElement) {
    this.#model = model;
    const [width, height] = model.get("image_size");
    const traits = Object.values(FOLLOWED).map((read) => read(model));
    const fixed = { image: { width, height }, method: "", methods: [], modes: PLAIN };
    this.store = new Store(initialState(Object.assign(fixed, ...traits) as TraitState));
    const infos = model.get("panes");
    this.#answers = new Answers(infos);
    this.#sight = new Sight({ width, height }, () => this.#onSight());
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
    this.#surface = this.#panel.panes[0] ?? this.#panel.agreement;
    this.#parts = [clicks(this), movingOn(this, () => this.#surface), core(this), crosshair(this)];
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
    for (const part of this.#parts) part.close?.();
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
    this.#picture.close();
    this.#panel.close();
  }

  // Commands: those of the segmentation widget, and a few more

  #plugIn(): void {
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
      { id: "fit", keys: ["f"], label: "fit the picture", run: () => this.#sight.fit() },
    ];
    for (const tool of this.#parts.flatMap((part) => part.tools ?? [])) {
      this.#tools.set(tool.id, tool);
      this.#panel.addTool(tool);
    }
    const commands = [...this.#parts.flatMap((part) => part.commands ?? []), ...own];
    for (const command of commands) this.#keys.add(command);
    this.#panel.listKeys(this.#keys.shortcuts());
  }

  viewport(): viewport.Viewport {
    return this.#sight.view;
  }

  /** Of each canvas, in CSS pixels. */
  size(): viewport.Size {
    return this.#sight.size;
  }

  show(view: viewport.Viewport): void {
    this.#sight.show(view);
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
    // Tiles may come in any order, and an answer does not wait for them.
    if (reply.kind === "tile") return void this.#picture.take(reply, buffers[0]);
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
        this.#takeCourse(reply);
        break;
      case "working":
        this.#working = reply.pane;
        return this.#update();
      default:
        if (reply.kind === "error" || reply.kind === "cancelled") this.#picture.lost(reply.ids);
        this.store.dispatch({ type: "reply", reply });
    }
    for (const part of this.#parts) await part.reply?.(reply, buffers);
  }

  async #takePicture(reply: Picture, buffer: unknown): Promise<void> {
    if (!this.#link.owns(reply.id)) return;
    if (!(await this.#picture.load(reply, buffer))) return;
    this.store.dispatch({ type: "picture" });
    this.store.dispatch({ type: "connection", connection: "ready" });
  }

  async #takePane(reply: PaneReply, buffer: unknown): Promise<void> {
    const good = await this.#answers.take(reply, buffer);
    if (this.#closed) return;
    if (!good) this.send({ kind: "hello", picture: false });
    if (this.#working === reply.pane) this.#working = null;
    this.#update();
    this.redraw();
  }

  #takeCourse(reply: CourseReply): void {
    if (reply.rev < this.store.state.rev) return;
    const { ids, rev, clicks: given, history } = reply;
    this.#answers.count();
    this.store.dispatch({ type: "answered", ids, rev, clicks: given, history });
    this.redraw();
  }

  #onAlive(alive: boolean): void {
    const { hasPicture } = this.store.state;
    const connection = alive ? (hasPicture ? "ready" : "loading") : "lost";
    this.store.dispatch({ type: "connection", connection });
  }

  #onLost(ids: readonly string[]): void {
    const { pending } = this.store.state;
    this.#picture.lost(ids);
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
    if (!this.#sight.isInside(at)) return;
    // A hundredth of a pixel is plenty, and keeps the log readable.
    const click = { x: Math.round(at.x * 100) / 100, y: Math.round(at.y * 100) / 100, positive };
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
    } else if (!this.#parts.some((part) => part.escape?.())) {
      if (state.pending.length === 0 && state.activity === null) return;
      this.send({ kind: "cancel" });
      this.store.dispatch({ type: "cancelled" });
    }
  }

  #listen(): void {
    const { root, panes, agreement, grid } = this.#panel;
    const sight = this.#sight;
    for (const surface of [...panes, agreement]) {
      const { canvas } = surface;
      const input = new PointerInput(canvas, {
        click: (at, press) =>
          this.#tools.get(this.store.state.tool)?.click?.(sight.pixel(at), press),
        grab: (at, press) => {
          this.#surface = surface;
          return this.#grab(at, press);
        },
        pan: (dx, dy) => sight.pan(dx, dy),
        zoom: (at, factor) => sight.zoom(at, factor),
        hover: (at) => {
          if (at !== null) this.#surface = surface;
          this.#hover(at);
        },
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

  #grab(at: viewport.Point, press: Press): Drag | null {
    const pixel = (point: viewport.Point) => this.#sight.pixel(point);
    for (const part of this.#parts) {
      const drag = part.grab?.(pixel(at), press);
      if (drag) return translated(drag, pixel);
    }
    return null;
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
    const pixel = at === null ? null : this.#sight.pixel(at);
    const inside = pixel !== null && this.#sight.isInside(pixel);
    this.#surface.canvas.style.cursor = "";
    this.store.dispatch({ type: "hover", at: inside ? pixel : null });
    for (const part of this.#parts) part.hover?.(inside ? pixel : null);
  }

  // What is in sight

  #onSight(): void {
    const { scale, offsetX, offsetY } = this.#sight.view;
    for (const { canvas } of [...this.#panel.panes, this.#panel.agreement]) {
      canvas.dataset.scale = String(scale);
      canvas.dataset.offsetX = String(offsetX);
      canvas.dataset.offsetY = String(offsetY);
    }
    this.store.dispatch({ type: "scale", scale });
    this.redraw();
  }

  get #showsAgreement(): boolean {
    return this.#answers.panes.length > 1 && this.#model.get("show_agreement");
  }

  #measure(): void {
    const { panes, agreement, grid } = this.#panel;
    const shown = this.#showsAgreement;
    const count = panes.length + Number(shown);
    const wanted = this.#model.get("height");
    this.#panel.arrange(arrange(count, this.store.state.image, grid.clientWidth, wanted), shown);
    const stage = panes[0]?.stage;
    const size = { width: stage?.clientWidth ?? 0, height: stage?.clientHeight ?? 0 };
    if (size.width === 0 || size.height === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    const canvases = [...panes, agreement].map((pane) => pane.canvas);
    if (canvases.every((canvas) => canvas.width === width && canvas.height === height)) return;
    for (const canvas of canvases) {
      canvas.width = width;
      canvas.height = height;
    }
    this.#sight.resize(size);
    // The canvases were cleared: draw before the browser paints, so that nothing flickers.
    this.#draw();
  }

  #update(): void {
    this.#panel.update(this.store.state, {
      panes: this.#answers.panes,
      working: this.#working,
      under: this.#under,
      robotPane: this.#model.get("robot_pane"),
      showAgreement: this.#showsAgreement,
      share: this.#answers.agreement.share,
      voters: this.#answers.agreement.count,
    });
  }

  #onState(state: State, before: State): void {
    this.#update();
    for (const part of this.#parts) part.update?.(state, before);
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
    if (this.#sight.size.width === 0) return;
    const { view, size } = this.#sight;
    this.#picture.look(view, size, (this.#panel.home.width || size.width) / size.width);
    paint(this.#panel, {
      state: this.store.state,
      answers: this.#answers,
      sight: this.#sight,
      picture: this.#picture.pyramid,
      under: this.#under,
      showsAgreement: this.#showsAgreement,
      between: (scene) => {
        for (const part of this.#parts) part.draw?.(scene);
      },
    });
    const { dataset } = this.#panel.root;
    dataset.revision = String(this.store.state.rev);
    dataset.sharp = String(this.#picture.pyramid?.complete ?? false);
  }
}

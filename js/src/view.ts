/** One view of the widget: joins model, wire, store, panel, pointers, keys and drawing. */

import { belongsToControl, type Command, commandOf } from "./keyboard";
import { draw, MASK } from "./layers";
import { Link } from "./link";
import type { Model, PageTraits, Tool } from "./model";
import { inflate, Overlay } from "./overlay";
import { Panel } from "./panel";
import { type Picture, type Reply, type RequestBody, type Result, toBytes } from "./protocol";
import { initialState, type State, Store, type TraitState } from "./store/state";
import { PointerInput } from "./tools/input";
import * as viewport from "./viewport";

/** Traits to follow and what they change in the state. */
const FOLLOWED = {
  clicks: (model: Model) => ({ clicks: model.get("clicks") }),
  tool: (model: Model) => ({ tool: model.get("tool") }),
  opacity: (model: Model) => ({ opacity: model.get("opacity") }),
  show_mask: (model: Model) => ({ showMask: model.get("show_mask") }),
  show_views: (model: Model) => ({ showViews: model.get("show_views") }),
  method: (model: Model) => ({ method: model.get("method") }),
  methods: (model: Model) => ({ methods: model.get("methods") }),
} satisfies Record<string, (model: Model) => Partial<TraitState>>;

const OPACITY_STEP = 0.1;
const ZOOM_STEP = 1.4;

export class View {
  readonly #model: Model;
  readonly #store: Store;
  readonly #panel: Panel;
  readonly #link: Link;
  readonly #overlay = new Overlay(MASK);
  readonly #cleanups: (() => void)[] = [];
  /** When each click was made, to tell how long its overlay took. */
  readonly #clicked = new Map<string, number>();
  #picture: ImageBitmap | null = null;
  #size: viewport.Size = { width: 0, height: 0 };
  #viewport: viewport.Viewport = { scale: 1, offsetX: 0, offsetY: 0 };
  /** Whether the picture follows the canvas' size. */
  #fitted = true;
  #frame = 0;
  /** Clicks whose overlay the next frame shows. */
  #arrived: string[] = [];
  /** Messages are taken one after another, because inflating is asynchronous. */
  #messages: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(model: Model, host: HTMLElement) {
    this.#model = model;
    const [width, height] = model.get("image_size");
    const traits = Object.values(FOLLOWED).map((read) => read(model));
    this.#store = new Store(
      initialState(Object.assign({ image: { width, height } }, ...traits) as TraitState),
    );
    this.#panel = new Panel({
      command: (command) => this.#run(command),
      tool: (tool) => this.#set("tool", tool),
      opacity: (value) => this.#set("opacity", value),
      method: (name) => this.#send({ kind: "method", name, options: null }),
      dismiss: (key) => this.#dismiss(key),
    });
    this.#link = new Link(model, {
      reply: (reply, buffers) => this.#queue(reply, buffers),
      problem: (message) => this.#problem("Message not understood", message),
      alive: (alive) => this.#onAlive(alive),
      lost: (ids) => this.#onLost(ids),
    });
    this.#cleanups.push(() => this.#link.close());
    host.append(this.#panel.root);
    this.#follow();
    this.#listen();
    this.#cleanups.push(this.#store.subscribe((state, before) => this.#onState(state, before)));
    this.#panel.update(this.#store.state);
    this.#measure();
    this.#send({ kind: "hello", picture: true });
  }

  close(): void {
    this.#closed = true;
    cancelAnimationFrame(this.#frame);
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
    this.#picture?.close();
    this.#picture = null;
    this.#panel.root.remove();
  }

  // What comes from the kernel

  #follow(): void {
    for (const [name, read] of Object.entries(FOLLOWED)) {
      const update = () => this.#store.dispatch({ type: "traits", traits: read(this.#model) });
      this.#model.on(`change:${name}`, update);
      this.#cleanups.push(() => this.#model.off(`change:${name}`, update));
    }
    const resize = () => this.#setHeight();
    this.#model.on("change:height", resize);
    this.#cleanups.push(() => this.#model.off("change:height", resize));
  }

  #queue(reply: Reply, buffers: readonly unknown[]): void {
    this.#messages = this.#messages
      .then(() => (this.#closed ? undefined : this.#take(reply, buffers)))
      .catch((error: unknown) => this.#problem("Could not show the answer", String(error)));
  }

  async #take(reply: Reply, buffers: readonly unknown[]): Promise<void> {
    if (reply.kind === "picture") return this.#takePicture(reply, buffers[0]);
    if (reply.kind === "result") return this.#takeResult(reply, buffers[0]);
    if (reply.kind === "error" || reply.kind === "cancelled") {
      for (const id of reply.ids) this.#clicked.delete(id);
      this.#panel.resetMethod(this.#store.state);
    }
    this.#store.dispatch({ type: "reply", reply });
  }

  async #takePicture(reply: Picture, buffer: unknown): Promise<void> {
    if (!this.#link.owns(reply.id)) return;
    const blob = new Blob([toBytes(buffer)], { type: reply.mime });
    const picture = await createImageBitmap(blob);
    if (this.#closed) return picture.close();
    this.#picture?.close();
    this.#picture = picture;
    this.#store.dispatch({ type: "picture" });
    this.#store.dispatch({ type: "connection", connection: "ready" });
  }

  async #takeResult(reply: Result, buffer: unknown): Promise<void> {
    const [x0, y0, x1, y1] = reply.box;
    const bits = x1 > x0 && y1 > y0 ? await inflate(toBytes(buffer)) : new Uint8Array(0);
    if (this.#closed || (reply.base === null && reply.rev < this.#overlay.rev)) return;
    if (!this.#overlay.apply(reply, bits)) {
      // A message was missed: ask for the whole mask. A full one may already be on its way.
      if (reply.rev > this.#overlay.rev) this.#send({ kind: "hello", picture: false });
      return;
    }
    this.#arrived.push(...reply.ids);
    this.#store.dispatch({ type: "reply", reply });
    this.#redraw();
  }

  #onAlive(alive: boolean): void {
    const { hasPicture } = this.#store.state;
    const connection = alive ? (hasPicture ? "ready" : "loading") : "lost";
    this.#store.dispatch({ type: "connection", connection });
  }

  #onLost(ids: readonly string[]): void {
    const { pending } = this.#store.state;
    const clicks = pending.filter((click) => ids.includes(click.id));
    this.#store.dispatch({ type: "lost", ids });
    if (clicks.length === 0) return;
    this.#problem("Lost on the way", `${clicks.length} of the clicks did not reach the kernel.`);
  }

  #problem(title: string, message: string): void {
    this.#store.dispatch({ type: "problem", title, message });
  }

  // What the person does

  #send(body: RequestBody): string {
    return this.#link.send(body, this.#overlay.rev);
  }

  #click(at: viewport.Point, positive: boolean, time: number): void {
    const { image } = this.#store.state;
    if (!viewport.isInside(at, image)) return;
    // A hundredth of a pixel is plenty, and keeps the log readable.
    const click = { x: Math.round(at.x * 100) / 100, y: Math.round(at.y * 100) / 100, positive };
    const id = this.#send({ kind: "click", ...click });
    this.#clicked.set(id, time);
    this.#store.dispatch({ type: "sent", click: { id, ...click } });
  }

  #isPositive(negative: boolean): boolean {
    return !negative && this.#store.state.tool === "positive";
  }

  #set<K extends keyof PageTraits>(name: K, value: PageTraits[K]): void {
    this.#model.set(name, value);
    this.#model.save_changes();
    this.#store.dispatch({ type: "traits", traits: FOLLOWED[name](this.#model) });
  }

  #dismiss(key: number): void {
    this.#store.dispatch({ type: "dismiss", key });
    this.#panel.canvas.focus();
  }

  readonly #commands: Record<Command, () => void> = {
    undo: () => this.#send({ kind: "undo" }),
    redo: () => this.#send({ kind: "redo" }),
    reset: () => this.#send({ kind: "reset" }),
    cancel: () => this.#escape(),
    tool: () => this.#set("tool", this.#other(this.#store.state.tool)),
    mask: () => this.#set("show_mask", !this.#store.state.showMask),
    views: () => this.#set("show_views", !this.#store.state.showViews),
    fainter: () => this.#setOpacity(-OPACITY_STEP),
    stronger: () => this.#setOpacity(OPACITY_STEP),
    fit: () => this.#fit(),
    actual: () => this.#zoom(this.#middle(), 1 / this.#viewport.scale),
    "zoom-in": () => this.#zoom(this.#middle(), ZOOM_STEP),
    "zoom-out": () => this.#zoom(this.#middle(), 1 / ZOOM_STEP),
    left: () => this.#moveCursor(-1, 0),
    right: () => this.#moveCursor(1, 0),
    up: () => this.#moveCursor(0, -1),
    down: () => this.#moveCursor(0, 1),
    click: () => this.#clickCursor(false),
    "click-negative": () => this.#clickCursor(true),
    help: () => this.#store.dispatch({ type: "help", open: !this.#store.state.help }),
  };

  #run(command: Command): void {
    this.#commands[command]();
  }

  #other(tool: Tool): Tool {
    return tool === "positive" ? "negative" : "positive";
  }

  #setOpacity(change: number): void {
    const value = this.#store.state.opacity + change;
    this.#set("opacity", Math.min(1, Math.max(0, Math.round(value * 100) / 100)));
  }

  /** Escape closes the list of keys, else cancels, else puts the crosshair away. */
  #escape(): void {
    const { state } = this.#store;
    if (state.help) {
      this.#store.dispatch({ type: "help", open: false });
    } else if (state.pending.length > 0 || state.activity !== null) {
      this.#clicked.clear();
      this.#send({ kind: "cancel" });
      this.#store.dispatch({ type: "cancelled" });
    } else if (state.cursor !== null) {
      this.#store.dispatch({ type: "cursor", at: null });
    }
  }

  #moveCursor(dx: number, dy: number): void {
    const { cursor, image } = this.#store.state;
    const step = Math.max(1, Math.round(8 / this.#viewport.scale));
    const from = cursor ?? viewport.toImage(this.#viewport, this.#middle());
    const keep = (value: number, length: number): number =>
      Math.min(length - 1, Math.max(0, Math.round(value)));
    const at =
      cursor === null
        ? { x: keep(from.x, image.width), y: keep(from.y, image.height) }
        : { x: keep(from.x + dx * step, image.width), y: keep(from.y + dy * step, image.height) };
    this.#store.dispatch({ type: "cursor", at });
    this.#view(viewport.reveal(this.#viewport, at, image, this.#size));
  }

  #clickCursor(negative: boolean): void {
    const { cursor } = this.#store.state;
    if (cursor === null) this.#moveCursor(0, 0);
    else this.#click(cursor, this.#isPositive(negative), performance.now());
  }

  #listen(): void {
    const { canvas, root, stage } = this.#panel;
    const input = new PointerInput(canvas, {
      click: (at, negative, time) => {
        const pixel = viewport.toImage(this.#viewport, at);
        this.#click(pixel, this.#isPositive(negative), time);
      },
      pan: (dx, dy) => this.#pan(dx, dy),
      zoom: (at, factor) => this.#zoom(at, factor),
      hover: (at) => this.#hover(at),
      focus: () => canvas.focus({ preventScroll: true }),
      hasFocus: () => root.contains(document.activeElement),
    });
    this.#cleanups.push(() => input.close());
    const abort = new AbortController();
    this.#cleanups.push(() => abort.abort());
    root.addEventListener("keydown", (event) => this.#onKey(event), { signal: abort.signal });
    const observer = new ResizeObserver(() => this.#measure());
    observer.observe(stage);
    this.#cleanups.push(() => observer.disconnect());
    window.addEventListener("resize", () => this.#measure(), { signal: abort.signal });
  }

  #onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || belongsToControl(event.target, event)) return;
    const command = commandOf(event);
    if (command === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.#run(command);
  }

  #hover(at: viewport.Point | null): void {
    const pixel = at === null ? null : viewport.toImage(this.#viewport, at);
    const inside = pixel !== null && viewport.isInside(pixel, this.#store.state.image);
    this.#store.dispatch({ type: "hover", at: inside ? pixel : null });
  }

  // What is in sight

  #middle(): viewport.Point {
    return { x: this.#size.width / 2, y: this.#size.height / 2 };
  }

  #fit(): void {
    this.#fitted = true;
    this.#view(viewport.fit(this.#store.state.image, this.#size));
  }

  #pan(dx: number, dy: number): void {
    this.#fitted = false;
    this.#view(viewport.pan(this.#viewport, dx, dy, this.#store.state.image, this.#size));
  }

  #zoom(at: viewport.Point, factor: number): void {
    this.#fitted = false;
    const scale = this.#viewport.scale * factor;
    this.#view(viewport.zoomTo(this.#viewport, scale, at, this.#store.state.image, this.#size));
  }

  #view(next: viewport.Viewport): void {
    this.#viewport = next;
    const { dataset } = this.#panel.canvas;
    dataset.scale = String(next.scale);
    dataset.offsetX = String(next.offsetX);
    dataset.offsetY = String(next.offsetY);
    this.#store.dispatch({ type: "scale", scale: next.scale });
    this.#redraw();
  }

  #setHeight(): void {
    const { image } = this.#store.state;
    const wanted = this.#model.get("height");
    const width = this.#panel.stage.clientWidth;
    const natural = Math.min(520, Math.max(200, (width * image.height) / image.width));
    this.#panel.stage.style.height = `${Math.round(wanted ?? natural)}px`;
  }

  #measure(): void {
    const { canvas, stage } = this.#panel;
    this.#setHeight();
    const size = { width: stage.clientWidth, height: stage.clientHeight };
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (size.width === 0 || size.height === 0) return;
    if (canvas.width === width && canvas.height === height) return;
    const before = this.#size;
    canvas.width = width;
    canvas.height = height;
    this.#size = size;
    if (this.#fitted) this.#fit();
    else this.#view(viewport.resized(this.#viewport, before, size, this.#store.state.image));
    // The canvas was cleared: draw before the browser paints, so that nothing flickers.
    this.#draw();
  }

  #onState(state: State, before: State): void {
    this.#panel.update(state);
    const { hover, latency, ...shown } = state;
    const looksSame = (Object.keys(shown) as (keyof typeof shown)[]).every(
      (name) => before[name] === state[name],
    );
    if (!looksSame) this.#redraw();
  }

  #redraw(): void {
    if (this.#frame !== 0 || this.#closed) return;
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const context = this.#panel.canvas.getContext("2d");
    if (context === null || this.#size.width === 0) return;
    draw({
      context,
      ratio: this.#panel.canvas.width / this.#size.width,
      size: this.#size,
      view: this.#viewport,
      state: this.#store.state,
      picture: this.#picture,
      overlay: this.#overlay,
    });
    this.#report();
  }

  /** Tell what is on the screen now, and how long the latest click took to get there. */
  #report(): void {
    const { dataset } = this.#panel.root;
    dataset.revision = String(this.#overlay.rev);
    const times = this.#arrived.flatMap((id) => this.#clicked.get(id) ?? []);
    for (const id of this.#arrived.splice(0)) this.#clicked.delete(id);
    if (times.length === 0) return;
    const latency = performance.now() - Math.max(...times);
    dataset.latencyMs = latency.toFixed(1);
    this.#store.dispatch({ type: "drawn", latency });
  }
}

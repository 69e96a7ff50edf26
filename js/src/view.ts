/** One view of the widget: joins model, wire, store, panel, pointers, keys, parts and drawing. */

import { FOLLOWED, isFollowed } from "./followed";
import { belongsToControl, type Command, Keys } from "./keyboard";
import { draw, MASK, type Scene } from "./layers";
import { Link } from "./link";
import type { Model, PageTraits } from "./model";
import { OthersOverlay, rgb } from "./others";
import { inflate, Overlay } from "./overlay";
import { Panel } from "./panel";
import { PARTS } from "./parts/index";
import type { Host, Part, Tool } from "./parts/part";
import { PictureLayer } from "./picture";
import {
  type Picture,
  type PictureData,
  type Reply,
  type RequestBody,
  type Result,
  toBytes,
} from "./protocol";
import { Still } from "./still";
import { Stopwatch } from "./stopwatch";
import { activeObject, initialState, type State, Store, type TraitState } from "./store/state";
import { type Drag, PointerInput, type Press, translated } from "./tools/input";
import * as viewport from "./viewport";

export class View implements Host {
  readonly model: Model;
  readonly store: Store;
  readonly panel: Panel;
  readonly overlay = new Overlay(MASK);
  readonly #others = new OthersOverlay();
  readonly #link: Link;
  readonly #keys = new Keys();
  readonly #parts: readonly Part[];
  readonly #tools = new Map<string, Tool>();
  readonly #cleanups: (() => void)[] = [];
  /** How long the overlays of clicks take. */
  readonly #stopwatch = new Stopwatch();
  readonly #picture = new PictureLayer({
    send: (body) => this.send(body),
    redraw: () => this.redraw(),
  });
  readonly #still = new Still();
  #size: viewport.Size = { width: 0, height: 0 };
  #viewport: viewport.Viewport = { scale: 1, offsetX: 0, offsetY: 0 };
  /** Whether the picture follows the canvas' size. */
  #fitted = true;
  #frame = 0;
  /** Messages are taken one after another, because inflating is asynchronous. */
  #messages: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(model: Model, host: HTMLElement) {
    this.model = model;
    const [width, height] = model.get("image_size");
    const traits = Object.values(FOLLOWED).map((read) => read(model));
    this.store = new Store(
      initialState(Object.assign({ image: { width, height } }, ...traits) as TraitState),
    );
    this.panel = new Panel({
      command: (command) => this.run(command),
      tool: (tool) => this.setTrait("tool", tool),
      opacity: (value) => this.setTrait("opacity", value),
      method: (name) => this.send({ kind: "method", name, options: null }),
      dismiss: (key) => this.#dismiss(key),
    });
    this.#link = new Link(model, {
      reply: (reply, buffers) => this.#queue(reply, buffers),
      problem: (message) => this.problem("Message not understood", message),
      alive: (alive) => this.#onAlive(alive),
      lost: (ids) => this.#onLost(ids),
    });
    this.#cleanups.push(() => this.#link.close());
    this.#parts = PARTS.map((make) => make(this));
    this.#plugIn();
    host.append(this.panel.root);
    this.#follow();
    this.#listen();
    this.#cleanups.push(this.store.subscribe((state, before) => this.#onState(state, before)));
    this.panel.update(this.store.state);
    this.measure();
    this.send({ kind: "hello", picture: true });
  }

  close(): void {
    this.#closed = true;
    cancelAnimationFrame(this.#frame);
    for (const part of this.#parts) part.close?.();
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
    this.#picture.close();
    this.panel.close();
  }

  // Parts

  #plugIn(): void {
    const own: Command[] = [
      {
        id: "cancel",
        keys: ["Escape"],
        label: "cancel what is running or queued",
        run: () => this.#escape(),
      },
      { id: "fit", keys: ["f"], label: "fit the picture", run: () => this.#fit() },
    ];
    const commands = [...this.#parts.flatMap((part) => part.commands ?? []), ...own];
    for (const command of commands) this.#keys.add(command);
    for (const tool of this.#parts.flatMap((part) => part.tools ?? [])) {
      this.#tools.set(tool.id, tool);
      this.panel.addTool(tool);
    }
    this.panel.listKeys(this.#keys.shortcuts());
  }

  get #tool(): Tool | undefined {
    return this.#tools.get(this.store.state.tool);
  }

  run(command: string): void {
    this.#keys.get(command)?.run();
  }

  viewport(): viewport.Viewport {
    return this.#viewport;
  }

  size(): viewport.Size {
    return this.#size;
  }

  owns(id: string | null): boolean {
    return this.#link.owns(id);
  }

  // What comes from the kernel

  #follow(): void {
    for (const [name, read] of Object.entries(FOLLOWED)) {
      const update = () => this.store.dispatch({ type: "traits", traits: read(this.model) });
      this.model.on(`change:${name}`, update);
      this.#cleanups.push(() => this.model.off(`change:${name}`, update));
    }
    const resize = () => this.#setHeight();
    this.model.on("change:height", resize);
    this.#cleanups.push(() => this.model.off("change:height", resize));
  }

  #queue(reply: Reply, buffers: readonly unknown[]): void {
    // Tiles may come in any order, and a result does not wait for them.
    if (reply.kind === "tile") return void this.#picture.take(reply, buffers[0]);
    this.#stopwatch.hear(reply);
    this.#messages = this.#messages
      .then(() => (this.#closed ? undefined : this.#take(reply, buffers)))
      .catch((error: unknown) => this.problem("Could not show the answer", String(error)));
  }

  async #take(reply: Reply, buffers: readonly unknown[]): Promise<void> {
    if (reply.kind === "picture") return this.#takePicture(reply, buffers[0]);
    if (reply.kind === "result") return this.#takeResult(reply, buffers);
    if (reply.kind === "error" || reply.kind === "cancelled") {
      this.#stopwatch.forget(reply.ids);
      this.#picture.lost(reply.ids);
      this.panel.resetMethod(this.store.state);
    }
    this.store.dispatch({ type: "reply", reply });
    for (const part of this.#parts) await part.reply?.(reply, buffers);
  }

  async #takePicture(reply: Picture, buffer: unknown): Promise<void> {
    if (!this.owns(reply.id)) return;
    if (!(await this.#picture.load(reply, buffer))) return;
    this.#shown({ width: reply.width, height: reply.height });
    this.store.dispatch({ type: "connection", connection: "ready" });
  }

  openPicture(picture: PictureData, buffer: unknown, rev: number): Promise<void> {
    return this.#picture.keep(picture, buffer, rev);
  }

  #shown(image: viewport.Size): void {
    const before = this.store.state.image;
    if (before.width !== image.width || before.height !== image.height) {
      this.store.dispatch({ type: "traits", traits: { image } });
      this.#fit();
    }
    this.store.dispatch({ type: "picture" });
  }

  /** The picture changes with its masks, so that nothing of one is ever seen on the other. */
  #turnPage(rev: number): void {
    const image = this.#picture.turn(rev);
    if (image === null) return;
    this.#shown(image);
    this.#tool?.left?.(); // a polygon that was begun, and the like
    this.store.dispatch({ type: "cursor", at: null });
    this.#fit();
  }

  async #takeResult(reply: Result, buffers: readonly unknown[]): Promise<void> {
    const part = async (name: Result["buffers"][number]): Promise<Uint8Array> => {
      const place = reply.buffers.indexOf(name);
      return place < 0 ? new Uint8Array(0) : inflate(toBytes(buffers[place]));
    };
    const [bits, codes] = await Promise.all([part("mask"), part("others")]);
    if (this.#closed || (reply.base === null && reply.rev < this.overlay.rev)) return;
    const { base } = reply.others;
    const follows = base === null || base === this.overlay.rev;
    if (!follows || !this.overlay.apply(reply, bits)) {
      // A message was missed: ask for the whole mask. A full one may already be on its way.
      // Of several images it may be another one by now.
      const picture = this.model.get("images") > 0;
      if (reply.rev > this.overlay.rev) this.send({ kind: "hello", picture });
      return;
    }
    this.#turnPage(reply.rev);
    this.#others.apply(reply, codes);
    this.#others.colour(reply.objects);
    this.#stopwatch.ready(reply.ids);
    this.store.dispatch({ type: "reply", reply });
    const active = activeObject(this.store.state);
    if (active !== null) this.overlay.tint(rgb(active.colour));
    for (const each of this.#parts) await each.reply?.(reply, buffers);
    this.redraw();
  }

  #onAlive(alive: boolean): void {
    const { hasPicture } = this.store.state;
    const connection = alive ? (hasPicture ? "ready" : "loading") : "lost";
    this.store.dispatch({ type: "connection", connection });
  }

  #onLost(ids: readonly string[]): void {
    const { pending } = this.store.state;
    const clicks = pending.filter((click) => ids.includes(click.id));
    this.#picture.lost(ids);
    this.store.dispatch({ type: "lost", ids });
    if (clicks.length === 0) return;
    this.problem("Lost on the way", `${clicks.length} of the clicks did not reach the kernel.`);
  }

  problem(title: string, message: string): void {
    this.store.dispatch({ type: "problem", title, message });
  }

  // What the person does

  send(body: RequestBody): string {
    return this.#link.send(body, this.overlay.rev);
  }

  click(at: viewport.Point, positive: boolean, time: number): void {
    const { image } = this.store.state;
    if (!viewport.isInside(at, image)) return;
    // A hundredth of a pixel is plenty, and keeps the log readable.
    const click = { x: Math.round(at.x * 100) / 100, y: Math.round(at.y * 100) / 100, positive };
    const id = this.send({ kind: "click", ...click });
    this.#stopwatch.start(id, time);
    this.store.dispatch({ type: "sent", click: { id, ...click } });
  }

  setTrait<K extends keyof PageTraits>(name: K, value: PageTraits[K]): void {
    const before = this.#tool;
    this.model.set(name, value);
    this.model.save_changes();
    if (isFollowed(name)) {
      this.store.dispatch({ type: "traits", traits: FOLLOWED[name](this.model) });
    }
    if (this.#tool !== before) before?.left?.();
  }

  #dismiss(key: number): void {
    this.store.dispatch({ type: "dismiss", key });
    this.panel.canvas.focus();
  }

  /** Escape closes the list of keys, else puts away what a part shows, else cancels. */
  #escape(): void {
    const { state } = this.store;
    if (state.help) {
      this.store.dispatch({ type: "help", open: false });
    } else if (this.#parts.some((part) => part.escape?.())) {
      this.redraw();
    } else if (state.pending.length > 0 || state.activity !== null) {
      this.#stopwatch.clear();
      this.send({ kind: "cancel" });
      this.store.dispatch({ type: "cancelled" });
    }
  }

  #listen(): void {
    const { canvas, root, stage } = this.panel;
    this.listenTo(canvas);
    const abort = new AbortController();
    this.#cleanups.push(() => abort.abort());
    root.addEventListener("keydown", (event) => this.#onKey(event), { signal: abort.signal });
    const observer = new ResizeObserver(() => this.measure());
    observer.observe(stage);
    this.#cleanups.push(() => observer.disconnect());
    window.addEventListener("resize", () => this.measure(), { signal: abort.signal });
  }

  listenTo(canvas: HTMLCanvasElement): void {
    const { root } = this.panel;
    const pixel = (at: viewport.Point) => viewport.toImage(this.#viewport, at);
    const input = new PointerInput(canvas, {
      click: (at, press) => this.#tool?.click?.(pixel(at), press),
      grab: (at, press) => this.#grab(pixel(at), press),
      pan: (dx, dy) => this.#pan(dx, dy),
      zoom: (at, factor) => this.#zoom(at, factor),
      hover: (at) => this.#hover(at),
      finger: (at) => {
        for (const part of this.#parts) part.finger?.(at === null ? null : pixel(at));
      },
      focus: () => this.panel.canvas.focus({ preventScroll: true }),
      hasFocus: () => root.contains(document.activeElement),
    });
    this.#cleanups.push(() => input.close());
  }

  /** A part takes the press, else the tool does; positions reach them in pixels of the image. */
  #grab(at: viewport.Point, press: Press): Drag | null {
    let drag: Drag | null = null;
    for (const part of this.#parts) drag ??= part.grab?.(at, press) ?? null;
    drag ??= this.#tool?.grab?.(at, press) ?? null;
    if (drag === null) return null;
    return translated(drag, (point) => viewport.toImage(this.#viewport, point));
  }

  #onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || belongsToControl(event.target, event)) return;
    const taken = this.#tool?.key?.(event) ?? false;
    const command = taken ? null : this.#keys.of(event);
    if (!taken && command === null) return;
    event.preventDefault();
    event.stopPropagation();
    command?.run();
  }

  #hover(at: viewport.Point | null): void {
    const pixel = at === null ? null : viewport.toImage(this.#viewport, at);
    const inside = pixel !== null && viewport.isInside(pixel, this.store.state.image);
    this.store.dispatch({ type: "hover", at: inside ? pixel : null });
    for (const part of this.#parts) part.hover?.(inside ? pixel : null);
  }

  // What is in sight

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
    const { dataset } = this.panel.canvas;
    dataset.scale = String(next.scale);
    dataset.offsetX = String(next.offsetX);
    dataset.offsetY = String(next.offsetY);
    this.store.dispatch({ type: "scale", scale: next.scale });
    this.redraw();
  }

  #setHeight(): void {
    const { image } = this.store.state;
    const wanted = this.model.get("height");
    // With many images the page stays where it is, whatever their shapes, and with any panel.
    const many = this.model.get("images") > 0;
    const width = (many ? this.panel.root : this.panel.stage).clientWidth;
    const shape = many ? 0.62 : image.height / image.width;
    const natural = Math.min(520, Math.max(200, width * shape));
    this.panel.stage.style.height = `${Math.round(wanted ?? natural)}px`;
  }

  measure(): void {
    const { canvas } = this.panel;
    this.#setHeight();
    const size = { width: canvas.clientWidth, height: canvas.clientHeight };
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (size.width === 0 || size.height === 0) return;
    if (canvas.width === width && canvas.height === height) return;
    const before = this.#size;
    canvas.width = width;
    canvas.height = height;
    this.#size = size;
    if (this.#fitted) this.#fit();
    else this.#view(viewport.resized(this.#viewport, before, size, this.store.state.image));
    // The canvas was cleared: draw before the browser paints, so that nothing flickers.
    this.#draw();
  }

  #onState(state: State, before: State): void {
    this.panel.update(state);
    this.panel.canvas.style.cursor = this.#tool?.cursor ?? "";
    for (const part of this.#parts) part.update?.(state, before);
    const { hover, latency, ...shown } = state;
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
    const context = this.panel.canvas.getContext("2d");
    if (context === null || this.#size.width === 0) return;
    const ratio = this.panel.canvas.width / this.#size.width;
    this.#picture.look(this.#viewport, this.#size, ratio);
    let scene: Scene = {
      context,
      ratio,
      size: this.#size,
      view: viewport.onDevicePixels(this.#viewport, ratio),
      state: this.store.state,
      picture: this.#picture.pyramid,
      overlay: this.overlay,
      others: this.#others,
    };
    for (const part of this.#parts) scene = part.scene?.(scene) ?? scene;
    const between = (): void => {
      for (const part of this.#parts) part.draw?.(scene);
    };
    const own = this.#parts.find((part) => part.drawsMask?.());
    draw(scene, this.#still, between, own ? (shown) => own.drawMask?.(shown) : null);
    for (const part of this.#parts) part.drawOver?.(scene);
    this.#report();
  }

  /** Tell what is on the screen now, and how long the latest click took to get there. */
  #report(): void {
    const { dataset } = this.panel.root;
    dataset.revision = String(this.overlay.rev);
    dataset.sharp = String(this.#picture.pyramid?.complete ?? false);
    const timed = this.#stopwatch.drawn();
    if (timed === null) return;
    const { id, marks } = timed;
    const latency = marks.drawn - marks.pressed;
    dataset.latencyMs = latency.toFixed(1);
    this.store.dispatch({ type: "drawn", latency });
    if (marks.heard > 0) this.send({ kind: "timing", of: id, ...marks });
  }
}

/** Box, scribble, brush, eraser, lasso, polygon and filling: drawn at once, sent as vectors. */

import { icon } from "../icons";
import type { Command, Stroke } from "../keyboard";
import type { Scene } from "../layers";
import type { Reply, RequestBody } from "../protocol";
import type { State } from "../store/state";
import { boxOf, corners, distance } from "../tools/geometry";
import type { Drag, Press } from "../tools/input";
import { IDS, type Id, isDrawing, KINDS } from "../tools/kinds";
import { SMALLEST_RADIUS, ToolOptions } from "../tools/options";
import { OutlineBar, reachOf } from "../tools/outline-bar";
import { drawRing, drawShape, type Shape } from "../tools/shapes";
import { isInside, type Point } from "../viewport";
import type { Host, Part, Tool } from "./part";

/** Each press of a key makes the brush larger or smaller by this factor. */
const SIZE_STEP = 1.25;
/** The brush to begin with, and the largest, as shares of the image's sides. */
const [FIRST_RADIUS, LARGEST_RADIUS] = [0.025, 0.25];
/** Points of a line nearer than this, in CSS pixels, are one. */
const FINE = 0.5;

class Drawing {
  readonly #host: Host;
  readonly #options: ToolOptions;
  readonly #largest: number;
  #radius: number;
  #subtract = false;
  /** What is being drawn. */
  #shape: Shape | null = null;
  /** The corner that a polygon would get next. */
  #next: Point | null = null;
  /** A drag with arrow keys and Enter. */
  #keyed: Drag | null = null;
  #start: Point | null = null;
  #hover: Point | null = null;
  readonly #bar = new OutlineBar("polygon", {
    close: () => this.#close(),
    back: () => this.#back(),
    abandon: () => this.abandon(),
  });
  /** What was sent and is not in the mask yet, by request. */
  readonly #sent = new Map<string, Shape>();

  constructor(host: Host) {
    this.#host = host;
    const { width, height } = host.store.state.image;
    this.#largest = Math.max(4, Math.round(LARGEST_RADIUS * Math.max(width, height)));
    this.#radius = Math.max(2, Math.round(FIRST_RADIUS * Math.min(width, height)));
    this.#options = new ToolOptions(this.#largest, {
      subtract: (on) => this.#setSubtract(on),
      radius: (value) => this.#resize(value),
    });
    host.panel.stage.append(this.#options.root, this.#bar.root);
    this.update(host.store.state);
  }

  tools(): Tool[] {
    return IDS.map((id) => ({
      id,
      name: "",
      title: KINDS[id].title,
      icon: icon(id),
      cursor: "crosshair",
      key: (stroke) => this.#key(id, stroke),
      left: () => this.abandon(),
      ...(id === "fill" || id === "polygon"
        ? { click: (at: Point, press: Press) => this.#click(id, at, press) }
        : { grab: (at: Point, press: Press) => this.#grab(id, at, press) }),
    }));
  }

  commands(): Command[] {
    return [
      ...IDS.map((id) => ({
        id: `tool-${id}`,
        keys: [KINDS[id].key],
        label: KINDS[id].label,
        run: () => this.#host.setTrait("tool", id),
      })),
      {
        id: "brush-smaller",
        keys: ["{", "Shift+{", "Shift+["],
        shown: ["Shift + [", "Shift + ]"],
        label: "brush smaller, larger",
        run: () => this.#resize(this.#radius / SIZE_STEP),
      },
      {
        id: "brush-larger",
        keys: ["}", "Shift+}", "Shift+]"],
        run: () => this.#resize(this.#radius * SIZE_STEP),
      },
      {
        id: "draw",
        keys: [],
        shown: ["Enter", "arrows", "Enter"],
        label: "draw with the chosen tool without a mouse (Esc puts it away)",
        run: () => {},
      },
    ];
  }

  // What is set

  #setSubtract(on: boolean): void {
    this.#subtract = on;
    this.update(this.#host.store.state);
    this.#host.redraw();
  }

  #resize(radius: number): void {
    this.#radius = Math.min(this.#largest, Math.max(SMALLEST_RADIUS, radius));
    this.update(this.#host.store.state);
    this.#host.redraw();
  }

  /** Bring the options in line, and follow the crosshair. */
  update(state: State, before?: State): void {
    const wanted = isDrawing(state.tool) ? KINDS[state.tool] : null;
    const shown = wanted !== null && (wanted.size || wanted.signs !== null || wanted.hint !== "");
    this.#options.update(shown ? wanted : null, this.#subtract, this.#radius);
    if (before === undefined) return;
    if (state.cursor !== before.cursor && state.cursor !== null) this.#keyed?.move(state.cursor);
    if (state.connection === "lost" && before.connection !== "lost") this.#sent.clear();
  }

  hover(at: Point | null): void {
    const { tool } = this.#host.store.state;
    this.#hover = at;
    if (this.#shape?.kind === "polygon") this.#next = at;
    if (tool === "brush" || tool === "eraser" || this.#shape !== null) this.#host.redraw();
  }

  // What is drawn

  #grab(id: Id, at: Point, press: Press): Drag | null {
    const opposite = press.negative || press.altKey;
    const shape: Shape = {
      kind: id === "box" ? "box" : id === "scribble" ? "scribble" : "stroke",
      points: [at],
      negative: opposite,
    };
    if (id === "brush" || id === "eraser") {
      shape.radius = this.#radius;
      shape.negative = (id === "eraser") !== opposite;
    } else if (id !== "box") {
      shape.kind = id === "lasso" ? "outline" : "scribble";
      shape.negative = this.#subtract !== opposite;
    }
    this.#shape = shape;
    this.#host.redraw();
    return {
      move: (to) => this.#extend(shape, to),
      drop: (to, moved) => {
        if (this.#shape !== shape) return; // Escape put it away
        this.#extend(shape, to);
        this.#finish(shape, moved);
      },
      cancel: () => {
        if (this.#shape === shape) this.abandon();
      },
    };
  }

  #extend(shape: Shape, to: Point): void {
    if (this.#shape !== shape) return;
    const last = shape.points.at(-1);
    if (last !== undefined && this.#screen(last, to) < FINE) return;
    if (shape.kind === "box") shape.points[1] = to;
    else shape.points.push(to);
    this.#host.redraw();
  }

  /** Distance in CSS pixels. */
  #screen(a: Point, b: Point): number {
    return distance(a, b) * this.#host.viewport().scale;
  }

  #click(id: Id, at: Point, press: Press): void {
    if (id === "polygon") {
      this.#corner(at, press);
    } else if (isInside(at, this.#host.store.state.image)) {
      const [x, y] = corners([at], 1);
      if (x === undefined || y === undefined) return;
      this.#send({ kind: "fill", x, y }, { kind: "dot", points: [at], negative: false });
    }
  }

  #corner(at: Point, press: Press): void {
    const near = reachOf(press.pointerType);
    if (this.#shape === null) {
      const negative = this.#subtract !== (press.negative || press.altKey);
      this.#shape = { kind: "polygon", points: [at], negative };
    } else {
      const { points } = this.#shape;
      const means = (corner: Point | undefined): boolean =>
        corner !== undefined && this.#screen(corner, at) <= near;
      if (points.length >= 3 && (means(points[0]) || means(points.at(-1)))) {
        this.#finish(this.#shape, true);
        return;
      }
      if (!means(points.at(-1))) points.push(at);
    }
    this.#next = null;
    this.#outlined();
    this.#host.panel.say(`Corner ${this.#shape.points.length} of a polygon`);
  }

  /** The polygon got or lost a corner. */
  #outlined(): void {
    this.#bar.update(this.#shape?.kind === "polygon" ? this.#shape.points.length : 0);
    this.#host.redraw();
  }

  #back(): void {
    this.#shape?.points.pop();
    if (this.#shape?.points.length === 0) this.abandon();
    this.#outlined();
  }

  #close(): void {
    if (this.#shape?.kind === "polygon" && this.#shape.points.length >= 3) {
      this.#finish(this.#shape, true);
    }
  }

  #finish(shape: Shape, moved: boolean): void {
    this.#shape = null;
    this.#next = null;
    this.#outlined();
    const { scale } = this.#host.viewport();
    const line = corners(shape.points, scale);
    if (shape.kind === "box") {
      const [from, to] = [shape.points[0], shape.points.at(-1)];
      // A press that did not move is no box.
      if (moved && from !== undefined && to !== undefined) {
        const [x0, y0, x1, y1] = boxOf(from, to);
        this.#send({ kind: "box", x0, y0, x1, y1 }, shape);
      }
    } else if (shape.kind === "stroke") {
      const radius = Math.round((shape.radius ?? 0) * 100) / 100;
      this.#send({ kind: "brush", corners: line, radius, erase: shape.negative }, shape);
    } else if (shape.kind === "scribble") {
      this.#send({ kind: "scribble", corners: line, positive: !shape.negative }, shape);
    } else if (moved && line.length >= 6) {
      this.#send({ kind: "polygon", corners: line, erase: shape.negative }, shape);
    }
    this.#host.redraw();
  }

  #send(body: RequestBody, shape: Shape): void {
    this.#sent.set(this.#host.send(body), shape);
    this.#host.redraw();
  }

  reply(reply: Reply): void {
    if (reply.kind !== "result" && reply.kind !== "error" && reply.kind !== "cancelled") return;
    for (const id of reply.ids) this.#sent.delete(id);
  }

  /** Put away what is being drawn; false when there was nothing. */
  abandon(): boolean {
    const had = this.#shape !== null;
    this.#shape = null;
    this.#next = null;
    this.#keyed = null;
    if (had) this.#outlined();
    return had;
  }

  // Keys

  #key(id: Id, stroke: Stroke): boolean {
    if (stroke.ctrlKey || stroke.metaKey || stroke.altKey) return false;
    const { key } = stroke;
    if (key === "Enter") return this.#enter(id, stroke.shiftKey);
    if ((key === "Backspace" || key === "Delete") && this.#shape?.kind === "polygon") {
      this.#back();
      return true;
    }
    if (key.toLowerCase() !== "x") return false;
    if (id === "brush" || id === "eraser") {
      this.#host.setTrait("tool", id === "brush" ? "eraser" : "brush");
      return true;
    }
    if (KINDS[id].signs === null) return false;
    this.#setSubtract(!this.#subtract);
    return true;
  }

  /** Enter presses and lifts the pointer at the crosshair; without one it closes a polygon. */
  #enter(id: Id, negative: boolean): boolean {
    const { cursor } = this.#host.store.state;
    const shape = this.#shape;
    if (id === "polygon" && shape !== null && shape.points.length >= 3 && cursor === null) {
      this.#finish(shape, true);
      return true;
    }
    if (cursor === null) return false;
    const press: Press = {
      negative,
      pointerType: "keyboard",
      time: performance.now(),
      shiftKey: negative,
      ctrlKey: false,
      altKey: false,
    };
    if (id === "polygon" || id === "fill") {
      this.#click(id, cursor, press);
    } else if (this.#keyed !== null) {
      // A box of one point is none.
      this.#keyed.drop(cursor, id !== "box" || distance(this.#start ?? cursor, cursor) > 0);
      this.#keyed = null;
      this.#host.panel.say("Drawn");
    } else {
      this.#keyed = this.#grab(id, cursor, press);
      this.#start = cursor;
      this.#host.panel.say("Arrow keys draw, Enter ends, Escape puts it away");
    }
    return true;
  }

  draw(scene: Scene): void {
    for (const shape of this.#sent.values()) drawShape(scene, shape, true);
    const { tool } = scene.state;
    if (this.#shape !== null) {
      const { points } = this.#shape;
      const next = this.#next === null ? [] : [this.#next];
      drawShape(scene, { ...this.#shape, points: [...points, ...next] }, false);
    }
    const at = this.#hover ?? scene.state.cursor;
    if (at !== null && (tool === "brush" || tool === "eraser")) drawRing(scene, at, this.#radius);
  }
}

export function drawing(host: Host): Part {
  const made = new Drawing(host);
  return {
    tools: made.tools(),
    commands: made.commands(),
    draw: (scene) => made.draw(scene),
    reply: (reply) => made.reply(reply),
    update: (state, before) => made.update(state, before),
    hover: (at) => made.hover(at),
    escape: () => made.abandon(),
  };
}

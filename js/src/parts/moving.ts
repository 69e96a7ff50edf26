/** Clicks that are there: drag one to move it, delete it; what came after is computed again. */

import { icon } from "../icons";
import type { Scene } from "../layers";
import { button } from "../panel";
import type { ClickData, Reply } from "../protocol";
import type { State } from "../store/state";
import { distance } from "../tools/geometry";
import type { Drag, Press } from "../tools/input";
import { type Point, toScreen } from "../viewport";
import type { Basics, Host, Part, Surface } from "./part";

/** CSS pixels around the middle of a click that belong to it. */
const REACH = { mouse: 8, pen: 10, touch: 18 };
/** CSS pixels that Shift and an arrow key move a click. */
const STEP = 4;
/** Milliseconds after the last key until a click that was moved by keys is sent. */
const SETTLED = 500;

interface Moved {
  index: number;
  click: ClickData;
  to: Point;
}

class Moving {
  readonly #host: Basics;
  readonly #surface: () => Surface;
  /** The canvas that has a title because of the click under the pointer. */
  #titled: HTMLCanvasElement | null = null;
  readonly #remove: HTMLButtonElement;
  /** The click under the pointer, or tapped. */
  #hovered: number | null = null;
  #tapped: number | null = null;
  #moved: Moved | null = null;
  /** The press that drags it, and the one that Escape put away. */
  #held: Press | null = null;
  #escaped: Press | null = null;
  #timer = 0;
  readonly #sent = new Map<string, Moved>();

  constructor(host: Basics, surface: () => Surface) {
    this.#host = host;
    this.#surface = surface;
    this.#remove = button("click-remove", "Remove this click", icon("close"), () => {
      if (this.#tapped !== null) this.remove(this.#tapped);
    });
    this.#remove.classList.add("iseg-click-remove");
    this.#remove.hidden = true;
    surface().stage.append(this.#remove);
  }

  /** The click nearest to a position, if that is within its reach. */
  #at(at: Point, reach: number): number | null {
    const { scale } = this.#host.viewport();
    let found: number | null = null;
    let least = reach / scale;
    this.#host.store.state.clicks.forEach((click, index) => {
      const away = distance(click, at);
      if (away <= least) {
        least = away;
        found = index;
      }
    });
    return found;
  }

  grab(at: Point, press: Press): Drag | null {
    const { tool, pending, clicks } = this.#host.store.state;
    const reach = REACH[press.pointerType as keyof typeof REACH] ?? REACH.mouse;
    const index = this.#at(at, reach);
    this.#tap(null);
    if ((tool !== "positive" && tool !== "negative") || pending.length > 0) return null;
    const click = index === null ? undefined : clicks[index];
    if (index === null || click === undefined) return null;
    const moved: Moved = { index, click, to: click };
    const off = { x: click.x - at.x, y: click.y - at.y };
    return {
      move: (to) => {
        if (this.#escaped === press) return;
        this.#held = press;
        this.#moved = moved;
        moved.to = this.#inside({ x: to.x + off.x, y: to.y + off.y });
        this.#host.redraw();
      },
      drop: (_, far) => {
        const given = this.#escaped === press;
        this.#moved = this.#held = null;
        if (given) return;
        if (far) this.#send(moved);
        else if (press.pointerType === "touch") this.#tap(index);
        else this.#host.click(at, (tool === "positive") !== press.negative, press.time);
        this.#host.redraw();
      },
      cancel: () => {
        this.#moved = this.#held = null;
        this.#host.redraw();
      },
    };
  }

  #inside({ x, y }: Point): Point {
    const { width, height } = this.#host.store.state.image;
    const keep = (value: number, length: number): number =>
      Math.round(Math.min(length - 1, Math.max(0, value)) * 100) / 100;
    return { x: keep(x, width), y: keep(y, height) };
  }

  #send(moved: Moved): void {
    const { index, click, to } = moved;
    // Meanwhile it may have become another click.
    if (this.#host.store.state.clicks[index] !== click || distance(click, to) === 0) return;
    this.#sent.set(this.#host.send({ kind: "move_click", index, ...to }), moved);
  }

  remove(index: number): void {
    if (index >= this.#host.store.state.clicks.length) return;
    this.#tap(null);
    this.#hovered = null;
    this.#host.send({ kind: "remove_click", index });
  }

  /** The click that keys are for: under the pointer, tapped, or under the crosshair. */
  #meant(): number | null {
    const { cursor } = this.#host.store.state;
    const under = cursor === null ? null : this.#at(cursor, REACH.touch);
    return this.#hovered ?? this.#tapped ?? under;
  }

  removeMeant(): void {
    const index = this.#meant();
    if (index !== null) this.remove(index);
  }

  /** Move a click by keys; it is sent when the keys rest. */
  nudge(dx: number, dy: number): void {
    const { clicks } = this.#host.store.state;
    const index = this.#moved?.index ?? this.#meant() ?? clicks.length - 1;
    const click = clicks[index];
    if (click === undefined) return;
    const moved = this.#moved ?? { index, click, to: click };
    const step = Math.max(0.25, STEP / this.#host.viewport().scale);
    moved.to = this.#inside({ x: moved.to.x + dx * step, y: moved.to.y + dy * step });
    this.#moved = moved;
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      this.#moved = null;
      this.#send(moved);
      this.#host.redraw();
    }, SETTLED);
    this.#host.redraw();
  }

  #tap(index: number | null): void {
    this.#tapped = index;
    const { stage } = this.#surface();
    if (index !== null && this.#remove.parentNode !== stage) stage.append(this.#remove);
    this.#place();
    this.#host.redraw();
  }

  /** Put the button that removes the tapped click beside it. */
  #place(): void {
    const click = this.#tapped === null ? undefined : this.#host.store.state.clicks[this.#tapped];
    this.#remove.hidden = click === undefined;
    if (click === undefined) return;
    const { x, y } = toScreen(this.#host.viewport(), click);
    this.#remove.style.left = `${Math.round(x + 14)}px`;
    this.#remove.style.top = `${Math.round(y + 10)}px`;
  }

  hover(at: Point | null): void {
    const { tool } = this.#host.store.state;
    const clicking = tool === "positive" || tool === "negative";
    const index = at === null || !clicking ? null : this.#at(at, REACH.mouse);
    const { canvas } = this.#surface();
    if (index !== null) canvas.style.cursor = "grab";
    if (index === this.#hovered) return;
    this.#hovered = index;
    this.#title(index);
    this.#host.redraw();
  }

  #title(index: number | null): void {
    if (this.#titled !== null) this.#titled.title = "";
    this.#titled = index === null ? null : this.#surface().canvas;
    if (this.#titled === null || index === null) return;
    this.#titled.title = `Click ${index + 1}: drag to move, Delete removes`;
  }

  update(state: State, before: State): void {
    if (state.clicks !== before.clicks) {
      this.#hovered = null;
      this.#title(null);
      this.#tap(null);
    }
    // Keys mean the click under the crosshair once that is moved, wherever the pointer lies.
    if (state.cursor !== before.cursor && state.cursor !== null) this.#hovered = null;
    if (state.scale !== before.scale) this.#place();
  }

  reply(reply: Reply): void {
    // What only tells that it is worked on is no answer.
    if (reply.kind === "activity" || !("ids" in reply)) return;
    for (const id of reply.ids) this.#sent.delete(id);
  }

  draw(scene: Scene): void {
    const { clicks } = scene.state;
    if (this.#tapped !== null) this.#place();
    for (const index of [this.#hovered, this.#tapped]) {
      const click = index === null ? undefined : clicks[index];
      if (click !== undefined && this.#moved === null) ring(scene, click, 11, []);
    }
    for (const moved of [...this.#sent.values(), this.#moved]) {
      if (moved === null) continue;
      line(scene, moved.click, moved.to);
      ring(scene, moved.to, 8, [3, 2.5]);
    }
  }

  escape(): boolean {
    const had = this.#moved !== null || this.#tapped !== null;
    this.#escaped = this.#held;
    window.clearTimeout(this.#timer);
    this.#moved = null;
    this.#tap(null);
    return had;
  }

  close(): void {
    window.clearTimeout(this.#timer);
  }
}

function ring(scene: Scene, at: Point, radius: number, dash: number[]): void {
  const { context, view } = scene;
  const { x, y } = toScreen(view, at);
  const path = new Path2D();
  path.arc(x, y, radius, 0, 2 * Math.PI);
  twice(scene, path, dash);
  context.setLineDash([]);
}

function line(scene: Scene, from: Point, to: Point): void {
  const [a, b] = [toScreen(scene.view, from), toScreen(scene.view, to)];
  const path = new Path2D();
  path.moveTo(a.x, a.y);
  path.lineTo(b.x, b.y);
  twice(scene, path, [3, 3]);
}

function twice({ context }: Scene, path: Path2D, dash: number[]): void {
  context.setLineDash([]);
  context.strokeStyle = "rgba(0, 0, 0, 0.55)";
  context.lineWidth = 3.5;
  context.stroke(path);
  context.setLineDash(dash);
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1.75;
  context.stroke(path);
  context.setLineDash([]);
}

export const moving = (host: Host): Part => movingOn(host, () => host.panel);

/** The same where there are several pictures: `surface` is the one that the pointer is at. */
export function movingOn(host: Basics, surface: () => Surface): Part {
  const made = new Moving(host, surface);
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  return {
    commands: [
      {
        id: "remove-click",
        keys: ["Delete", "Backspace"],
        shown: ["Delete"],
        label: "remove the click under the pointer or the crosshair",
        run: () => made.removeMeant(),
      },
      ...Object.entries(arrows).map(([key, [dx = 0, dy = 0]], index) => ({
        id: `nudge-${key}`,
        keys: [`Shift+${key}`],
        ...(index === 0
          ? { shown: ["Shift + arrows"], label: "move that click, or the latest" }
          : {}),
        run: () => made.nudge(dx, dy),
      })),
    ],
    grab: (at, press) => made.grab(at, press),
    hover: (at) => made.hover(at),
    update: (state, before) => made.update(state, before),
    reply: (reply) => made.reply(reply),
    draw: (scene) => made.draw(scene),
    escape: () => made.escape(),
    close: () => made.close(),
  };
}

/**
 * Intelligent scissors: an outline that clings to edges. Each corner is placed by a click; the line
 * to the next one is the kernel's, asked for again as the pointer moves.
 */

import { icon } from "../icons";
import type { Stroke } from "../keyboard";
import type { Scene } from "../layers";
import type { Reply } from "../protocol";
import type { State } from "../store/state";
import { corners, distance } from "../tools/geometry";
import type { Press } from "../tools/input";
import { OutlineBar, reachOf } from "../tools/outline-bar";
import { drawShape, type Shape } from "../tools/shapes";
import type { Point } from "../viewport";
import type { Host, Part, Tool } from "./part";

const ID = "scissors";
/** A line between two corners; straight until the kernel has answered. */
interface Piece {
  from: Point;
  to: Point;
  line: Point[];
  asked: string | null;
}

class Scissors {
  readonly #host: Host;
  #first: Point | null = null;
  #negative = false;
  #pieces: Piece[] = [];
  /** The line to the pointer. */
  #loose: Piece | null = null;
  /** The outline is complete but for lines that the kernel owes. */
  #closing = false;
  #sent: { id: string; shape: Shape } | null = null;

  readonly #bar = new OutlineBar(ID, {
    close: () => this.#finishByHand(),
    back: () => this.#back(),
    abandon: () => this.abandon(),
  });

  constructor(host: Host) {
    this.#host = host;
    host.panel.stage.append(this.#bar.root);
  }

  tool(): Tool {
    return {
      id: ID,
      name: "",
      title: "Scissors: an outline that clings to edges (Shift + O)",
      icon: icon(ID),
      cursor: "crosshair",
      click: (at, press) => this.#click(at, press),
      key: (stroke) => this.#key(stroke),
      left: () => this.abandon(),
    };
  }

  get #end(): Point | null {
    return this.#pieces.at(-1)?.to ?? this.#first;
  }

  #changed(): void {
    const placed = this.#first === null || this.#closing ? 0 : 1 + this.#pieces.length;
    this.#bar.update(placed);
    this.#host.redraw();
  }

  #near(a: Point | null, b: Point, reach: number): boolean {
    return a !== null && distance(a, b) * this.#host.viewport().scale <= reach;
  }

  #click(at: Point, press: Press): void {
    if (this.#closing) return;
    const end = this.#end;
    const reach = reachOf(press.pointerType);
    const means = (corner: Point | null): boolean => this.#near(corner, at, reach);
    if (this.#first === null || end === null) {
      this.#first = at;
      this.#negative = press.negative || press.altKey;
    } else if (this.#pieces.length >= 2 && (means(this.#first) || means(end))) {
      this.#close();
    } else if (!means(end)) {
      this.#add(end, at);
    }
    this.#changed();
    this.#host.panel.say(
      this.#closing ? "Outline closed" : `Corner ${1 + this.#pieces.length} of an outline`,
    );
  }

  #add(from: Point, to: Point): void {
    this.#pieces.push(this.#piece(from, to));
    this.#loose = null;
  }

  #piece(from: Point, to: Point): Piece {
    const ends = { x0: from.x, y0: from.y, x1: to.x, y1: to.y };
    return { from, to, line: [from, to], asked: this.#host.send({ kind: "wire", ...ends }) };
  }

  #close(): void {
    const end = this.#end;
    if (this.#first === null || end === null || this.#pieces.length < 2) return;
    this.#add(end, this.#first);
    this.#closing = true;
  }

  hover(at: Point | null): void {
    const end = this.#end;
    if (this.#host.store.state.tool !== ID || this.#closing || end === null) return;
    if (at === null) this.#loose = null;
    // One question at a time: the pointer is faster than the answers.
    else if (this.#loose === null || this.#loose.asked === null) this.#loose = this.#ask(end, at);
    this.#host.redraw();
  }

  /** The line to the pointer, drawn as the last one was until the answer is there. */
  #ask(from: Point, to: Point): Piece {
    const piece = this.#piece(from, to);
    const before = this.#loose;
    if (before !== null && before.from === from) piece.line = [...before.line.slice(0, -1), to];
    return piece;
  }

  reply(reply: Reply): void {
    if (reply.kind === "wire") {
      const piece = [...this.#pieces, this.#loose].find((known) => known?.asked === reply.id);
      if (!piece) return;
      piece.asked = null;
      piece.line = [];
      for (let index = 0; index + 1 < reply.corners.length; index += 2) {
        piece.line.push({ x: reply.corners[index] ?? 0, y: reply.corners[index + 1] ?? 0 });
      }
      this.#finish();
      this.#host.redraw();
    } else if ("ids" in reply) {
      if (this.#sent !== null && reply.ids.includes(this.#sent.id)) this.#sent = null;
      for (const piece of [...this.#pieces, this.#loose]) {
        // Refused or cancelled: it stays straight.
        if (piece?.asked && reply.ids.includes(piece.asked)) piece.asked = null;
      }
      this.#finish();
    }
  }

  /** Send a closed outline once all its lines are there. */
  #finish(): void {
    if (!this.#closing || this.#pieces.some((piece) => piece.asked !== null)) return;
    const points = this.#outline();
    const shape: Shape = { kind: "outline", points, negative: this.#negative };
    const line = corners(points, this.#host.viewport().scale);
    this.abandon();
    const id = this.#host.send({ kind: "polygon", corners: line, erase: shape.negative });
    this.#sent = { id, shape };
  }

  #outline(): Point[] {
    return this.#pieces.flatMap((piece) => piece.line.slice(0, -1));
  }

  /** Put away what is being drawn; false when there was nothing. */
  abandon(): boolean {
    const had = this.#first !== null;
    this.#first = null;
    this.#pieces = [];
    this.#loose = null;
    this.#closing = false;
    if (had) this.#changed();
    return had;
  }

  #back(): void {
    if (this.#pieces.pop() === undefined) this.#first = null;
    this.#closing = false;
    this.#loose = null;
    this.#changed();
  }

  #finishByHand(): void {
    if (this.#pieces.length < 2) return;
    this.#close();
    this.#changed();
  }

  #key(stroke: Stroke): boolean {
    if (stroke.ctrlKey || stroke.metaKey || stroke.altKey) return false;
    if ((stroke.key === "Backspace" || stroke.key === "Delete") && this.#first !== null) {
      this.#back();
      return true;
    }
    if (stroke.key !== "Enter") return false;
    const { cursor } = this.#host.store.state;
    if (cursor !== null) {
      const press = { negative: stroke.shiftKey, pointerType: "keyboard", time: 0 };
      this.#click(cursor, { ...press, shiftKey: false, ctrlKey: false, altKey: false });
      return true;
    }
    if (this.#pieces.length < 2) return false;
    this.#finishByHand();
    return true;
  }

  update(state: State, before: State): void {
    if (state.cursor !== before.cursor && state.cursor !== null) this.hover(state.cursor);
    if (state.connection === "lost" && before.connection !== "lost") this.#sent = null;
  }

  draw(scene: Scene): void {
    if (this.#sent !== null) drawShape(scene, this.#sent.shape, true);
    if (this.#first === null) return;
    const negative = this.#negative;
    const line = [...this.#outline(), ...(this.#end === null ? [] : [this.#end])];
    const points = [...line, ...(this.#loose?.line.slice(1) ?? [])];
    drawShape(scene, { kind: "outline", points, negative }, this.#closing);
    const placed = [this.#first, ...this.#pieces.map((piece) => piece.to)];
    drawShape(scene, { kind: "dot", points: placed, negative }, false);
  }
}

export function scissors(host: Host): Part {
  const made = new Scissors(host);
  return {
    tools: [made.tool()],
    commands: [
      {
        id: "tool-scissors",
        keys: ["Shift+o"],
        label: "scissors: an outline that clings to edges",
        run: () => host.setTrait("tool", ID),
      },
    ],
    draw: (scene) => made.draw(scene),
    reply: (reply) => made.reply(reply),
    update: (state, before) => made.update(state, before),
    hover: (at) => made.hover(at),
    escape: () => made.abandon(),
  };
}

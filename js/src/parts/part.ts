/** What a feature of the widget is made of, and what it may use of the rest. */

import type { Command, Stroke } from "../keyboard";
import type { Scene } from "../layers";
import type { Model, PageTraits } from "../model";
import type { Overlay } from "../overlay";
import type { Panel } from "../panel";
import type { PictureData, Reply, RequestBody } from "../protocol";
import type { State, Store } from "../store/state";
import type { Drag, Press } from "../tools/input";
import type { Point, Size, Viewport } from "../viewport";

/** A choice in the tool bar: what a press in the picture does. `id` is a value of the trait. */
export interface Tool {
  id: string;
  /** What the button says when it is wide enough to say anything. */
  name: string;
  title: string;
  icon: SVGElement;
  cursor?: string;
  /** A press that did not move, at a position in pixels of the image. */
  click?(at: Point, press: Press): void;
  /** A press on which the pointer may move: taken (a drag), or null: the picture is moved. */
  grab?(at: Point, press: Press): Drag | null;
  /** A key was pressed: true when the tool took it; the commands do not see it then. */
  key?(stroke: Stroke): boolean;
  /** The tool is put away for another one. */
  left?(): void;
}

export interface Part {
  commands?: readonly Command[];
  tools?: readonly Tool[];
  /** Takes a press before the tool does, e.g. on something that can be moved. */
  grab?(at: Point, press: Press): Drag | null;
  /** What is to be drawn instead of the present state, e.g. an earlier one. */
  scene?(scene: Scene): Scene;
  /** Drawn above the mask, below the clicks. */
  draw?(scene: Scene): void;
  /** Drawn above everything else. */
  drawOver?(scene: Scene): void;
  /** Whether it draws the active object's mask now, in its own way. */
  drawsMask?(): boolean;
  /** Draws it in place of the usual one. */
  drawMask?(scene: Scene): void;
  /** Replies of kinds that the host does not know; awaited before the next message. */
  reply?(reply: Reply, buffers: readonly unknown[]): void | Promise<void>;
  update?(state: State, before: State): void;
  /** The pointer is over this position (pixels of the image), or has left the picture. */
  hover?(at: Point | null): void;
  /** A finger alone is on this position, or no longer on the picture. */
  finger?(at: Point | null): void;
  /** Escape was pressed: true when there was something to put away. */
  escape?(): boolean;
  close?(): void;
}

/** What parts may use of the widget. */
export interface Host {
  readonly model: Model;
  readonly store: Store;
  readonly panel: Panel;
  readonly overlay: Overlay;
  /** Send a request; returns its id. */
  send(body: RequestBody): string;
  /** Whether a reply answers a request of this view. */
  owns(id: string | null): boolean;
  /** Click on the active object; `time` of the pointer's event. */
  click(at: Point, positive: boolean, time: number): void;
  /** Another image: shown together with the result of that revision. The host closes it. */
  openPicture(picture: PictureData, buffer: unknown, rev: number): Promise<void>;
  setTrait<K extends keyof PageTraits>(name: K, value: PageTraits[K]): void;
  viewport(): Viewport;
  /** Show another part of the picture. */
  show(view: Viewport): void;
  /** Of the canvas, in CSS pixels. */
  size(): Size;
  redraw(): void;
  /** Take presses on a canvas that shows the same part of the picture at the same size. */
  listenTo(canvas: HTMLCanvasElement): void;
  /** The sizes of things on the page changed. */
  measure(): void;
  problem(title: string, message: string): void;
  /** Run a command by its id. */
  run(command: string): void;
}

/** What the parts `clicks`, `moving` and `core` use: a comparison has them as well. */
export type Basics = Pick<
  Host,
  "store" | "send" | "click" | "setTrait" | "viewport" | "show" | "size" | "redraw"
>;

/** A picture on the page. */
export interface Surface {
  /** What lies over the canvas goes in here. */
  readonly stage: HTMLElement;
  readonly canvas: HTMLCanvasElement;
}

export type MakePart = (host: Host) => Part;

/** The picture on the wire: what the kernel sends of it, and what is still to come. */

import "./messages/tiles";
import type { TileReply } from "./messages/tiles";
import { type PictureData, type RequestBody, toBytes } from "./protocol";
import { Pyramid, type TileKey } from "./pyramid";
import type { Size, Viewport } from "./viewport";

export interface PictureEvents {
  send(body: RequestBody): string;
  /** There is more to see. */
  redraw(): void;
}

export class PictureLayer {
  readonly #events: PictureEvents;
  /** Requests under way. */
  readonly #asked = new Map<string, TileKey>();
  #pyramid: Pyramid | null = null;
  /** Another picture, until the masks of its revision are there. */
  #waiting: { pyramid: Pyramid; rev: number } | null = null;
  #closed = false;

  constructor(events: PictureEvents) {
    this.#events = events;
  }

  get pyramid(): Pyramid | null {
    return this.#pyramid;
  }

  /** Take the whole picture. False when it came too late. */
  async load(picture: PictureData, buffer: unknown): Promise<boolean> {
    const pyramid = await this.#made(picture, buffer);
    if (pyramid !== null) this.#use(pyramid);
    return pyramid !== null;
  }

  /** Keep another picture until the masks of revision `rev` are there. */
  async keep(picture: PictureData, buffer: unknown, rev: number): Promise<void> {
    const pyramid = await this.#made(picture, buffer);
    if (pyramid === null) return;
    this.#waiting?.pyramid.close();
    this.#waiting = { pyramid, rev };
  }

  /** Show the picture whose time has come with this revision; its size, or null: there is none. */
  turn(rev: number): Size | null {
    const found = this.#waiting;
    if (found === null || rev < found.rev) return null;
    this.#waiting = null;
    this.#use(found.pyramid);
    return found.pyramid.image;
  }

  #use(pyramid: Pyramid): void {
    this.#pyramid?.close();
    this.#asked.clear();
    this.#pyramid = pyramid;
    this.#events.redraw();
  }

  async #made(picture: PictureData, buffer: unknown): Promise<Pyramid | null> {
    const base = await decode(picture.mime, buffer);
    if (this.#closed) {
      base.close();
      return null;
    }
    const { width, height, level, tile } = picture;
    return new Pyramid({ width, height }, { level, tile }, base, (key) => this.#ask(key));
  }

  /** Take a tile; those that another view asked for are left to it. */
  async take(reply: TileReply, buffer: unknown): Promise<void> {
    const key = this.#asked.get(reply.id);
    const pyramid = this.#pyramid;
    if (key === undefined || pyramid === null) return;
    this.#asked.delete(reply.id);
    try {
      pyramid.take(key, await decode(reply.mime, buffer));
    } catch {
      pyramid.failed(key);
    }
    this.#events.redraw();
  }

  /** These requests will not be answered. */
  lost(ids: readonly string[]): void {
    for (const id of ids) {
      const key = this.#asked.get(id);
      this.#asked.delete(id);
      if (key !== undefined) this.#pyramid?.failed(key);
    }
  }

  look(view: Viewport, size: Size, ratio: number): void {
    this.#pyramid?.look(view, size, ratio);
  }

  close(): void {
    this.#closed = true;
    this.#pyramid?.close();
    this.#waiting?.pyramid.close();
    this.#pyramid = null;
    this.#waiting = null;
  }

  #ask(key: TileKey): void {
    this.#asked.set(this.#events.send({ kind: "tile", ...key }), key);
  }
}

function decode(mime: string, buffer: unknown): Promise<ImageBitmap> {
  return createImageBitmap(new Blob([toBytes(buffer)], { type: mime }));
}

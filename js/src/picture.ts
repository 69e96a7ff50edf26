/** The picture on the wire: what the kernel sends of it, and what is still to come. */

import type { TileReply } from "./messages/tiles";
import { type Picture, type RequestBody, toBytes } from "./protocol";
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
  #closed = false;

  constructor(events: PictureEvents) {
    this.#events = events;
  }

  get pyramid(): Pyramid | null {
    return this.#pyramid;
  }

  /** Take the whole picture. False when it came too late. */
  async load(reply: Picture, buffer: unknown): Promise<boolean> {
    const base = await decode(reply.mime, buffer);
    if (this.#closed) {
      base.close();
      return false;
    }
    this.#pyramid?.close();
    this.#asked.clear();
    const { width, height, level, tile } = reply;
    this.#pyramid = new Pyramid({ width, height }, { level, tile }, base, (key) => this.#ask(key));
    this.#events.redraw();
    return true;
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
    this.#pyramid = null;
  }

  #ask(key: TileKey): void {
    this.#asked.set(this.#events.send({ kind: "tile", ...key }), key);
  }
}

function decode(mime: string, buffer: unknown): Promise<ImageBitmap> {
  return createImageBitmap(new Blob([toBytes(buffer)], { type: mime }));
}

/**
 * The small pictures in the list of images: asked for when a row is in sight, a few at a time, and
 * again when what they show has changed and is on disk.
 */

import type { QueueThumbnail } from "../messages/queue";
import { element } from "../panel";
import { toBytes } from "../protocol";

/** Requests under way at a time: few enough to follow somebody who scrolls. */
const UNDER_WAY = 3;
/** Milliseconds that a row is in sight before its picture is asked for. */
const REST = 90;
/** Pictures that are kept. */
const KEPT = 600;

interface Thumbnail {
  readonly node: HTMLElement;
  visible: boolean;
  /** What is shown is not, or may not be, what the image looks like now. */
  stale: boolean;
  url: string | null;
}

export class Thumbnails {
  readonly #ask: (image: number) => string;
  readonly #known = new Map<number, Thumbnail>();
  /** Requests under way. */
  readonly #asked = new Map<string, number>();
  readonly #observer: IntersectionObserver | null;
  #saved = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `ask` sends a request for an image's picture and returns its id. */
  constructor(ask: (image: number) => string) {
    this.#ask = ask;
    this.#observer =
      typeof IntersectionObserver === "undefined"
        ? null
        : new IntersectionObserver((entries) => this.#onSight(entries));
  }

  /** The place of an image's picture: always the same one, wherever it is put. */
  of(image: number): HTMLElement {
    let found = this.#known.get(image);
    if (found === undefined) {
      const node = element("span", {
        class: "iseg-queue-thumbnail",
        "aria-hidden": "true", // the name beside it says which image it is
        "data-testid": "iseg-queue-thumbnail",
        "data-image": String(image),
      });
      found = { node, visible: false, stale: true, url: null };
      this.#known.set(image, found);
      this.#observer?.observe(node);
    }
    return found.node;
  }

  /** The image, or what was drawn on it, has changed. */
  changed(image: number): void {
    const known = this.#known.get(image);
    if (known === undefined) return;
    known.stale = true;
    this.#later();
  }

  /** Whether everything is on disk, where the kernel looks for the masks. */
  saved(saved: boolean): void {
    this.#saved = saved;
    if (saved) this.#later();
  }

  take(reply: QueueThumbnail, buffer: unknown): void {
    const image = this.#asked.get(reply.id);
    if (image === undefined) return; // another view asked for it
    this.#asked.delete(reply.id);
    const known = this.#known.get(image);
    if (known !== undefined) {
      const blob = reply.mime === null ? null : new Blob([toBytes(buffer)], { type: reply.mime });
      this.#show(known, blob);
      this.#makeRoom(image, known);
    }
    this.#later();
  }

  /** These requests will not be answered. */
  lost(ids: readonly string[]): void {
    for (const id of ids) this.#asked.delete(id);
  }

  /** None of the requests will. */
  forget(): void {
    for (const image of this.#asked.values()) this.changed(image);
    this.#asked.clear();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#observer?.disconnect();
    for (const known of this.#known.values()) this.#show(known, null);
    this.#known.clear();
  }

  #onSight(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const known = this.#known.get(Number((target as HTMLElement).dataset.image));
      if (known !== undefined) known.visible = isIntersecting;
    }
    this.#later();
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), REST);
  }

  #send(): void {
    if (!this.#saved) return;
    const underWay = new Set(this.#asked.values());
    for (const [image, known] of this.#known) {
      if (this.#asked.size >= UNDER_WAY) return;
      if (!known.visible || !known.stale || underWay.has(image)) continue;
      known.stale = false; // unless it changes meanwhile
      this.#asked.set(this.#ask(image), image);
    }
  }

  #show(known: Thumbnail, blob: Blob | null): void {
    const before = known.url;
    known.url = blob === null ? null : URL.createObjectURL(blob);
    if (known.url === null) {
      known.node.replaceChildren();
    } else {
      const picture = known.node.querySelector("img") ?? element("img", { alt: "" });
      picture.draggable = false;
      picture.src = known.url;
      if (picture.parentNode === null) known.node.append(picture);
    }
    known.node.dataset.there = String(blob !== null);
    if (before !== null) URL.revokeObjectURL(before);
  }

  /** The order of the map is that of arrival, latest last. */
  #makeRoom(image: number, latest: Thumbnail): void {
    this.#known.delete(image);
    this.#known.set(image, latest);
    let count = [...this.#known.values()].filter(({ url }) => url !== null).length;
    for (const known of this.#known.values()) {
      if (count <= KEPT) return;
      if (known.visible || known.url === null) continue;
      this.#show(known, null);
      known.stale = true;
      count -= 1;
    }
  }
}

/**
 * The wire: requests out, replies in, and whether anybody answers. The kernel acknowledges each
 * request as soon as its handler runs, so a slow method is told from a dead kernel.
 */

import type { Model } from "./model";
import { parseReply, type Reply } from "./protocol";

/** Milliseconds without any sign of life before the kernel is called lost. */
export const PATIENCE = 4000;
/** Milliseconds of silent work after which the kernel is asked whether it is still there. */
export const CHECKUP = 10000;

export interface LinkEvents {
  reply(reply: Reply, buffers: readonly unknown[]): void;
  /** A message that is not in the protocol, or a host that cannot send. */
  problem(message: string): void;
  /** The kernel stopped answering (`false`) or answers again (`true`). */
  alive(alive: boolean): void;
  /** These requests never reached the kernel. */
  lost(ids: readonly string[]): void;
}

/** The part of a model that carries messages. */
export type Wire = Pick<Model, "send" | "on" | "off">;

let links = 0;

export class Link {
  readonly #model: Wire;
  readonly #events: LinkEvents;
  readonly #prefix: string;
  readonly #waiting = new Set<string>();
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lost = false;
  #working = false;

  constructor(model: Wire, events: LinkEvents) {
    this.#model = model;
    this.#events = events;
    links += 1;
    // Other views of the model, here or in another page, must not take our replies for theirs.
    this.#prefix = `${Math.random().toString(36).slice(2, 8)}${links}`;
    model.on("msg:custom", this.#onMessage);
    model.on("comm:close", this.#onClose);
    model.on("comm_live_update", this.#probe);
  }

  /** Send a request, whose fields are the caller's business; returns its id. */
  send<B extends { kind: string }>(body: B, rev: number): string {
    this.#count += 1;
    const id = `${this.#prefix}.${this.#count}`;
    this.#waiting.add(id);
    try {
      this.#model.send({ id, rev: Math.max(rev, 0), ...body });
    } catch {
      this.#setLost(true);
    }
    this.#arm();
    return id;
  }

  /** Whether a reply answers a request of this view. */
  owns(id: string | null): boolean {
    return id?.startsWith(`${this.#prefix}.`) ?? false;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#model.off("msg:custom", this.#onMessage);
    this.#model.off("comm:close", this.#onClose);
    this.#model.off("comm_live_update", this.#probe);
  }

  readonly #onMessage = (content: unknown, buffers: readonly unknown[] | undefined): void => {
    this.#setLost(false);
    let reply: Reply;
    try {
      reply = parseReply(content);
    } catch (error) {
      this.#events.problem(String(error instanceof Error ? error.message : error));
      return;
    }
    if (reply.kind === "received") this.#settle(reply.id);
    if ("ids" in reply) for (const id of reply.ids) this.#waiting.delete(id);
    if (reply.kind === "activity") this.#working = reply.what !== null;
    this.#arm();
    this.#events.reply(reply, buffers ?? []);
  };

  /** Requests arrive in order: those sent before this one and never received are lost. */
  #settle(id: string): void {
    if (!this.#waiting.has(id)) return;
    const gone: string[] = [];
    for (const other of this.#waiting) {
      this.#waiting.delete(other);
      if (other === id) break;
      gone.push(other);
    }
    if (gone.length > 0) this.#events.lost(gone);
  }

  readonly #onClose = (): void => this.#setLost(true);

  /** The host says that the connection changed: ask for the current overlay and see. */
  readonly #probe = (): void => {
    this.send({ kind: "hello", picture: false }, 0);
  };

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#setLost(true), PATIENCE);
    else if (this.#working) this.#timer = setTimeout(() => this.send({ kind: "ping" }, 0), CHECKUP);
  }

  #setLost(lost: boolean): void {
    if (lost === this.#lost) return;
    this.#lost = lost;
    this.#events.alive(!lost);
  }
}

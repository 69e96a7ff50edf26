/** Many images, one after the other: the bar below the picture, and the list of all. */

import { icon } from "../icons";
import type { Opened, Queue, QueueEntry, Status } from "../messages/queue";
import type { Reply } from "../protocol";
import type { State } from "../store/state";
import type { Host, Part } from "./part";
import { QueueBar } from "./queue-bar";
import { QueueList } from "./queue-list";
import { Thumbnails } from "./queue-thumbnails";

export function queue(host: Host): Part {
  return host.model.get("images") > 0 ? new QueuePart(host) : {};
}

class QueuePart implements Part {
  readonly #host: Host;
  readonly #bar: QueueBar;
  readonly #list: QueueList;
  readonly #thumbnails: Thumbnails;
  #entries: QueueEntry[] = [];
  /** The image whose picture is in sight. */
  #at = -1;
  #latest: Queue | null = null;
  /** The request that opens another image, while it is under way. */
  #asked: string | null = null;
  #noticed = 0;

  readonly commands;

  constructor(host: Host) {
    this.#host = host;
    this.commands = this.#commands();
    this.#bar = new QueueBar({
      run: (command) => host.run(command),
      status: (status) => this.#mark(status, false),
      note: (image, note) => host.send({ kind: "queue_note", image, note }),
    });
    this.#thumbnails = new Thumbnails((image) => host.send({ kind: "queue_thumbnail", image }));
    this.#list = new QueueList(
      (index) => this.#go(index, 0),
      (index) => this.#thumbnails.of(index),
    );
    host.panel.below.append(this.#bar.root);
    host.panel.side.addTab({
      id: "images",
      title: "Images",
      icon: icon("images"),
      element: this.#list.root,
      shown: (open) => this.#list.shown(open),
    });
  }

  #commands() {
    return [
      {
        id: "queue-next",
        keys: ["PageDown"],
        shown: ["Page ↓", "Page ↑"],
        label: "next and previous image",
        run: () => this.#step(1),
      },
      { id: "queue-previous", keys: ["PageUp"], run: () => this.#step(-1) },
      {
        id: "queue-done",
        keys: ["k"],
        label: "image is done: to the next one to do",
        run: () => this.#mark("done", true),
      },
      {
        id: "queue-skip",
        keys: ["Shift+k"],
        label: "skip the image: to the next one to do",
        run: () => this.#mark("skipped", true),
      },
      {
        id: "queue-note",
        keys: ["c"],
        label: "comment: a note about the image",
        run: () => this.#bar.editNote(),
      },
      {
        id: "queue-list",
        keys: ["Shift+c"],
        label: "list of images",
        run: () => this.#host.panel.side.toggle("images"),
      },
    ];
  }

  // What the person does

  #step(step: -1 | 1): void {
    const to = this.#at + step;
    if (to >= 0 && to < this.#entries.length) this.#go(to, step);
  }

  #go(to: number, step: -1 | 0 | 1): void {
    if (this.#asked !== null) return;
    this.#bar.flush();
    this.#wait(this.#host.send({ kind: "queue_go", to, step }));
  }

  #mark(status: Status, goOn: boolean): void {
    if (this.#asked !== null || this.#at < 0) return;
    this.#bar.flush();
    const id = this.#host.send({ kind: "queue_mark", image: this.#at, status, go_on: goOn });
    if (goOn) this.#wait(id);
  }

  #wait(id: string): void {
    this.#asked = id;
    this.#draw();
  }

  /** While another image is on its way, a click could be meant for either. */
  grab() {
    if (this.#asked === null) return null;
    return { move: () => {}, drop: () => {}, cancel: () => {} };
  }

  // What comes from the kernel

  async reply(reply: Reply, buffers: readonly unknown[]): Promise<void> {
    if (reply.kind === "opened") return this.#open(reply, buffers[0]);
    if (reply.kind === "queue") return this.#take(reply);
    if (reply.kind === "queue_thumbnail") return this.#thumbnails.take(reply, buffers[0]);
    if (reply.kind !== "result" && reply.kind !== "error" && reply.kind !== "cancelled") return;
    if (reply.kind === "result") {
      this.#thumbnails.changed(this.#at);
      if (this.#latest === null) this.#host.send({ kind: "queue" });
      else this.#at = this.#latest.at;
    } else {
      this.#thumbnails.lost(reply.ids);
    }
    if (this.#asked !== null && reply.ids.includes(this.#asked)) this.#asked = null;
    this.#draw();
  }

  async #open(reply: Opened, buffer: unknown): Promise<void> {
    await this.#host.openPicture(reply, buffer, reply.rev);
  }

  #take(reply: Queue): void {
    const before = this.#latest;
    if (before === null && !reply.whole) return; // the list was asked for and is on its way
    this.#latest = reply;
    if (reply.whole) this.#entries = [];
    for (const entry of reply.images) {
      this.#entries[entry.index] = entry;
      this.#thumbnails.changed(entry.index);
    }
    this.#thumbnails.saved(reply.saved);
    // The bar follows the picture, which comes a moment later.
    if (this.#at < 0) this.#at = reply.at;
    this.#tell(reply, before);
    this.#draw();
  }

  #tell(reply: Queue, before: Queue | null): void {
    if (before === null) this.#noticed = reply.notices.length;
    for (const notice of reply.notices.slice(this.#noticed)) this.#host.problem("Note", notice);
    this.#noticed = reply.notices.length;
    if (reply.trouble !== null && reply.trouble !== before?.trouble) {
      const message = `${reply.trouble}\nIt is tried again until it works; leave the kernel running.`;
      this.#host.problem("Not saved", message);
    }
    if (reply.closed !== null && reply.closed !== before?.closed) {
      this.#host.problem("Nothing is saved here any more", reply.closed);
    }
  }

  update(state: State, before: State): void {
    const back = before.connection === "lost" && state.connection !== "lost";
    if (back) {
      this.#host.send({ kind: "queue" });
      this.#thumbnails.forget();
    }
    if (state.connection === "lost" && this.#asked !== null) {
      this.#asked = null;
      this.#draw();
    }
  }

  #draw(): void {
    if (this.#latest === null) return;
    this.#bar.update(this.#entries, this.#at, this.#latest, this.#asked !== null);
    this.#list.update(this.#entries, this.#at);
  }

  close(): void {
    this.#bar.flush();
    this.#thumbnails.close();
  }
}

import type { Model, Traits } from "../src/model";
import type { ObjectEntry } from "../src/protocol";
import { PLAIN } from "../src/store/state";

export const MODES = PLAIN;

/** A model as a notebook host hands it over, with the kernel's end in the test's hands. */
export class FakeModel implements Model {
  readonly sent: Record<string, unknown>[] = [];
  saved = 0;
  broken = false;
  readonly #listeners = new Map<string, Set<(...values: unknown[]) => void>>();

  readonly traits: Traits = {
    clicks: [],
    method: "disks",
    methods: [
      ["disks", "Disks"],
      ["squares", "Squares"],
    ],
    options: null,
    image_size: [20, 12],
    images: 0,
    height: null,
    reactive: false,
    answered: 0,
    tool: "positive",
    opacity: 0.5,
    show_mask: true,
    show_views: false,
    panel: null,
    ...MODES,
  };

  get<K extends keyof Traits>(name: K): Traits[K] {
    return this.traits[name];
  }

  set<K extends keyof Traits>(name: K, value: Traits[K]): void {
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes(): void {
    this.saved += 1;
  }

  send(content: unknown): void {
    if (this.broken) throw new Error("the comm is closed");
    this.sent.push(content as Record<string, unknown>);
  }

  on(event: string, callback: (...values: unknown[]) => void): void {
    const known = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, known.add(callback));
  }

  off(event: string, callback: (...values: unknown[]) => void): void {
    this.#listeners.get(event)?.delete(callback);
  }

  emit(event: string, ...values: unknown[]): void {
    for (const callback of this.#listeners.get(event) ?? []) callback(...values);
  }

  /** A message from the kernel. */
  reply(content: unknown, buffers: unknown[] = []): void {
    this.emit("msg:custom", content, buffers);
  }

  get listeners(): number {
    return [...this.#listeners.values()].reduce((count, known) => count + known.size, 0);
  }

  last(kind: string): Record<string, unknown> {
    const found = this.sent.findLast((content) => content.kind === kind);
    if (found === undefined) throw new Error(`no ${kind} was sent`);
    return found;
  }
}

export function object(fields: Partial<ObjectEntry> = {}): ObjectEntry {
  return {
    id: 1,
    label: "object",
    name: "",
    colour: "#0072b2",
    visible: true,
    locked: false,
    area: 0,
    box: null,
    clicks: 0,
    ...fields,
  };
}

export function result(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    kind: "result",
    id: null,
    ids: [],
    rev: 1,
    base: 0,
    grid: [20, 12],
    box: [0, 0, 0, 0],
    clicks: [],
    views: [],
    objects: [object()],
    active: 1,
    labels: [["object", "#0072b2"]],
    rule: "allow",
    others: { base: 0, box: [0, 0, 0, 0], ids: [] },
    history: { done: 0, undone: 0, undo: null, redo: null },
    buffers: [],
    inferences: 0,
    stats: { seconds: null, iou: null, area: 0 },
    ...fields,
  };
}

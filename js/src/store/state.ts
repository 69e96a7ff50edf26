/** What the page knows, as one immutable value, and the pure function that moves it on. */

import type { PageTraits, Tool } from "../model";
import type {
  Activity,
  ClickData,
  HistoryEntry,
  ObjectEntry,
  Reply,
  Result,
  ViewBox,
} from "../protocol";
import type { Point, Size } from "../viewport";

export interface PendingClick extends ClickData {
  id: string;
}

export interface ErrorEntry {
  key: number;
  title: string;
  message: string;
}

/** `loading` until the picture is there, `lost` while the kernel does not answer. */
export type Connection = "loading" | "ready" | "lost";

export interface State {
  image: Size;
  connection: Connection;
  hasPicture: boolean;
  rev: number;
  clicks: readonly ClickData[];
  /** Clicks that were sent and are not in the mask yet. */
  pending: readonly PendingClick[];
  objects: readonly ObjectEntry[];
  /** Id of the object that clicks are for. */
  active: number | null;
  labels: Result["labels"];
  rule: string;
  history: HistoryEntry;
  views: readonly ViewBox[];
  inferences: number;
  seconds: number | null;
  iou: number | null;
  area: number;
  /** Milliseconds from the latest click to its overlay on the screen. */
  latency: number | null;
  activity: Activity | null;
  errors: readonly ErrorEntry[];
  help: boolean;
  /** Position of the keyboard's crosshair. */
  cursor: Point | null;
  hover: Point | null;
  scale: number;
  tool: Tool;
  opacity: number;
  showMask: boolean;
  showViews: boolean;
  /** How picture and mask are shown. */
  modes: Modes;
  method: string;
  methods: readonly (readonly [name: string, title: string])[];
}

export type Modes = Pick<
  PageTraits,
  | "loupe"
  | "loupe_zoom"
  | "pixel_grid"
  | "contour_width"
  | "mask_display"
  | "background"
  | "invert"
  | "side_by_side"
>;

/** What they are unless somebody chooses. */
export const PLAIN: Modes = {
  loupe: false,
  loupe_zoom: 4,
  pixel_grid: true,
  contour_width: 1.5,
  mask_display: "both",
  background: "shown",
  invert: false,
  side_by_side: false,
};

export type Event =
  | { type: "reply"; reply: Reply }
  | { type: "sent"; click: PendingClick }
  | ({ type: "answered"; ids: readonly string[] } & Pick<State, "rev" | "clicks" | "history">)
  | { type: "cancelled" }
  | { type: "lost"; ids: readonly string[] }
  | { type: "drawn"; latency: number }
  | { type: "connection"; connection: Connection }
  | { type: "picture" }
  | { type: "problem"; title: string; message: string }
  | { type: "dismiss"; key: number }
  | { type: "help"; open: boolean }
  | { type: "cursor"; at: Point | null }
  | { type: "hover"; at: Point | null }
  | { type: "scale"; scale: number }
  | { type: "traits"; traits: Partial<TraitState> };

export type TraitState = Pick<
  State,
  | "image"
  | "clicks"
  | "tool"
  | "opacity"
  | "showMask"
  | "showViews"
  | "modes"
  | "method"
  | "methods"
>;

/** The panel shows the latest messages only. */
const MAX_ERRORS = 3;

export function initialState(traits: TraitState): State {
  return {
    ...traits,
    connection: "loading",
    hasPicture: false,
    rev: -1,
    pending: [],
    objects: [],
    active: null,
    labels: [],
    rule: "allow",
    history: { done: 0, undone: 0, undo: null, redo: null },
    views: [],
    inferences: 0,
    seconds: null,
    iou: null,
    area: 0,
    latency: null,
    activity: null,
    errors: [],
    help: false,
    cursor: null,
    hover: null,
    scale: 1,
  };
}

export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case "reply":
      return onReply(state, event.reply);
    case "sent":
      return { ...state, pending: [...state.pending, event.click] };
    case "answered": {
      const { rev, clicks, history } = event;
      return { ...state, rev, clicks, history, pending: without(state.pending, event.ids) };
    }
    case "cancelled":
      return { ...state, pending: [] };
    case "lost":
      return { ...state, pending: without(state.pending, event.ids) };
    case "drawn":
      return { ...state, latency: event.latency };
    case "connection":
      return { ...state, connection: event.connection };
    case "picture":
      return { ...state, hasPicture: true };
    case "problem":
      return withError(state, event.title, event.message);
    case "dismiss":
      return { ...state, errors: state.errors.filter((entry) => entry.key !== event.key) };
    case "help":
      return { ...state, help: event.open };
    case "cursor":
      return { ...state, cursor: event.at };
    case "hover":
      return { ...state, hover: event.at };
    case "scale":
      return { ...state, scale: event.scale };
    case "traits":
      return { ...state, ...event.traits };
  }
}

function onReply(state: State, reply: Reply): State {
  switch (reply.kind) {
    case "activity":
      return { ...state, activity: reply.what };
    case "cancelled":
      return { ...state, pending: without(state.pending, reply.ids) };
    case "error":
      return withError(
        { ...state, pending: without(state.pending, reply.ids) },
        reply.title,
        reply.message,
      );
    case "result":
      return {
        ...state,
        pending: without(state.pending, reply.ids),
        rev: reply.rev,
        clicks: reply.clicks,
        objects: reply.objects,
        active: reply.active,
        labels: reply.labels,
        rule: reply.rule,
        history: reply.history,
        views: reply.views,
        inferences: reply.inferences,
        seconds: reply.stats.seconds,
        iou: reply.stats.iou,
        area: reply.stats.area,
      };
    default:
      return state;
  }
}

/** The active object. */
export function activeObject(state: State): ObjectEntry | null {
  return state.objects.find(({ id }) => id === state.active) ?? null;
}

function without(
  pending: readonly PendingClick[],
  ids: readonly string[],
): readonly PendingClick[] {
  return pending.some((click) => ids.includes(click.id))
    ? pending.filter((click) => !ids.includes(click.id))
    : pending;
}

function withError(state: State, title: string, message: string): State {
  const key = 1 + (state.errors.at(-1)?.key ?? 0);
  const others = state.errors.filter((entry) => entry.message !== message);
  return { ...state, errors: [...others, { key, title, message }].slice(-MAX_ERRORS) };
}

/** Value of `data-state`. */
export function summary(state: State): "idle" | "busy" | "disconnected" | "loading" {
  if (state.connection === "lost") return "disconnected";
  if (state.connection === "loading" || !state.hasPicture) return "loading";
  return state.activity !== null || state.pending.length > 0 ? "busy" : "idle";
}

export type Listener = (state: State, before: State) => void;

export class Store {
  #state: State;
  readonly #listeners = new Set<Listener>();

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  dispatch(event: Event): void {
    const before = this.#state;
    const after = reduce(before, event);
    if (after === before) return;
    this.#state = after;
    for (const listener of this.#listeners) listener(after, before);
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** What the page knows of a comparison, as one immutable value, and the function that moves it on. */

import type { ClickData, ViewBox } from "../protocol";
import type { Connection, ErrorEntry, PendingClick } from "../store/state";
import type { Point, Size } from "../viewport";
import type { CompareReply, CompareActivity, PaneReply } from "./protocol";

export interface PaneInfo {
  name: string;
  title: string;
  /** Options or the like; may be empty. */
  detail: string;
  colour: [number, number, number];
}

export interface PaneState extends PaneInfo {
  loaded: boolean;
  /** Why it has no answer to the latest click. */
  error: string | null;
  /** Clicks so far and IoU, of every step. */
  points: readonly (readonly [clicks: number, iou: number | null])[];
  views: readonly ViewBox[];
  seconds: number | null;
  area: number;
  inferences: number;
}

export interface CompareState {
  image: Size;
  connection: Connection;
  hasPicture: boolean;
  hasTruth: boolean;
  rev: number;
  clicks: readonly ClickData[];
  /** Clicks that were sent and are not in all masks yet. */
  pending: readonly PendingClick[];
  canUndo: boolean;
  canRedo: boolean;
  panes: readonly PaneState[];
  activity: CompareActivity | null;
  /** The pane that is worked on. */
  working: number | null;
  errors: readonly ErrorEntry[];
  help: boolean;
  cursor: Point | null;
  hover: Point | null;
  /** The pane under the pointer. */
  under: number | null;
  scale: number;
  tool: "positive" | "negative";
  opacity: number;
  showMask: boolean;
  showViews: boolean;
  showAgreement: boolean;
  robotPane: number;
}

export type TraitState = Pick<
  CompareState,
  | "image"
  | "hasTruth"
  | "clicks"
  | "tool"
  | "opacity"
  | "showMask"
  | "showViews"
  | "showAgreement"
  | "robotPane"
>;

export type Event =
  | { type: "reply"; reply: CompareReply }
  | { type: "sent"; click: PendingClick }
  | { type: "cancelled" }
  | { type: "lost"; ids: readonly string[] }
  | { type: "connection"; connection: Connection }
  | { type: "picture" }
  | { type: "problem"; title: string; message: string }
  | { type: "dismiss"; key: number }
  | { type: "help"; open: boolean }
  | { type: "cursor"; at: Point | null }
  | { type: "hover"; at: Point | null; under: number | null }
  | { type: "scale"; scale: number }
  | { type: "traits"; traits: Partial<TraitState> };

const MAX_ERRORS = 3;

export function initialState(traits: TraitState, panes: readonly PaneInfo[]): CompareState {
  return {
    ...traits,
    connection: "loading",
    hasPicture: false,
    rev: -1,
    pending: [],
    canUndo: false,
    canRedo: false,
    panes: panes.map((pane) => ({
      ...pane,
      loaded: false,
      error: null,
      points: [],
      views: [],
      seconds: null,
      area: 0,
      inferences: 0,
    })),
    activity: null,
    working: null,
    errors: [],
    help: false,
    cursor: null,
    hover: null,
    under: null,
    scale: 1,
  };
}

export function reduce(state: CompareState, event: Event): CompareState {
  switch (event.type) {
    case "reply":
      return onReply(state, event.reply);
    case "sent":
      return { ...state, pending: [...state.pending, event.click] };
    case "cancelled":
      return { ...state, pending: [] };
    case "lost":
      return { ...state, pending: without(state.pending, event.ids) };
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
      return { ...state, hover: event.at, under: event.under };
    case "scale":
      return { ...state, scale: event.scale };
    case "traits":
      return { ...state, ...event.traits };
  }
}

function onReply(state: CompareState, reply: CompareReply): CompareState {
  switch (reply.kind) {
    case "received":
    case "picture":
      return state;
    case "activity":
      return { ...state, activity: reply.what, working: reply.pane };
    case "pane":
      return { ...state, panes: withPane(state.panes, reply) };
    case "cancelled":
      return { ...state, pending: without(state.pending, reply.ids) };
    case "error":
      return withError(
        { ...state, pending: without(state.pending, reply.ids) },
        reply.title,
        reply.message,
      );
    case "course":
      return {
        ...state,
        pending: without(state.pending, reply.ids),
        rev: reply.rev,
        clicks: reply.clicks,
        canUndo: reply.can_undo,
        canRedo: reply.can_redo,
      };
  }
}

function withPane(panes: readonly PaneState[], reply: PaneReply): readonly PaneState[] {
  const { loaded, error, points, views, seconds, area, inferences } = reply;
  return panes.map((pane, index) =>
    index === reply.pane
      ? { ...pane, loaded, error, points, views, seconds, area, inferences }
      : pane,
  );
}

function without(
  pending: readonly PendingClick[],
  ids: readonly string[],
): readonly PendingClick[] {
  return pending.some((click) => ids.includes(click.id))
    ? pending.filter((click) => !ids.includes(click.id))
    : pending;
}

function withError(state: CompareState, title: string, message: string): CompareState {
  const key = 1 + (state.errors.at(-1)?.key ?? 0);
  const others = state.errors.filter((entry) => entry.message !== message);
  return { ...state, errors: [...others, { key, title, message }].slice(-MAX_ERRORS) };
}

/**
 * The messages between page and kernel of a comparison, the mirror of
 * `iseg_widget/widget/messages/compare.py`. Both sides are tested against the same recorded
 * messages, `tests/widget/fixtures/compare.json`.
 */

import {
  type Box,
  type ClickData,
  type HistoryEntry,
  isBox,
  isClick,
  isCount,
  isCountOrNull,
  isEvery,
  isFlag,
  isHistory,
  isNumberOrNull,
  isPair,
  isTextOrNull,
  isTexts,
  isView,
  type RequestBody,
  registerReply,
  type ViewBox,
} from "../protocol";

/** The pane that is worked on. */
export interface WorkingReply {
  kind: "working";
  pane: number | null;
}

export interface PaneReply {
  kind: "pane";
  pane: number;
  rev: number;
  base: number | null;
  grid: [number, number];
  box: Box;
  loaded: boolean;
  /** Why there is no answer to the latest clicks. */
  error: string | null;
  /** Clicks so far, and IoU, of every step. */
  points: [clicks: number, iou: number | null][];
  views: ViewBox[];
  seconds: number | null;
  area: number;
  inferences: number;
}

export interface CourseReply {
  kind: "course";
  id: string | null;
  ids: string[];
  rev: number;
  clicks: ClickData[];
  groups: number[];
  history: HistoryEntry;
}

export type CompareRequest = RequestBody | { kind: "robot"; pane: number };

declare module "../protocol" {
  interface Replies {
    working: WorkingReply;
    pane: PaneReply;
    course: CourseReply;
  }
}

const isPoint = (value: unknown): value is [number, number | null] =>
  Array.isArray(value) && value.length === 2 && isCount(value[0]) && isNumberOrNull(value[1]);

registerReply("working", { pane: isCountOrNull });
registerReply("pane", {
  pane: isCount,
  rev: isCount,
  base: isCountOrNull,
  grid: isPair(isCount),
  box: isBox,
  loaded: isFlag,
  error: isTextOrNull,
  points: isEvery(isPoint),
  views: isEvery(isView),
  seconds: isNumberOrNull,
  area: isCount,
  inferences: isCount,
});
registerReply("course", {
  id: isTextOrNull,
  ids: isTexts,
  rev: isCount,
  clicks: isEvery(isClick),
  groups: isEvery(isCount),
  history: isHistory,
});

/** How a pane is introduced; an element of the trait `panes`. */
export interface PaneInfo {
  name: string;
  title: string;
  /** Options or the like; may be empty. */
  detail: string;
  colour: [number, number, number];
}

/** Messages about earlier moments, the mirror of `widget/messages/replay.py`. */

import {
  type ClickData,
  isClick,
  isCount,
  isEvery,
  isNumberOrNull,
  isPair,
  isText,
  isView,
  registerReply,
  type ViewBox,
} from "../protocol";

const WHAT: readonly unknown[] = ["start", "clicks", "box", "edit", "threshold"];

/** What the step was; `start`: there was none yet. */
export type What = "start" | "clicks" | "box" | "edit" | "threshold";

export interface StepMask {
  kind: "step_mask";
  id: string;
  /** Steps made by then, and steps there are. Frame 0 is the beginning. */
  index: number;
  count: number;
  /** All clicks until then; the last `new` of them came with this step. */
  clicks: ClickData[];
  new: number;
  what: What;
  grid: [number, number];
  area: number;
  iou: number | null;
  seconds: number | null;
  views: ViewBox[];
}

declare module "../protocol" {
  interface Requests {
    step_mask: { index: number };
  }
  interface Replies {
    step_mask: StepMask;
  }
}

registerReply("step_mask", {
  id: isText,
  index: isCount,
  count: isCount,
  clicks: isEvery(isClick),
  new: isCount,
  what: (value) => WHAT.includes(value),
  grid: isPair(isCount),
  area: isCount,
  iou: isNumberOrNull,
  seconds: isNumberOrNull,
  views: isEvery(isView),
});

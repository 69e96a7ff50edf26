/** How long a click took: the page's marks, and where the time went. */

import { isCount, isNumber, isText, registerReply } from "../protocol";

/** Milliseconds of the page's clock (`performance.now()`); see `timing.py` for the phases. */
export interface Marks {
  pressed: number;
  sent: number;
  heard: number;
  got: number;
  drawn: number;
}

/** Name, median, 95th percentile and last, in milliseconds. */
export type Phase = [name: string, median: number, p95: number, last: number];

export interface TimingTable {
  kind: "timing";
  id: string;
  clicks: number;
  phases: Phase[];
}

declare module "../protocol" {
  interface Requests {
    timing: { of: string } & Marks;
  }
  interface Replies {
    timing: TimingTable;
  }
}

const isPhase = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 4 && isText(value[0]) && value.slice(1).every(isNumber);

registerReply("timing", {
  id: isText,
  clicks: isCount,
  phases: (value) => Array.isArray(value) && value.every(isPhase),
});

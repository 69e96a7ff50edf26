/** Messages on whole objects and on the list of commands. */

import { isCount, isEvery, isPair, isText, isTexts, registerReply } from "../protocol";

/** What may be changed of an object; null leaves it. The colour `"label"` is that of the label. */
export interface ObjectChanges {
  name: string | null;
  label: string | null;
  colour: string | null;
  visible: boolean | null;
  locked: boolean | null;
  position: number | null;
}

export interface HistoryList {
  kind: "history";
  id: string;
  names: string[];
  objects: (number | null)[];
  done: number;
  /** Width and height of a thumbnail; the buffer is a PNG with a column of them. */
  cell: [number, number];
}

declare module "../protocol" {
  interface Requests {
    add_object: { label: string | null };
    select_object: { object: number | null };
    select_at: { x: number; y: number };
    change_object: { object: number } & ObjectChanges;
    remove_object: { object: number };
    merge_objects: { objects: number[] };
    subtract_object: { object: number; other: number };
    split_object: { object: number };
    duplicate_object: { object: number };
    rule: { rule: string };
    add_label: { label: string };
    history: object;
    jump: { done: number };
  }
  interface Replies {
    history: HistoryList;
  }
}

registerReply("history", {
  id: isText,
  names: isTexts,
  objects: isEvery((value): value is number | null => value === null || isCount(value)),
  done: isCount,
  cell: isPair(isCount),
});

const UNCHANGED: ObjectChanges = {
  name: null,
  label: null,
  colour: null,
  visible: null,
  locked: null,
  position: null,
};

/** The request that changes an object. */
export function changeObject(object: number, changes: Partial<ObjectChanges>) {
  return { kind: "change_object" as const, object, ...UNCHANGED, ...changes };
}

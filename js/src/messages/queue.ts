/** Messages on many images: going from one to the next, statuses and notes. */

import {
  isCount,
  isEvery,
  isFields,
  isFlag,
  isText,
  isTextOrNull,
  isTexts,
  type PictureData,
  registerReply,
} from "../protocol";

export const STATUSES = ["todo", "done", "skipped"] as const;
export type Status = (typeof STATUSES)[number];

/** Another image is open from revision `rev` on; its result follows. The buffer is the picture. */
export interface Opened extends PictureData {
  kind: "opened";
  rev: number;
}

export interface QueueEntry {
  index: number;
  file: string;
  status: Status;
  note: string;
  /** Why it cannot be worked on, as far as that is known. */
  problem: string | null;
}

/** Where one is, and the images that changed since the message before (`whole`: all). */
export interface Queue {
  kind: "queue";
  id: string | null;
  at: number;
  count: number;
  whole: boolean;
  images: QueueEntry[];
  /** Whether all work is on disk, or why it is not. */
  saved: boolean;
  trouble: string | null;
  /** Why nothing is saved any more. */
  closed: string | null;
  notices: string[];
}

/** A small picture of an image, the buffer; `mime` is null where it cannot be read. */
export interface QueueThumbnail {
  kind: "queue_thumbnail";
  id: string;
  image: number;
  mime: string | null;
}

declare module "../protocol" {
  interface Requests {
    queue: object;
    queue_go: { to: number; step: -1 | 0 | 1 };
    queue_mark: { image: number; status: Status; go_on: boolean };
    queue_note: { image: number; note: string };
    queue_thumbnail: { image: number };
  }
  interface Replies {
    opened: Opened;
    queue: Queue;
    queue_thumbnail: QueueThumbnail;
  }
}

function isEntry(value: unknown): value is QueueEntry {
  return (
    isFields(value) &&
    isCount(value.index) &&
    [value.file, value.note].every(isText) &&
    STATUSES.some((status) => status === value.status) &&
    isTextOrNull(value.problem)
  );
}

registerReply("opened", {
  rev: isCount,
  width: isCount,
  height: isCount,
  level: isCount,
  tile: isCount,
  mime: isText,
});
registerReply("queue_thumbnail", { id: isText, image: isCount, mime: isTextOrNull });
registerReply("queue", {
  id: isTextOrNull,
  at: isCount,
  count: isCount,
  whole: isFlag,
  images: isEvery(isEntry),
  saved: isFlag,
  trouble: isTextOrNull,
  closed: isTextOrNull,
  notices: isTexts,
});

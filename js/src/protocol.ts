/**
 * The messages between page and kernel, the mirror of `iseg_widget/widget/messages.py` (which
 * tells what each of them means). Both sides are tested against the same recorded messages,
 * `tests/widget/fixtures/messages.json`.
 */

export interface ClickData {
  x: number;
  y: number;
  positive: boolean;
}

/** Half-open box `[x0, y0, x1, y1]` in pixels. */
export type Box = [number, number, number, number];

export interface ViewBox {
  kind: string;
  box: Box;
}

export type RequestBody =
  | { kind: "hello"; picture: boolean }
  | { kind: "ping" }
  | { kind: "click"; x: number; y: number; positive: boolean }
  | { kind: "undo" }
  | { kind: "redo" }
  | { kind: "reset" }
  | { kind: "cancel" }
  | { kind: "method"; name: string; options: Record<string, unknown> | null };

export type Request = RequestBody & { id: string; rev: number };

export type Activity = "load" | "segment" | "replay";

export interface Stats {
  /** Seconds the method itself took for the latest step. */
  seconds: number | null;
  /** Intersection over union with the truth, where the widget was given one. */
  iou: number | null;
  /** Pixels in the mask. */
  area: number;
}

export interface Received {
  kind: "received";
  id: string;
}

export interface ActivityReply {
  kind: "activity";
  ids: string[];
  what: Activity | null;
}

export interface Picture {
  kind: "picture";
  id: string;
  width: number;
  height: number;
  mime: string;
}

export interface Result {
  kind: "result";
  id: string | null;
  ids: string[];
  rev: number;
  /** Revision the overlay is a patch of; `null` for a full overlay. */
  base: number | null;
  /** Width and height of the overlay's grid (smaller than the image for huge images). */
  grid: [number, number];
  /** Part of the grid that the buffer covers. */
  box: Box;
  clicks: ClickData[];
  can_undo: boolean;
  can_redo: boolean;
  views: ViewBox[];
  inferences: number;
  stats: Stats;
}

export interface Cancelled {
  kind: "cancelled";
  id: string;
  ids: string[];
}

export interface ErrorReply {
  kind: "error";
  id: string | null;
  ids: string[];
  title: string;
  message: string;
}

export type Reply = Received | ActivityReply | Picture | Result | Cancelled | ErrorReply;

const ACTIVITIES: readonly unknown[] = ["load", "segment", "replay", null];

type Fields = Record<string, unknown>;

function fail(what: string): never {
  throw new TypeError(`malformed message from the kernel: ${what}`);
}

const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => Number.isFinite(value);
const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
const isFlag = (value: unknown): value is boolean => typeof value === "boolean";
const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);
const isNumberOrNull = (value: unknown): value is number | null =>
  value === null || isNumber(value);
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isBox = (value: unknown): value is Box =>
  Array.isArray(value) && value.length === 4 && value.every(isNumber);
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function isClick(value: unknown): value is ClickData {
  return isFields(value) && isNumber(value.x) && isNumber(value.y) && isFlag(value.positive);
}

function isView(value: unknown): value is ViewBox {
  return isFields(value) && isText(value.kind) && isBox(value.box);
}

function isStats(value: unknown): value is Stats {
  return (
    isFields(value) &&
    isNumberOrNull(value.seconds) &&
    isNumberOrNull(value.iou) &&
    isCount(value.area)
  );
}

const isEvery =
  <T>(check: (value: unknown) => value is T) =>
  (value: unknown): value is T[] =>
    Array.isArray(value) && value.every(check);

const SHAPES: Record<Reply["kind"], Record<string, (value: unknown) => boolean>> = {
  received: { id: isText },
  activity: { ids: isTexts, what: (value) => ACTIVITIES.includes(value) },
  picture: { id: isText, width: isCount, height: isCount, mime: isText },
  result: {
    id: isTextOrNull,
    ids: isTexts,
    rev: isCount,
    base: (value) => value === null || isCount(value),
    grid: (value) => Array.isArray(value) && value.length === 2 && value.every(isCount),
    box: isBox,
    clicks: isEvery(isClick),
    can_undo: isFlag,
    can_redo: isFlag,
    views: isEvery(isView),
    inferences: isCount,
    stats: isStats,
  },
  cancelled: { id: isText, ids: isTexts },
  error: { id: isTextOrNull, ids: isTexts, title: isText, message: isText },
};

const isKind = (value: unknown): value is Reply["kind"] =>
  isText(value) && Object.hasOwn(SHAPES, value);

/** Check a message of the kernel; throws `TypeError` naming what is wrong with it. */
export function parseReply(content: unknown): Reply {
  if (!isFields(content)) fail("it is no object");
  const { kind } = content;
  if (!isKind(kind)) fail(`unknown kind ${JSON.stringify(kind)}`);
  const shape = SHAPES[kind];
  for (const [name, check] of Object.entries(shape)) {
    if (!check(content[name])) fail(`${kind}.${name} is ${JSON.stringify(content[name])}`);
  }
  return content as unknown as Reply;
}

/** Bytes of a message buffer: hosts hand over a `DataView`, a typed array or an `ArrayBuffer`. */
export function toBytes(buffer: unknown): Uint8Array<ArrayBuffer> {
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  if (ArrayBuffer.isView(buffer)) {
    const view = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    return view.buffer instanceof ArrayBuffer
      ? (view as Uint8Array<ArrayBuffer>)
      : new Uint8Array(view);
  }
  return fail("a buffer is missing");
}

/**
 * The messages between page and kernel, the mirror of `iseg_widget/widget/messages/` (which
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

/**
 * The fields of every request, by kind. Features add theirs in `messages/`:
 * `declare module "../protocol" { interface Requests { … } }`.
 */
export interface Requests {
  hello: { picture: boolean };
  ping: object;
  click: { x: number; y: number; positive: boolean };
  undo: object;
  redo: object;
  reset: object;
  cancel: object;
  method: { name: string; options: Record<string, unknown> | null };
}

export type RequestBody = {
  [K in keyof Requests]: { kind: K } & Requests[K];
}[keyof Requests];

export type Request = RequestBody & { id: string; rev: number };

export type Activity = "load" | "segment" | "replay" | "open";

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

/** What is told of a picture; the buffer is the base. */
export interface PictureData {
  width: number;
  height: number;
  /** How often it was halved: of finer levels there are tiles of `tile` pixels. */
  level: number;
  tile: number;
  mime: string;
}

export interface Picture extends PictureData {
  kind: "picture";
  id: string;
}

export interface ObjectEntry {
  id: number;
  label: string;
  name: string;
  colour: string;
  visible: boolean;
  locked: boolean;
  area: number;
  box: Box | null;
  /** How many there are. */
  clicks: number;
}

/**
 * The visible objects that are not active, as one map: 0, or 1 + the place in `ids` mod 255. The
 * ids are those of all visible objects.
 */
export interface Others {
  base: number | null;
  box: Box;
  ids: number[];
}

/** Commands that can be undone and redone, and the names of the next ones. */
export interface HistoryEntry {
  done: number;
  undone: number;
  undo: string | null;
  redo: string | null;
}

export interface Result {
  kind: "result";
  id: string | null;
  ids: string[];
  rev: number;
  /** Revision the overlay is a patch of; `null` for a full overlay. */
  base: number | null;
  /** Width and height of the overlay's grid: the image's. */
  grid: [number, number];
  /** Part of the grid that the buffer covers. */
  box: Box;
  clicks: ClickData[];
  views: ViewBox[];
  objects: ObjectEntry[];
  active: number | null;
  labels: [label: string, colour: string][];
  rule: string;
  others: Others;
  history: HistoryEntry;
  /** What the buffers hold, in order. */
  buffers: ("mask" | "others")[];
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

/** Every reply, by kind; features add theirs as they do with `Requests`. */
export interface Replies {
  received: Received;
  activity: ActivityReply;
  picture: Picture;
  result: Result;
  cancelled: Cancelled;
  error: ErrorReply;
}

export type Reply = Replies[keyof Replies];

const ACTIVITIES: readonly unknown[] = ["load", "segment", "replay", "open", null];

type Fields = Record<string, unknown>;

function fail(what: string): never {
  throw new TypeError(`malformed message from the kernel: ${what}`);
}

export const isText = (value: unknown): value is string => typeof value === "string";
export const isNumber = (value: unknown): value is number => Number.isFinite(value);
export const isCount = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0;
export const isFlag = (value: unknown): value is boolean => typeof value === "boolean";
export const isTextOrNull = (value: unknown): value is string | null =>
  value === null || isText(value);
export const isNumberOrNull = (value: unknown): value is number | null =>
  value === null || isNumber(value);
export const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(isText);
export const isBox = (value: unknown): value is Box =>
  Array.isArray(value) && value.length === 4 && value.every(isNumber);
export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function isClick(value: unknown): value is ClickData {
  return isFields(value) && isNumber(value.x) && isNumber(value.y) && isFlag(value.positive);
}

export function isView(value: unknown): value is ViewBox {
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

export const isCountOrNull = (value: unknown): value is number | null =>
  value === null || isCount(value);
export const isPair =
  <T>(check: (value: unknown) => value is T) =>
  (value: unknown): value is [T, T] =>
    Array.isArray(value) && value.length === 2 && value.every(check);

export const isEvery =
  <T>(check: (value: unknown) => value is T) =>
  (value: unknown): value is T[] =>
    Array.isArray(value) && value.every(check);

const isBoxOrNull = (value: unknown): value is Box | null => value === null || isBox(value);

function isObject(value: unknown): value is ObjectEntry {
  return (
    isFields(value) &&
    [value.id, value.area, value.clicks].every(isCount) &&
    [value.label, value.name, value.colour].every(isText) &&
    [value.visible, value.locked].every(isFlag) &&
    isBoxOrNull(value.box)
  );
}

function isOthers(value: unknown): value is Others {
  return (
    isFields(value) &&
    isCountOrNull(value.base) &&
    isBox(value.box) &&
    Array.isArray(value.ids) &&
    value.ids.every(isCount)
  );
}

export function isHistory(value: unknown): value is HistoryEntry {
  return (
    isFields(value) &&
    isCount(value.done) &&
    isCount(value.undone) &&
    isTextOrNull(value.undo) &&
    isTextOrNull(value.redo)
  );
}

export type Shape = Record<string, (value: unknown) => boolean>;

const SHAPES: Record<string, Shape> = {};

/** Say what a kind of reply consists of; replies of other kinds are refused. */
export function registerReply(kind: keyof Replies, shape: Shape): void {
  SHAPES[kind] = shape;
}

registerReply("received", { id: isText });
registerReply("activity", { ids: isTexts, what: (value) => ACTIVITIES.includes(value) });
registerReply("picture", {
  id: isText,
  width: isCount,
  height: isCount,
  level: isCount,
  tile: isCount,
  mime: isText,
});
registerReply("result", {
  id: isTextOrNull,
  ids: isTexts,
  rev: isCount,
  base: isCountOrNull,
  grid: isPair(isCount),
  box: isBox,
  clicks: isEvery(isClick),
  views: isEvery(isView),
  objects: isEvery(isObject),
  active: isCountOrNull,
  labels: isEvery(isPair(isText)),
  rule: isText,
  others: isOthers,
  history: isHistory,
  buffers: isTexts,
  inferences: isCount,
  stats: isStats,
});
registerReply("cancelled", { id: isText, ids: isTexts });
registerReply("error", { id: isTextOrNull, ids: isTexts, title: isText, message: isText });

const isKind = (value: unknown): value is Reply["kind"] =>
  isText(value) && Object.hasOwn(SHAPES, value);

/** Check a message of the kernel; throws `TypeError` naming what is wrong with it. */
export function parseReply(content: unknown): Reply {
  if (!isFields(content)) fail("it is no object");
  const { kind } = content;
  if (!isKind(kind)) fail(`unknown kind ${JSON.stringify(kind)}`);
  for (const [name, check] of Object.entries(SHAPES[kind] ?? {})) {
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

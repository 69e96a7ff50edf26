import type { ClickData } from "./protocol";

/** Id of a tool (see `parts/part.ts`). */
export type Tool = string;

/** The synced traits of `SegmentationWidget`. Only the ones in `PageTraits` are written here. */
export interface Traits extends PageTraits {
  clicks: ClickData[];
  method: string;
  /** Name and title of every method on offer. */
  methods: [string, string][];
  options: Record<string, unknown> | null;
  image_size: [number, number];
  /** How many there are in the queue; 0: the widget has one image and no queue. */
  images: number;
  height: number | null;
  /** The host runs cells again when the page sets a trait. */
  reactive: boolean;
}

/** What the page may change; everything else is written by the kernel alone. */
export interface PageTraits {
  tool: Tool;
  opacity: number;
  show_mask: boolean;
  show_views: boolean;
  /** Id of the open panel. */
  panel: string | null;
  loupe: boolean;
  loupe_zoom: number;
  pixel_grid: boolean;
  contour_width: number;
  mask_display: "both" | "fill" | "contour";
  background: "shown" | "dimmed" | "checkerboard";
  invert: boolean;
  side_by_side: boolean;
  /** Revision of the latest result that this page asked for; set where the host is `reactive`. */
  answered: number;
}

/** The part of anywidget's model that is used here. */
export interface Model {
  get<K extends keyof Traits>(name: K): Traits[K];
  set<K extends keyof PageTraits>(name: K, value: PageTraits[K]): void;
  save_changes(): void;
  send(content: unknown): void;
  // biome-ignore lint/suspicious/noExplicitAny: the host decides what an event carries
  on(event: string, callback: (...values: any[]) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: the host decides what an event carries
  off(event: string, callback: (...values: any[]) => void): void;
}

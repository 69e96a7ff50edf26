import type { PageTraits, Traits } from "../model";
import type { PaneInfo } from "./protocol";

/** What the page may change; everything else is written by the kernel alone. */
export interface ComparePageTraits extends PageTraits {
  show_agreement: boolean;
  /** Number of the pane that the robot looks at. */
  robot_pane: number;
}

/** The synced traits of `CompareWidget`. */
export interface CompareTraits
  extends ComparePageTraits,
    Pick<Traits, "clicks" | "image_size" | "height"> {
  panes: PaneInfo[];
  has_truth: boolean;
}

/** The part of anywidget's model that is used here. */
export interface CompareModel {
  get<K extends keyof CompareTraits>(name: K): CompareTraits[K];
  set<K extends keyof ComparePageTraits>(name: K, value: ComparePageTraits[K]): void;
  save_changes(): void;
  send(content: unknown): void;
  // biome-ignore lint/suspicious/noExplicitAny: the host decides what an event carries
  on(event: string, callback: (...values: any[]) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: the host decides what an event carries
  off(event: string, callback: (...values: any[]) => void): void;
}

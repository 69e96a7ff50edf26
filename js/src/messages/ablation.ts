/** Messages about a method's options, the mirror of `widget/messages/ablation.py`. */

import type { Box } from "../protocol";

export type OptionValue = boolean | number | string | null;
export type OptionValues = Record<string, OptionValue>;

export interface OptionField {
  name: string;
  kind: "flag" | "choice" | "integer" | "number" | "fixed";
  default: OptionValue;
  doc: string;
  /** Places in the paper. */
  sources: string[];
  /** Limits in words. */
  accepted: string;
  choices: (string | number)[];
  /** Whether `null` is accepted as well. */
  optional: boolean;
}

export interface OptionsForm {
  kind: "options_form";
  id: string;
  method: string;
  title: string;
  fields: OptionField[];
  values: OptionValues;
  /** Python that loads the method with these options; empty for a method of one's own. */
  code: string;
}

export interface OptionsChecked {
  kind: "options_checked";
  id: string;
  /** Messages by option; empty when all is well. */
  problems: Record<string, string>;
}

/** What lies between the mask under other options and the present one. */
export interface Difference {
  kind: "difference";
  id: string;
  grid: [number, number];
  /** Smallest box that holds all of it; buffers: its added and its removed pixels. */
  box: Box;
  added: number;
  removed: number;
  /** Intersection over union of the two masks. */
  iou: number;
  /** Against the truth, where there is one. */
  truth_before: number | null;
  truth_after: number | null;
}

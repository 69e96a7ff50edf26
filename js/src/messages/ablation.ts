/** Messages about a method's options, the mirror of `widget/messages/ablation.py`. */

import {
  type Box,
  isBox,
  isCount,
  isEvery,
  isFields,
  isFlag,
  isNumber,
  isNumberOrNull,
  isPair,
  isText,
  isTexts,
  registerReply,
} from "../protocol";

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

declare module "../protocol" {
  interface Requests {
    options_form: object;
    check_options: { method: string; values: OptionValues };
    difference: { method: string; values: OptionValues };
  }
  interface Replies {
    options_form: OptionsForm;
    options_checked: OptionsChecked;
    difference: Difference;
  }
}

const KINDS: readonly unknown[] = ["flag", "choice", "integer", "number", "fixed"];

function isOption(value: unknown): value is OptionField {
  return (
    isFields(value) &&
    KINDS.includes(value.kind) &&
    [value.name, value.doc, value.accepted].every(isText) &&
    isTexts(value.sources) &&
    Array.isArray(value.choices) &&
    isFlag(value.optional)
  );
}

registerReply("options_form", {
  id: isText,
  method: isText,
  title: isText,
  fields: isEvery(isOption),
  values: isFields,
  code: isText,
});
registerReply("options_checked", {
  id: isText,
  problems: (value) => isFields(value) && Object.values(value).every(isText),
});
registerReply("difference", {
  id: isText,
  grid: isPair(isCount),
  box: isBox,
  added: isCount,
  removed: isCount,
  iou: isNumber,
  truth_before: isNumberOrNull,
  truth_after: isNumberOrNull,
});

/** The features of the widget, in the order of their buttons and of the list of keys. */

import { ablation } from "./ablation";
import { clicks } from "./clicks";
import { core } from "./core";
import { explain } from "./explain";
import type { MakePart } from "./part";
import { replay } from "./replay";

export const PARTS: readonly MakePart[] = [clicks, core, explain, ablation, replay];

/** The features of the widget, in the order of their buttons and of the list of keys. */

import { ablation } from "./ablation";
import { clicks, crosshair } from "./clicks";
import { core } from "./core";
import { drawing } from "./drawing";
import { explain } from "./explain";
import { history } from "./history";
import { moving } from "./moving";
import { objects } from "./objects";
import { opening } from "./opening";
import type { MakePart } from "./part";
import { queue } from "./queue";
import { reactive } from "./reactive";
import { replay } from "./replay";
import { scissors } from "./scissors";
import { spoken } from "./spoken";
import { threshold } from "./threshold";
import { timing } from "./timing";
import { viewModes } from "./view-modes";

export const PARTS: readonly MakePart[] = [
  clicks,
  drawing,
  scissors,
  moving,
  core,
  queue,
  threshold,
  viewModes,
  objects,
  history,
  explain,
  ablation,
  replay,
  reactive,
  timing,
  opening,
  spoken,
  crosshair, // the last that Escape puts away
];

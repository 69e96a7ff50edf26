/** The features of the widget, in the order of their buttons and of the list of keys. */

import { clicks } from "./clicks";
import { core } from "./core";
import { history } from "./history";
import { objects } from "./objects";
import type { MakePart } from "./part";
import { viewModes } from "./view-modes";

export const PARTS: readonly MakePart[] = [clicks, core, viewModes, objects, history];

import { expect, it } from "vitest";
import { difference } from "../src/parts/spoken";
import { initialState, PLAIN, type State, type TraitState } from "../src/store/state";
import { object } from "./fakes";

const traits: TraitState = {
  image: { width: 20, height: 12 },
  clicks: [],
  tool: "positive",
  opacity: 0.5,
  showMask: true,
  showViews: false,
  modes: PLAIN,
  method: "focalclick",
  methods: [],
};
const objects = [object({ id: 1, name: "" }), object({ id: 2, name: "cat" })];
const before: State = { ...initialState(traits), objects, active: 1 };

it.each<[Partial<State>, string]>([
  [{ tool: "brush" }, "brush (X: eraser): Enter begins, arrow keys draw, Enter ends"],
  [{ tool: "polygon" }, "polygon: Enter places corners, twice at one place closes"],
  [{ tool: "negative" }, "Negative clicks"],
  [{ showMask: false }, "Masks off"],
  [{ opacity: 0.6 }, "Opacity 60 percent"],
  [{ modes: { ...PLAIN, loupe: true } }, "Loupe on"],
  [{ modes: { ...PLAIN, background: "dimmed" } }, "Background dimmed"],
  [{ modes: { ...PLAIN, mask_display: "contour" } }, "Mask: contour"],
  [{ modes: { ...PLAIN } }, ""],
  [{ active: 2 }, "Object cat"],
  [{ active: null }, "No object is active"],
  [{ cursor: { x: 3.2, y: 4 } }, "3, 4"],
  [{ rev: 7, scale: 2 }, ""],
])("%j is said as %j", (changes, text) => {
  expect(difference({ ...before, ...changes }, before)).toBe(text);
});

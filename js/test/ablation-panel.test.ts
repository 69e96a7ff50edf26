import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Difference, OptionField, OptionsForm, OptionValues } from "../src/messages/ablation";
import { AblationPanel } from "../src/parts/ablation-panel";
import { sentence } from "../src/parts/option-row";

function field(name: string, fields: Partial<OptionField>): OptionField {
  return {
    name,
    kind: "number",
    default: 1.4,
    doc: `about ${name}`,
    sources: [],
    accepted: "",
    choices: [],
    optional: false,
    ...fields,
  };
}

const FIELDS = [
  field("crop", { kind: "flag", default: true }),
  field("ratio", { sources: ["Sec. 3.1", "Table 7"], accepted: "must lie in 1..10" }),
  field("way", { kind: "choice", default: 4, choices: [4, 8] }),
  field("side", { kind: "integer", default: 1024, optional: true }),
];
const DEFAULTS: OptionValues = { crop: true, ratio: 1.4, way: 4, side: 1024 };

function form(values: OptionValues = {}): OptionsForm {
  return {
    kind: "options_form",
    id: "a",
    method: "focalclick",
    title: "FocalClick (CVPR 2022)",
    fields: FIELDS,
    values: { ...DEFAULTS, ...values },
    code: 'method = iseg.load_method("focalclick")',
  };
}

const REFERENCE = { method: "focalclick", title: "FocalClick (CVPR 2022)", values: DEFAULTS };

const FOUND: Difference = {
  kind: "difference",
  id: "a",
  grid: [20, 10],
  box: [0, 0, 4, 4],
  added: 12345,
  removed: 6,
  iou: 0.98765,
  truth_before: 0.9,
  truth_after: 0.875,
};

const applied: OptionValues[] = [];
const pinned: boolean[] = [];
const revealed: boolean[] = [];
let panel: AblationPanel;

beforeEach(() => {
  for (const list of [applied, pinned, revealed]) list.length = 0;
  panel = new AblationPanel({
    apply: (values) => applied.push(values),
    pin: (on) => pinned.push(on),
    reveal: (on) => revealed.push(on),
  });
  document.body.replaceChildren(panel.element);
});

afterEach(() => vi.useRealTimers());

const byId = (id: string) => document.querySelector<HTMLElement>(`[data-testid="iseg-${id}"]`);
const row = (name: string) => document.querySelector<HTMLElement>(`[data-option="${name}"]`);
function control(name: string) {
  const found = row(name)?.querySelector<HTMLInputElement>('[data-testid$="option-control"]');
  if (!found) throw new Error(`no control for ${name}`);
  return found;
}
function enter(name: string, value: string | boolean) {
  const node = control(name);
  if (typeof value === "boolean") node.checked = value;
  else node.value = value;
  node.dispatchEvent(new Event("change"));
}

test("every option has a control with its value, its meaning and its source", () => {
  panel.show(form({ ratio: 2 }));
  expect(byId("options-method")?.textContent).toBe("FocalClick (CVPR 2022)");
  expect(control("crop").checked).toBe(true);
  expect(control("ratio").value).toBe("2");
  expect(control("side").value).toBe("1024");
  expect(row("ratio")?.textContent).toContain("About ratio");
  expect(row("ratio")?.textContent).toContain("must lie in 1..10");
  expect(row("ratio")?.textContent).toContain("Table 7");
  const label = row("ratio")?.querySelector("label");
  expect(label?.getAttribute("for")).toBe(control("ratio").id);
});

test("changed options are marked and can be taken back one by one", () => {
  panel.show(form({ ratio: 2 }));
  expect(row("ratio")?.dataset.changed).toBe("true");
  expect(row("crop")?.dataset.changed).toBe("false");
  row("ratio")?.querySelector("button")?.click();
  expect(applied).toEqual([DEFAULTS]);
  expect(row("ratio")?.dataset.changed).toBe("false");
});

test("all can be taken back at once", () => {
  panel.show(form());
  expect(byId("options-reset")?.hasAttribute("disabled")).toBe(true);
  panel.show(form({ ratio: 2, crop: false }));
  byId("options-reset")?.click();
  expect(applied).toEqual([DEFAULTS]);
});

test("a change sends all values, each as what it is", () => {
  panel.show(form());
  enter("crop", false);
  enter("way", "1");
  enter("ratio", "1.55");
  expect(applied.at(-1)).toEqual({ crop: false, ratio: 1.55, way: 8, side: 1024 });
});

test("Enter takes a value, once", () => {
  panel.show(form());
  control("ratio").value = "2";
  const press = () =>
    control("ratio").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  press();
  press();
  enter("ratio", "2");
  expect(applied.map((values) => values.ratio)).toEqual([2]);
});

test("an optional number can be none, and comes back", () => {
  panel.show(form());
  const none = row("side")?.querySelector<HTMLInputElement>(".iseg-none input");
  if (!none) throw new Error("no box");
  none.checked = true;
  none.dispatchEvent(new Event("change"));
  expect(applied.at(-1)?.side).toBeNull();
  expect(control("side").disabled).toBe(true);
  none.checked = false;
  none.dispatchEvent(new Event("change"));
  expect(applied.at(-1)?.side).toBe(1024);
});

test("what is no number is told in place and not sent", () => {
  panel.show(form());
  enter("ratio", "");
  expect(applied).toEqual([]);
  expect(row("ratio")?.textContent).toContain("ratio must be a number");
  expect(control("ratio").getAttribute("aria-invalid")).toBe("true");
});

test("the kernel's messages stand at their options; others below", () => {
  panel.show(form());
  panel.problems({ ratio: "ratio must lie in 1..10, got 99", other: "there is no option 'other'" });
  expect(row("ratio")?.querySelector("[role=alert]")?.textContent).toContain("got 99");
  expect(panel.element.textContent).toContain("there is no option");
  panel.problems({});
  expect(control("ratio").getAttribute("aria-invalid")).toBe("false");
});

test("new values keep the controls; another method brings its own", () => {
  panel.show(form());
  const kept = control("ratio");
  panel.show(form({ ratio: 3 }));
  expect(control("ratio")).toBe(kept);
  expect(kept.value).toBe("3");
  panel.show({ ...form(), method: "other", fields: [field("new", {})], values: { new: 1 } });
  expect(row("ratio")).toBeNull();
  expect(control("new").value).toBe("1");
});

test("a difference is told in pixels and in IoU", () => {
  panel.show(form({ ratio: 2 }));
  panel.compare({ ...REFERENCE, pinned: false });
  panel.difference(FOUND);
  expect(byId("difference-of")?.textContent).toBe("Against the former options: ratio 1.4 → 2");
  expect(byId("added")?.textContent).toBe("12\u2009345 px");
  expect(byId("removed")?.textContent).toBe("6 px");
  expect(byId("iou-both")?.textContent).toBe("0.9877");
  expect(byId("iou-truth")?.textContent).toBe("0.9000 → 0.8750 (−0.0250)");
  panel.difference({ ...FOUND, truth_before: null, truth_after: null });
  expect(byId("iou-truth")).toBeNull();
  panel.difference(null);
  expect(byId("added")).toBeNull();
});

test("options can be pinned to compare with", () => {
  panel.show(form());
  byId("options-pin")?.click();
  panel.compare({ ...REFERENCE, pinned: true });
  expect(byId("options-pin")?.getAttribute("aria-pressed")).toBe("true");
  expect(byId("difference-of")?.textContent).toContain("the same options");
  panel.show(form({ crop: false }));
  expect(byId("difference-of")?.textContent).toContain("against A: crop True → False");
  byId("options-pin")?.click();
  expect(pinned).toEqual([true, false]);
});

test("another method can be pinned", () => {
  panel.show(form());
  panel.compare({ pinned: true, method: "ritm", title: "RITM (ICIP 2022)", values: {} });
  expect(byId("difference-of")?.textContent).toBe(
    "FocalClick (CVPR 2022) against A: RITM (ICIP 2022)",
  );
});

test("the difference on the picture can be hidden", () => {
  panel.difference(FOUND);
  byId("difference-show")?.click();
  expect(revealed).toEqual([false]);
});

test("the Python is copied, or shown where there is no clipboard", async () => {
  panel.show(form());
  const write = vi.fn(async () => undefined);
  vi.stubGlobal("navigator", { clipboard: { writeText: write } });
  byId("options-copy")?.click();
  await Promise.resolve();
  expect(write).toHaveBeenCalledWith('method = iseg.load_method("focalclick")');
  await vi.waitFor(() => expect(byId("options-copy")?.textContent).toBe("Copied"));
  vi.stubGlobal("navigator", {});
  byId("options-copy")?.click();
  await vi.waitFor(() => expect(byId("options-code")?.hidden).toBe(false));
  expect(document.activeElement).toBe(byId("options-code"));
  vi.unstubAllGlobals();
});

test("a docstring reads as a sentence", () => {
  const doc = "expansion ratio of ``crop`` (Sec. 3.1; Table 7), see :mod:`a.b` (ours).";
  expect(sentence(doc, ["Sec. 3.1", "Table 7"])).toBe("Expansion ratio of crop, see a.b (ours).");
});

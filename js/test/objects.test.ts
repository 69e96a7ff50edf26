import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { object } from "./fakes";
import { Stage, settle } from "./stage";

let stage: Stage;

beforeEach(async () => {
  stage = new Stage();
  await stage.open();
});
afterEach(() => stage.close());

const two = [
  object({ id: 1, area: 12, name: "" }),
  object({ id: 2, area: 7, name: "<img src=x onerror=alert(1)>", colour: "#aa3311" }),
];
const rows = (): HTMLElement[] => stage.all("object");

describe("objects", () => {
  beforeEach(() => stage.state({ objects: two, active: 1 }));

  it("are listed, the upper first, with the active one marked and names as text", () => {
    expect(rows().map((row) => row.dataset.object)).toEqual(["2", "1"]);
    expect(rows().map((row) => row.dataset.active)).toEqual([undefined, "true"]);
    expect(rows()[0]?.textContent).toContain("<img src=x onerror=alert(1)>");
    expect(rows()[0]?.querySelector("img")).toBeNull();
    expect(rows()[1]?.textContent).toContain("object 1");
  });

  it("are chosen by their row, by Ctrl + click and with the tool", () => {
    rows()[0]?.click();
    expect(stage.model.last("select_object")).toMatchObject({ object: 2 });
    stage.press(3, 4, { ctrlKey: true });
    expect(stage.model.last("select_at")).toMatchObject({ x: 3, y: 4 });
    stage.key("q");
    expect(stage.model.traits.tool).toBe("select");
    stage.press(5, 6);
    expect(stage.model.last("select_at")).toMatchObject({ x: 5, y: 6 });
    expect(stage.model.sent.some(({ kind }) => kind === "click")).toBe(false);
  });

  it("are chosen at the crosshair by Enter, which is no click then", () => {
    stage.key("q");
    stage.key("Enter"); // shows the crosshair
    expect(stage.model.sent.some(({ kind }) => kind === "select_at")).toBe(false);
    stage.key("Enter");
    expect(stage.model.last("select_at")).toMatchObject({ kind: "select_at" });
    expect(stage.model.sent.some(({ kind }) => kind === "click")).toBe(false);
  });

  it("are marked by choosing them while Mark is pressed", () => {
    const merge = stage.get("merge") as HTMLButtonElement;
    expect(merge.disabled).toBe(true);
    stage.get("mark").click();
    expect(stage.get("mark").getAttribute("aria-pressed")).toBe("true");
    rows()[0]?.click();
    expect(stage.model.sent.some(({ kind }) => kind === "select_object")).toBe(false);
    expect(merge.disabled).toBe(false);
    merge.click();
    expect(stage.model.last("merge_objects")).toMatchObject({ objects: [1, 2] });
  });

  it("keep the focus on the button that was pressed", async () => {
    const button = () => stage.all("object-locked")[0] as HTMLElement;
    stage.get("objects-toggle").click();
    button().focus();
    button().click();
    await stage.state({ objects: [two[0], { ...two[1], locked: true }], active: 1 });
    expect(button().getAttribute("aria-label")).toContain("Unlock");
    expect(document.activeElement).toBe(button());
  });

  it("are named after a double click, and keep what is written when a result comes", async () => {
    rows()[0]?.click();
    await stage.state({ objects: [...two], active: 2 }); // the rows are others now
    rows()[0]?.click();
    const name = stage.get("object-name") as HTMLInputElement;
    name.value = "Tom";
    await stage.state({ objects: two, active: 1 });
    expect(document.activeElement).toBe(stage.get("object-name"));
    expect((stage.get("object-name") as HTMLInputElement).value).toBe("Tom");
    expect(stage.model.sent.some(({ kind }) => kind === "change_object")).toBe(false);
    stage.key("Enter", {}, stage.get("object-name"));
    expect(stage.model.last("change_object")).toMatchObject({ object: 2, name: "Tom" });
    expect(stage.all("object-name")).toEqual([]);
  });

  it("are named with a button as well", () => {
    stage.get("rename-object").click();
    expect(document.activeElement).toBe(stage.get("object-name"));
    expect(rows()[1]?.contains(stage.get("object-name"))).toBe(true);
  });

  it("are added by N", () => {
    expect(stage.key("n")).toBe(true);
    expect(stage.model.last("add_object")).toMatchObject({ label: null });
  });

  it("are hidden, locked, coloured and renamed", () => {
    stage.all("object-visible")[0]?.click();
    expect(stage.model.last("change_object")).toMatchObject({ object: 2, visible: false });
    stage.all("object-locked")[1]?.click();
    expect(stage.model.last("change_object")).toMatchObject({ object: 1, locked: true });
    const colour = stage.all("object-colour")[0] as HTMLInputElement;
    colour.value = "#123456";
    colour.dispatchEvent(new Event("change"));
    expect(stage.model.last("change_object")).toMatchObject({ object: 2, colour: "#123456" });
    stage.key("F2", {}, rows()[1] as HTMLElement);
    const name = stage.get("object-name") as HTMLInputElement;
    name.value = "Tom";
    stage.key("Enter", {}, name);
    expect(stage.model.last("change_object")).toMatchObject({ object: 1, name: "Tom" });
    expect(stage.all("object-name")).toEqual([]);
  });

  it("are merged and subtracted with those that are marked", () => {
    const merge = stage.get("merge") as HTMLButtonElement;
    expect(merge.disabled).toBe(true);
    rows()[0]?.dispatchEvent(new MouseEvent("click", { bubbles: true, ctrlKey: true }));
    expect(merge.disabled).toBe(false);
    merge.click();
    expect(stage.model.last("merge_objects")).toMatchObject({ objects: [1, 2] });
    stage.get("subtract").click();
    expect(stage.model.last("subtract_object")).toMatchObject({ object: 1, other: 2 });
  });

  it("are walked through with the arrow keys, which do not reach the picture", () => {
    rows()[0]?.focus();
    stage.key("ArrowDown", {}, rows()[0]);
    expect(document.activeElement).toBe(rows()[1]);
    stage.key("Enter", {}, rows()[1]);
    expect(stage.model.last("select_object")).toMatchObject({ object: 1 });
    stage.key("Delete", {}, rows()[1]);
    expect(stage.model.last("remove_object")).toMatchObject({ object: 1 });
  });
});

describe("the history", () => {
  const list = (id: unknown) => ({
    kind: "history",
    id,
    names: ["click", "add"],
    objects: [1, 2],
    done: 1,
    cell: [56, 40],
  });

  it("is asked for when it is opened and after every change, and goes where one clicks", async () => {
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:x" }));
    vi.spyOn(URL, "revokeObjectURL").mockReturnValue(undefined);
    stage.key("h");
    const { id } = stage.model.last("history");
    stage.model.reply({ kind: "received", id });
    stage.model.reply(list(id), [new Uint8Array(3)]);
    await settle();
    const entries = stage.all("history-entry");
    expect(entries.map((entry) => entry.textContent)).toEqual(["beginning", "1. click", "2. add"]);
    expect(entries[1]?.getAttribute("aria-current")).toBe("step");
    expect(entries[2]?.dataset.undone).toBe("true");
    entries[0]?.click();
    expect(stage.model.last("jump")).toMatchObject({ done: 0 });
    const count = stage.model.sent.filter(({ kind }) => kind === "history").length;
    await stage.state({});
    await new Promise((done) => setTimeout(done, 200));
    expect(stage.model.sent.filter(({ kind }) => kind === "history")).toHaveLength(count + 1);

    const again = stage.model.last("history").id;
    stage.model.reply({ kind: "received", id: again });
    stage.model.reply({ ...list(again), names: ["click"] }, [new Uint8Array(3)]);
    await settle();
    // The same entries, so that one being pressed while the list is renewed keeps its click.
    expect(stage.all("history-entry")).toEqual(entries.slice(0, 2));
    expect(stage.all("history-entry")[0]).toBe(entries[0]);
  });
});

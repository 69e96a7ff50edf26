import { describe, expect, it } from "vitest";
import type { Host } from "../src/parts/part";
import { reactive } from "../src/parts/reactive";
import type { Reply } from "../src/protocol";
import { FakeModel, result } from "./fakes";

function part(isReactive: boolean) {
  const model = new FakeModel();
  model.traits.reactive = isReactive;
  const host = {
    model,
    owns: (id: string | null) => id === "mine.1",
    setTrait: (name: "answered", value: number) => {
      model.set(name, value);
      model.save_changes();
    },
  };
  const take = reactive(host as unknown as Host).reply;
  return { model, take: (fields: object) => take?.(result({ ...fields }) as unknown as Reply, []) };
}

describe("a reactive host", () => {
  it("is told of results that this page asked for, once each", () => {
    const { model, take } = part(true);
    take({ id: "mine.1", rev: 4 });
    take({ id: "mine.1", rev: 4 });
    expect([model.traits.answered, model.saved]).toEqual([4, 1]);
    take({ id: "other.1", rev: 5 });
    take({ id: null, rev: 6 });
    take({ kind: "picture", id: "mine.1", rev: 7 });
    expect([model.traits.answered, model.saved]).toEqual([4, 1]);
  });

  it("is told nothing where cells do not run by themselves", () => {
    const { model, take } = part(false);
    take({ id: "mine.1", rev: 4 });
    expect(model.saved).toBe(0);
  });
});

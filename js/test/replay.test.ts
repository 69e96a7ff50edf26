import { beforeEach, expect, test } from "vitest";
import type { StepMask } from "../src/messages/replay";
import { DWELL, Player } from "../src/parts/player";
import { ReplayBar } from "../src/parts/replay-bar";

class FakeClock {
  waiting = new Map<number, { action: () => void; milliseconds: number }>();
  #next = 0;

  start(action: () => void, milliseconds: number): number {
    this.#next += 1;
    this.waiting.set(this.#next, { action, milliseconds });
    return this.#next;
  }

  stop(timer: number): void {
    this.waiting.delete(timer);
  }

  get milliseconds(): number[] {
    return [...this.waiting.values()].map((entry) => entry.milliseconds);
  }

  tick(): void {
    expect(this.waiting.size).toBe(1);
    for (const [timer, { action }] of [...this.waiting]) {
      this.waiting.delete(timer);
      action();
    }
  }
}

let clock: FakeClock;
let player: Player;
let bar: ReplayBar;
let moments: (number | null)[] = [];
let closed = 0;

beforeEach(() => {
  clock = new FakeClock();
  moments = [];
  closed = 0;
  player = new Player(
    { moment: (index) => moments.push(index), changed: () => bar.update(null) },
    clock,
  );
  bar = new ReplayBar(player, () => {
    closed += 1;
  });
  document.body.replaceChildren(bar.element);
  player.reset(2);
});

const byId = (id: string) => {
  const found = document.querySelector<HTMLElement>(`[data-testid="iseg-${id}"]`);
  if (found === null) throw new Error(`no ${id}`);
  return found;
};

function frame(fields: Partial<StepMask>): StepMask {
  return {
    kind: "step_mask",
    id: "a",
    index: 1,
    count: 2,
    clicks: [{ x: 1, y: 2, positive: true }],
    new: 1,
    what: "clicks",
    grid: [4, 4],
    area: 3,
    iou: null,
    seconds: 0.1,
    views: [],
    ...fields,
  };
}

test("playing goes from the beginning through all steps to the present", () => {
  player.play();
  clock.tick();
  clock.tick();
  expect(player.playing).toBe(true);
  clock.tick();
  expect(moments).toEqual([0, 1, 2, null]);
  expect(player.playing).toBe(false);
  expect(clock.waiting.size).toBe(0);
});

test("pausing stays where it is, and playing goes on from there", () => {
  player.play();
  clock.tick();
  player.pause();
  expect(clock.waiting.size).toBe(0);
  expect(player.index).toBe(1);
  player.play();
  clock.tick();
  expect(moments).toEqual([0, 1, 2]);
});

test("steps pause, and stay within the session", () => {
  player.play();
  player.step(1);
  expect(player.playing).toBe(false);
  player.step(-1);
  player.step(-1);
  expect(moments).toEqual([0, 1, 0]);
  player.seek(99);
  expect(player.index).toBe(2);
  player.step(1);
  expect(player.index).toBe(2);
});

test("from the present, back is the state before the last step", () => {
  player.step(-1);
  expect(moments).toEqual([1]);
});

test("speed changes at once", () => {
  player.play();
  expect(clock.milliseconds).toEqual([DWELL]);
  player.setSpeed(4);
  expect(clock.milliseconds).toEqual([DWELL / 4]);
});

test("new steps end the replay", () => {
  player.play();
  player.reset(3);
  expect(moments).toEqual([0, null]);
  expect(clock.waiting.size).toBe(0);
  expect(player.count).toBe(3);
});

test("nothing is played where nothing happened", () => {
  player.reset(0);
  player.play();
  player.step(-1);
  player.seek(0);
  expect(moments).toEqual([]);
  expect(byId("replay-play").hasAttribute("disabled")).toBe(true);
  expect(byId("replay-text").textContent).toBe("Nothing to replay yet");
});

test("the bar tells where it is", () => {
  expect(byId("replay-text").textContent).toBe("Present, after 2 steps");
  player.seek(0);
  expect(byId("replay-text").textContent).toBe("Before the first of 2 steps");
  player.seek(1);
  bar.update(frame({ iou: 0.5 }));
  expect(byId("replay-text").textContent).toBe("Step 1 of 2  ·  positive click  ·  IoU 0.500");
  bar.update(frame({ what: "edit", new: 0 }));
  expect(byId("replay-text").textContent).toContain("drawn by hand");
  // The picture of another step is on its way.
  bar.update(frame({ index: 2 }));
  expect(byId("replay-text").textContent).toBe("Step 1 of 2");
});

test("buttons and slider act on the player", () => {
  byId("replay-play").click();
  expect(player.playing).toBe(true);
  expect(byId("replay-play").getAttribute("aria-label")).toBe("Pause (Space)");
  byId("replay-on").click();
  expect(player.index).toBe(1);
  byId("replay-back").click();
  expect(player.index).toBe(0);
  const slider = byId("replay-progress") as HTMLInputElement;
  slider.value = "2";
  slider.dispatchEvent(new Event("input"));
  expect(player.index).toBe(2);
  byId("replay-leave").click();
  expect(player.index).toBeNull();
});

test("the space bar plays and pauses, Escape closes, and other keys pass", () => {
  const press = (target: HTMLElement, key: string) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  press(byId("replay-progress"), " ");
  expect(player.playing).toBe(true);
  press(bar.element, " ");
  expect(player.playing).toBe(false);
  // A button takes the space bar itself.
  expect(press(byId("replay-on"), " ")).toBe(true);
  expect(press(bar.element, "u")).toBe(true);
  press(byId("replay-speed"), "Escape");
  expect(closed).toBe(1);
});

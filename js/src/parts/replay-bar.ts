/** The bar that plays a session click by click. */

import type { StepMask } from "../messages/replay";
import { glyph, make, setText, tap } from "./panels-dom";
import { type Player, SPEEDS } from "./player";

const PLAY = "M5 3v10l8-5Z";
const PAUSE = "M4.5 3h2.5v10H4.5ZM9 3h2.5v10H9Z";
const BACK = "M10.5 3.5 6 8l4.5 4.5M4.5 3.5v9";
const ON = "M5.5 3.5 10 8l-4.5 4.5M11.5 3.5v9";

export class ReplayBar {
  readonly element: HTMLElement;
  readonly #player: Player;
  readonly #play: HTMLButtonElement;
  readonly #back: HTMLButtonElement;
  readonly #on: HTMLButtonElement;
  readonly #leave: HTMLButtonElement;
  readonly #progress: HTMLInputElement;
  readonly #speed: HTMLSelectElement;
  readonly #text = make("span", { class: "iseg-replay-text", "data-testid": "iseg-replay-text" });
  #icon = "";

  constructor(player: Player, close: () => void) {
    this.#player = player;
    this.#play = tap("replay-play", "Play (Space)", "", () => player.toggle());
    this.#back = tap("replay-back", "Step back", glyph(BACK), () => player.step(-1));
    this.#on = tap("replay-on", "Step forward", glyph(ON), () => player.step(1));
    this.#leave = tap("replay-leave", "Back to the present", "Now", () => player.leave());
    this.#progress = make("input", {
      type: "range",
      class: "iseg-replay-progress",
      min: "0",
      step: "1",
      "aria-label": "Step that is shown",
      "data-testid": "iseg-replay-progress",
    });
    this.#progress.addEventListener("input", () => player.seek(Number(this.#progress.value)));
    this.#speed = make("select", {
      class: "iseg-select iseg-replay-speed",
      "aria-label": "Speed",
      title: "Speed",
      "data-testid": "iseg-replay-speed",
    });
    for (const speed of SPEEDS) {
      this.#speed.append(make("option", { value: String(speed) }, `${speed} ×`));
    }
    this.#speed.addEventListener("change", () => player.setSpeed(Number(this.#speed.value)));
    const end = tap("replay-close", "Close the replay (Esc)", glyph("m4 4 8 8M12 4l-8 8"), close);
    this.element = make(
      "div",
      {
        class: "iseg-replay",
        role: "group",
        "aria-label": "Replay of the clicks",
        tabindex: "-1",
        "data-testid": "iseg-replay",
        hidden: "",
      },
      this.#back,
      this.#play,
      this.#on,
      this.#progress,
      this.#text,
      this.#speed,
      this.#leave,
      end,
    );
    this.element.addEventListener("keydown", (event) => this.#onKey(event, close));
    this.update(null);
  }

  /** Focus the play button. */
  focus(): void {
    this.#play.focus({ preventScroll: true });
  }

  /** Show where the player is; `frame` is what is on the picture, if anything is. */
  update(frame: StepMask | null): void {
    const { count, index, playing, speed } = this.#player;
    const icon = playing ? PAUSE : PLAY;
    if (icon !== this.#icon) {
      this.#icon = icon;
      this.#play.replaceChildren(glyph(icon, true));
      const label = playing ? "Pause (Space)" : "Play (Space)";
      this.#play.setAttribute("aria-label", label);
      this.#play.title = label;
    }
    const at = index ?? count;
    this.#progress.max = String(Math.max(count, 1));
    this.#progress.value = String(at);
    this.#progress.disabled = count === 0;
    this.#speed.value = String(speed);
    this.#play.disabled = count === 0;
    this.#back.disabled = at === 0;
    this.#on.disabled = at >= count;
    this.#leave.disabled = index === null;
    const words = said(index, count, frame);
    setText(this.#text, words);
    this.#progress.setAttribute("aria-valuetext", words);
  }

  #onKey(event: KeyboardEvent, close: () => void): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") close();
    else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) {
      this.#player.toggle();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function said(index: number | null, count: number, frame: StepMask | null): string {
  if (count === 0) return "Nothing to replay yet";
  if (index === null) return `Present, after ${count} ${count === 1 ? "step" : "steps"}`;
  if (index === 0) return `Before the first of ${count} ${count === 1 ? "step" : "steps"}`;
  const words = [`Step ${index} of ${count}`];
  if (frame !== null && frame.index === index) {
    const last = frame.clicks.at(-1);
    if (frame.what === "edit") words.push("drawn by hand");
    else if (frame.what === "threshold") words.push("threshold");
    else if (frame.what === "box") words.push("box");
    else if (frame.new > 1) words.push(`${frame.new} clicks`);
    else if (last !== undefined) words.push(last.positive ? "positive click" : "negative click");
    if (frame.iou !== null) words.push(`IoU ${frame.iou.toFixed(3)}`);
  }
  return words.join("  ·  ");
}

/** What plays the steps of a session one after another; it knows neither page nor kernel. */

export interface Clock {
  start(action: () => void, milliseconds: number): number;
  stop(timer: number): void;
}

export interface PlayerEvents {
  /** Another moment is to be shown; `null`: the present. */
  moment(index: number | null): void;
  /** Playing or paused, another speed or another number of steps. */
  changed(): void;
}

/** How long a step is shown at speed 1. */
export const DWELL = 1200;
export const SPEEDS: readonly number[] = [0.5, 1, 2, 4];

const PAGE: Clock = {
  start: (action, milliseconds) => window.setTimeout(action, milliseconds),
  stop: (timer) => window.clearTimeout(timer),
};

export class Player {
  readonly #events: PlayerEvents;
  readonly #clock: Clock;
  #count = 0;
  #index: number | null = null;
  #speed = 1;
  #timer: number | null = null;

  constructor(events: PlayerEvents, clock: Clock = PAGE) {
    this.#events = events;
    this.#clock = clock;
  }

  /** Steps there are; frame 0 is the beginning, so there is one frame more. */
  get count(): number {
    return this.#count;
  }

  /** The frame that is shown; `null` in the present. */
  get index(): number | null {
    return this.#index;
  }

  get speed(): number {
    return this.#speed;
  }

  get playing(): boolean {
    return this.#timer !== null;
  }

  /** The session has other steps now: back to the present. */
  reset(count: number): void {
    this.#stop();
    this.#count = count;
    this.#show(null);
    this.#events.changed();
  }

  /** Play from where it is, from the beginning in the present. */
  play(): void {
    if (this.#count === 0 || this.playing) return;
    if (this.#index === null || this.#index >= this.#count) this.#show(0);
    this.#wait();
    this.#events.changed();
  }

  pause(): void {
    if (!this.playing) return;
    this.#stop();
    this.#events.changed();
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Go some steps on or back, and pause. From the present, back is the step before the last. */
  step(by: number): void {
    if (this.#count === 0) return;
    this.seek((this.#index ?? this.#count) + by);
  }

  seek(index: number): void {
    this.#stop();
    if (this.#count > 0) this.#show(Math.min(this.#count, Math.max(0, index)));
    this.#events.changed();
  }

  /** Back to the present. */
  leave(): void {
    this.#stop();
    this.#show(null);
    this.#events.changed();
  }

  setSpeed(speed: number): void {
    this.#speed = speed;
    if (this.playing) {
      this.#stop();
      this.#wait();
    }
    this.#events.changed();
  }

  #wait(): void {
    this.#timer = this.#clock.start(() => {
      this.#timer = null;
      const next = (this.#index ?? 0) + 1;
      if (next > this.#count) {
        this.leave();
        return;
      }
      this.#show(next);
      this.#wait();
    }, DWELL / this.#speed);
  }

  #stop(): void {
    if (this.#timer !== null) this.#clock.stop(this.#timer);
    this.#timer = null;
  }

  #show(index: number | null): void {
    if (index === this.#index) return;
    this.#index = index;
    this.#events.moment(index);
  }
}

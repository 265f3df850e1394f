// When steps are taken: as many a second as asked for, never so many that the page stops answering.

const BUDGET = 24; // milliseconds of the processor's for the steps of a frame
export const SLOW = 34; // milliseconds between frames; two frames of a common display
export const CHANGING = 2; // times the steps of growing: what becomes another has to clear away what it was, too
const MOST = 1000; // steps a frame

export class Pace {
  /**
   * @param {object} handlers `step(count, budget)` takes steps, for at most so many milliseconds, and promises to
   *   say how many; `draw()` shows the state, and promises to say when; `measured(rate)` is told twice a second how
   *   many steps a second are taken.
   */
  constructor({ step, draw, measured }) {
    Object.assign(this, { step, draw, measured });
    this.speed = 30; // steps a second, asked for
    this.frames = Infinity; // a second, at most
    this.slow = SLOW; // milliseconds between frames from which on fewer steps are asked for
    this.playing = false;
    this.busy = false; // waiting for the next frame, or at work on it
    this.asked = false; // for another one after that
    this.cap = 8; // steps a frame, by what the last ones took
    this.cut = false; // whether the budget ended the last steps: then it is no use to ask for fewer
    this.last = null;
    this.passed = 0; // milliseconds between the last two frames
    this.owed = 0;
    this.window = { since: 0, steps: 0 };
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.last = null;
    this.passed = 0;
    this.owed = 1; // the first step comes at once
    this.window = { since: performance.now(), steps: 0 };
    this.request();
  }

  pause() {
    this.playing = false;
    this.measured(0);
  }

  /** Ask for the state to be drawn in the next frame. */
  request() {
    this.asked = true;
    if (this.busy) return;
    this.busy = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  async frame(now) {
    // Half a frame of a common display early is in time: otherwise 30 a second would become 20.
    if (this.playing && this.last !== null && now - this.last < 1000 / this.frames - 8) {
      requestAnimationFrame((then) => this.frame(then));
      return;
    }
    this.asked = false;
    try {
      if (this.playing) await this.advance(now);
      await this.draw();
    } finally {
      this.busy = false;
    }
    if (this.playing || this.asked) this.request();
  }

  async advance(now) {
    const passed = this.last === null ? 0 : Math.max(0, now - this.last);
    this.last = now;
    this.passed = passed;
    if (!this.cut) {
      const late = passed > Math.max(this.slow, 1100 / this.frames);
      this.cap = late ? Math.max(1, Math.floor(this.cap * 0.7)) : Math.min(MOST, this.cap * 1.1 + 1);
    }
    this.owed += (Math.min(passed, 250) / 1000) * this.speed;
    const count = Math.floor(Math.min(this.owed, this.cap));
    if (count > 0) {
      const taken = (await this.step(count, BUDGET)) ?? 0;
      this.cut = taken < count;
      this.owed = Math.min(this.owed - taken, Math.max(1, this.speed / 30)); // what could not be done is let go
      this.window.steps += taken;
    }
    const span = performance.now() - this.window.since;
    if (span >= 500) {
      this.measured((1000 * this.window.steps) / span);
      this.window = { since: performance.now(), steps: 0 };
    }
  }
}

/** Steps a second at a place of the slider, 0..3: logarithmic, round numbers. */
export function speedAt(place) {
  const exact = 10 ** place;
  const unit = exact < 20 ? 1 : exact < 200 ? 5 : 50;
  return Math.max(1, Math.round(exact / unit) * unit);
}

// The dish on the page: a model in it, its steps, what is drawn of it, and a recording of that.

import { openDish } from "../lib/dish.js";
import { backgroundOf, rgb } from "./colour.js";
import { Pace } from "./pace.js";
import { Recording } from "./saving.js";

export class Stage {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} tell `rate(stepsPerSecond)`, `drawn(stepNumber)`, `recorded(seconds)`, `full()` when a recording
   *   can take no more, `lost()` and `restored()` of the graphics.
   */
  constructor(canvas, tell) {
    Object.assign(this, { canvas, tell });
    this.dish = null;
    this.model = null;
    this.engine = null; // as it was asked for
    this.channel = null; // shown alone; null for the colours
    this.recording = null;
    this.pace = new Pace({ step: (count) => this.step(count), draw: () => this.show(), measured: tell.rate });
  }

  /** Put a model in the dish; throws an Error of one line, and the one before stays. */
  async put(model, engine = "auto") {
    if (engine === this.engine) {
      this.dish.load(model);
    } else {
      const dish = await openDish(this.canvas, model, { engine });
      this.dish?.close();
      Object.assign(this, { dish, engine });
      this.dish.onlost = this.tell.lost;
      this.dish.onrestored = () => {
        this.tell.restored();
        this.pace.request();
      };
    }
    this.model = model;
    if (this.channel !== null && this.channel >= model.spec.channels) this.channel = null;
    this.pace.request();
  }

  /** Begin again from the seed. */
  restart(side, seed) {
    this.dish.resize(side, side);
    this.dish.reset({ seed });
    [this.canvas.width, this.canvas.height] = [side, side];
    this.pace.request();
  }

  /** Grow to the end without showing the growth, for those who asked for less motion. */
  async growStill() {
    const { dish, model } = this;
    await dish.grow(model.steps, () => dish === this.dish && model === this.model && !this.pace.playing);
    this.pace.request();
  }

  /** Take steps; returns how many were taken. */
  step(wanted) {
    const { dish, recording } = this;
    if (!recording) {
      dish.step(wanted);
      return wanted;
    }
    // Every frame of a recording is the same number of steps after the one before.
    let taken = 0;
    while (taken < wanted && recording.ready && !recording.full) {
      dish.step(recording.every);
      taken += recording.every;
      this.draw();
      recording.add(this.canvas);
    }
    this.tell.recorded(recording.seconds);
    if (recording.full) this.tell.full();
    return taken;
  }

  show() {
    if (!this.dish) return;
    this.draw();
    this.tell.drawn(this.dish.stepNumber);
  }

  draw() {
    this.dish.draw({ channel: this.channel, ground: backgroundOf(this.canvas) });
  }

  /** Use a tool at a point, in cells. */
  use(tool, x, y, radius, ink) {
    if (!this.dish) return;
    if (tool === "erase") this.dish.erase(x, y, radius);
    else if (tool === "seed") this.dish.plant(x, y);
    else this.dish.paint(x, y, radius, rgb(ink));
    this.pace.request();
  }

  async record() {
    const recording = new Recording(this.dish, this.pace.speed);
    await recording.begin(this.canvas);
    this.draw();
    recording.add(this.canvas);
    this.recording = recording;
  }

  /** End the recording; null if there is none. */
  async endRecording() {
    const { recording } = this;
    this.recording = null;
    return recording && { video: await recording.end(), seconds: recording.seconds };
  }
}

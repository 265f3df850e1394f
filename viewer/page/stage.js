// The dish on the page: a model in it, its steps, what is drawn of it, and a recording of that.

import { openDish } from "../lib/dish.js";
import { onGraph } from "../lib/graph.js";
import { backgroundOf, rgb } from "./colour.js";
import { Orbit } from "./orbit.js";
import { CHANGING, Pace } from "./pace.js";
import { Recording } from "./saving.js";
import { Sharpness, fitCanvas } from "./sharpness.js";
import { View } from "./view.js";

export class Stage {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} tell `rate(stepsPerSecond)`, `drawn(stepNumber)`, `recorded(seconds)`, `full()` when a recording
   *   can take no more, `lost()` and `restored()` of the graphics, `seen(view)` when another part is seen.
   */
  constructor(canvas, tell) {
    Object.assign(this, { canvas, tell });
    this.dish = null;
    this.model = null;
    this.engine = null; // as it was asked for
    this.channel = null; // shown alone; null for the colours
    this.map = null; // of a material, shown alone; null for the surface under a light
    this.light = null; // where that is, `{x, y}` as shares of the canvas; null: far away
    this.ground = "auto"; // of a figure: `#rrggbb`, `transparent`, or as the page has it
    this.recording = null;
    this.filming = null; // what is under way for it
    this.sharpness = new Sharpness();
    this.lit = true; // of a ring or a mesh: whether a lamp shades it
    const changed = () => {
      this.pace?.request();
      tell.seen(this.view);
    };
    this.flat = new View(changed);
    this.orbit = new Orbit(changed, (x, y) => this.under(x, y) === null);
    this.view = this.flat;
    new ResizeObserver(() => this.pace.request()).observe(canvas); // its pixels are another number
    this.pace = new Pace({ step: (...asked) => this.step(...asked), draw: () => this.show(), measured: tell.rate });
  }

  /** Put a model in the dish; throws an Error of one line, and the one before stays. */
  async put(model, engine = "auto") {
    if (engine === this.engine && this.dish.takes(model)) {
      await this.dish.load(model);
    } else {
      const dish = await openDish(this.canvas, model, { engine });
      this.dish?.close();
      Object.assign(this, { dish, engine });
      this.view = dish.view = onGraph(model.spec) ? this.orbit : this.flat;
      this.dish.onlost = this.tell.lost;
      this.dish.onrestored = () => {
        this.tell.restored();
        this.pace.request();
      };
    }
    this.model = model;
    if (this.channel !== null && this.channel >= model.spec.channels) this.channel = null;
    if (!model.spec.decoder?.maps.includes(this.map)) this.map = null;
    this.pace.request();
  }

  /** Begin again on another mesh; throws an Error of one line where there is no room, and all stays as it was. */
  async wear(mesh) {
    await this.dish.wear(mesh);
    this.#fit();
  }

  /** The node under a point of the canvas, in shares of its sides; null beside it. */
  under(x, y) {
    const [width, height] = this.dish.sides;
    return this.dish.under(x * width, y * height);
  }

  /** Begin again from the seed; throws an Error of one line where there is no room, and all stays as it was. */
  async restart({ width, height }, seed) {
    if (this.dish.width !== width || this.dish.height !== height) await this.dish.resize(width, height);
    this.dish.reset({ seed });
    this.#fit();
  }

  /** Go on, on a grid of another shape; a texture lives on. */
  async reshape({ width, height }) {
    await this.dish.reshape(width, height);
    this.#fit();
  }

  #fit() {
    this.view.cells = Math.max(this.dish.width, this.dish.height);
    fitCanvas(this.canvas, this.dish);
    this.pace.request();
  }

  /** Ask all cells for one of the model's targets. */
  ask(condition) {
    this.dish.setCondition(condition);
    this.pace.request();
  }

  /** Put a picture of the grid's size under the cells of a classifier, or none; they live on. */
  look({ width, height, values } = {}) {
    const { dish } = this;
    if (!values) dish.setFixed(new Float32Array(dish.spec.fixed * dish.width * dish.height));
    else if (width === dish.width && height === dish.height) dish.setFixed(values);
    this.pace.request();
  }

  /** Grow to the end without showing the growth, for those who asked for less motion. */
  async growStill(from = 0) {
    const { dish, model } = this;
    const steps = from ? CHANGING * model.steps : model.steps;
    await dish.grow(from + steps, () => dish === this.dish && model === this.model && !this.pace.playing);
    this.pace.request();
  }

  /** Take steps, for at most so many milliseconds; how many were taken. */
  step(wanted, budget) {
    if (!this.recording) return this.dish.step(wanted, budget);
    this.filming = this.film(wanted);
    return this.filming;
  }

  /** Take steps for a recording: each frame is the same number of them after the one before. */
  async film(wanted) {
    const { dish, recording } = this;
    let taken = 0;
    while (taken < wanted && recording === this.recording && recording.ready && !recording.full) {
      const done = await dish.step(recording.every);
      if (!done) break; // the graphics are lost
      taken += done;
      await this.draw();
      recording.add(this.canvas);
    }
    if (recording === this.recording) this.tell.recorded(recording.seconds);
    if (recording.full) this.tell.full();
    return taken;
  }

  async show() {
    if (!this.dish) return;
    const { dish, pace, channel } = this;
    this.#prepare();
    await this.sharpness.draw(dish, pace, channel);
    this.tell.drawn(dish.stepNumber);
    await this.sharpness.refine(dish, pace, channel);
  }

  /** Draw with all pixels, however long that takes. */
  draw() {
    this.#prepare();
    return this.dish.draw({ channel: this.channel });
  }

  #prepare() {
    Object.assign(this.dish, { map: this.map ?? "lit", light: this.light });
    this.canvas.classList.toggle("fine", fitCanvas(this.canvas, this.dish));
    const through = this.ground === "transparent";
    this.canvas.classList.toggle("through", through);
    this.dish.lit = this.lit;
    this.dish.ground = this.ground === "auto" ? backgroundOf(this.canvas) : through ? null : rgb(this.ground);
  }

  /** Move the light of a material, or, with null, far away. */
  shine(light) {
    this.light = light;
    if (this.dish?.spec.decoder?.maps.length && this.channel === null && !this.map) this.pace.request();
  }

  /** Use a tool at a point, in cells; `paint` asks the cells there for a condition. */
  use(tool, x, y, radius, { ink, condition }) {
    if (!this.dish || tool === "turn") return;
    if (this.model.classes.length) this.dish.drawPicture(x, y, radius, tool === "erase");
    else if (tool === "erase") this.dish.erase(x, y, radius);
    else if (tool === "seed") this.dish.plant(x, y);
    else if (tool === "paint") this.dish.paintCondition(x, y, radius, condition);
    else this.dish.paint(x, y, radius, rgb(ink));
    this.pace.request();
  }

  async record() {
    const recording = new Recording(this.dish, this.pace.speed);
    await recording.begin(this.canvas);
    await this.draw();
    recording.add(this.canvas);
    this.recording = recording;
  }

  /** End the recording; null if there is none. */
  async endRecording() {
    const { recording } = this;
    this.recording = null;
    await this.filming; // a frame that is begun belongs to it
    return recording && { video: await recording.end(), seconds: recording.seconds };
  }
}

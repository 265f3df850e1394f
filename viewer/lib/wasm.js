// The step on the processor, in WebAssembly SIMD: where there is no GPU it is several times faster than WebGL. It runs
// in a worker, so that the page goes on answering; where a page may have none, on the page's own thread.

import { COLOURS, UNDECIDED, parts } from "./colours.js";
import { fireThreshold } from "./spec.js";
import { fromLayers, layout, packWeights, toLayers } from "./pack.js";
import base64 from "./step.wasm.js";

let compiled = null;

function compile() {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return WebAssembly.compile(bytes).catch((error) => {
    if (/content.security|csp|unsafe-eval/i.test(error.message)) {
      throw new Error("this site's Content-Security-Policy forbids WebAssembly: script-src lacks 'wasm-unsafe-eval'");
    }
    throw new Error("this browser has no WebAssembly SIMD");
  });
}

/** The cells in WebAssembly's memory. Its text is all that a worker is given, so it names nothing outside itself. */
class Cells {
  constructor(instance) {
    this.code = instance.exports;
    this.memory = this.code.memory;
    this.stepNumber = 0;
  }

  /** Make room for a model on a grid, as `plan` describes them; a state of the same size stays, else all is empty. */
  set({ width, height, groups, layers, living, tone, classes, masked, palette, weights, settings }) {
    const page = 65536; // bytes
    const most = 2 ** 32 - page; // bytes that the step can address
    const state = 16 * layers * width * height;
    const begins = [];
    let end = this.code.__heap_base.value;
    for (const size of [weights.byteLength, state, state, width * height]) {
      end = 16 * Math.ceil(end / 16);
      begins.push(end);
      end += size;
    }
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / page);
    const stays = this.groups === groups && this.layers === layers && this.width === width && this.height === height;
    const kept = stays ? this.state().slice() : null;
    try {
      if (end > most) throw new RangeError("beyond what 32 bits can address");
      if (missing > 0) this.memory.grow(missing);
    } catch {
      throw new Error(`there is no memory for a grid of ${width} × ${height} cells`);
    }
    [this.weights, this.now, this.next, this.lives] = begins;
    Object.assign(this, { width, height, groups, layers, living, tone, classes, masked, palette });
    new Float32Array(this.memory.buffer, this.weights, weights.length).set(weights);
    new Uint32Array(this.memory.buffer, this.code.settings(), settings.length).set(settings);
    this.fill(kept ?? new Float32Array(state / 4));
  }

  /** The state as it lies in memory: `[layer, height, width, lane]`. */
  state(begin = this.now) {
    return new Float32Array(this.memory.buffer, begin, 4 * this.layers * this.width * this.height);
  }

  fill(layers) {
    this.state().set(layers);
    this.writeFixed(layers.subarray(4 * this.groups * this.width * this.height));
  }

  /** Set the layers that hold fixed planes: a step leaves them alone, so both states have them. */
  writeFixed(layers) {
    for (const begin of [this.now, this.next]) {
      const state = this.state(begin);
      state.set(layers, state.length - layers.length);
    }
  }

  /** Take steps, none begun after `budget` milliseconds; `{ taken, stepNumber }`. */
  run(seed, count, budget) {
    const end = performance.now() + budget;
    let taken = 0;
    while (taken < count && (taken === 0 || performance.now() < end)) {
      this.code.step(this.now, this.next, this.weights, this.lives, seed, this.stepNumber >>> 0);
      [this.now, this.next] = [this.next, this.now];
      this.stepNumber += 1;
      taken += 1;
    }
    return { taken, stepNumber: this.stepNumber };
  }

  disc(x, y, radius, values) {
    const { width, height } = this;
    const state = this.state();
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius + 1); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius + 1); column++) {
        if (Math.hypot(column + 0.5 - x, row + 0.5 - y) > radius) continue;
        values.forEach((value, group) => {
          if (value) state.set(value, 4 * ((group * height + row) * width + column));
        });
      }
    }
  }

  /** The picture of the state, RGBA as `ImageData` has it, not multiplied by alpha: `{ width, height, pixels }`. */
  look(channel, ground) {
    const { width, height } = this;
    const area = width * height;
    const pixels = new Uint8ClampedArray(4 * area); // clamps and rounds what it is given
    const state = this.state();
    const [offset, scale] = this.tone;
    if (channel === null && this.classes) {
      const first = 4 * this.groups * area; // of the fixed planes
      for (let i = 0; i < 4 * area; i += 4) {
        const there = !this.masked || state[first + i] > 0.1;
        const rgb = there ? this.palette[this.vote(state, i)] : [0, 0, 0];
        pixels.set([...rgb.map((part) => 255 * part), 255], i);
      }
    } else if (channel === null) {
      for (let i = 0; i < 4 * area; i += 4) {
        const alpha = this.living ? Math.min(Math.max(state[i + 3], 0), 1) : 1;
        for (let lane = 0; lane < 3; lane++) {
          const value = offset + scale * state[i + lane];
          pixels[i + lane] = 255 * (ground ? value + (1 - alpha) * ground[lane] : value / Math.max(alpha, 1e-3));
        }
        pixels[i + 3] = ground ? 255 : 255 * alpha;
      }
    } else {
      const base = 4 * (channel >> 2) * area + (channel & 3);
      for (let i = 0; i < 4 * area; i += 4) {
        pixels[i] = pixels[i + 1] = pixels[i + 2] = 255 * (0.5 + 0.5 * state[base + i]);
        pixels[i + 3] = 255;
      }
    }
    return { width, height, pixels };
  }

  /** The class that a cell votes for; behind them all if its votes are all alike. */
  vote(state, i) {
    const votes = [];
    for (let c = 0; c < this.classes; c++) votes.push(state[4 * (c >> 2) * this.width * this.height + i + (c & 3)]);
    const most = Math.max(...votes);
    return votes.every((one) => one === most) ? this.palette.length - 1 : votes.indexOf(most);
  }

  read() {
    return this.state().slice();
  }

  write(layers, stepNumber) {
    if (layers.length !== this.state().length) return; // of a grid for which there was no memory
    this.fill(layers);
    this.stepNumber = stepNumber;
  }
}

/** What a worker runs: each message names a method of the cells and gets one answer, in turn. */
function answer() {
  let cells = null;
  self.onmessage = ({ data: [name, ...values] }) => {
    try {
      let value = null;
      if (name === "open") cells = new Cells(new WebAssembly.Instance(values[0]));
      else value = cells[name](...values);
      self.postMessage({ value });
    } catch (error) {
      self.postMessage({ error: error.message });
    }
  };
}

/** Cells in a worker. */
class Away {
  #waiting = []; // what has been asked and not answered, in turn

  /** @throws {Error} where the page may have no worker. */
  static async open(module) {
    const text = `${Cells}\n(${answer})();`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    try {
      const away = new Away(new Worker(address));
      await away.ask("open", module);
      return away;
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  constructor(worker) {
    this.worker = worker;
    worker.onmessage = ({ data: { value, error } }) => {
      const { resolve, reject } = this.#waiting.shift();
      if (error) reject(new Error(error));
      else resolve(value);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.stopped = new Error("the worker has stopped");
      for (const { reject } of this.#waiting.splice(0)) reject(this.stopped);
    };
  }

  ask(...message) {
    return new Promise((resolve, reject) => {
      if (!this.worker) return resolve(null);
      if (this.stopped) return reject(this.stopped);
      this.#waiting.push({ resolve, reject });
      this.worker.postMessage(message);
    });
  }

  close() {
    this.worker.terminate();
    this.worker = null;
    for (const { resolve } of this.#waiting.splice(0)) resolve(null);
  }
}

/** Cells on the page's own thread. */
class Here {
  static async open(module) {
    return new Here(new Cells(await WebAssembly.instantiate(module)));
  }

  constructor(cells) {
    this.cells = cells;
  }

  async ask(name, ...values) {
    return this.cells?.[name](...values) ?? null;
  }

  close() {
    this.cells = null;
  }
}

const FILTERS = ["identity", "sobel_x", "sobel_y", "laplacian"]; // by their numbers in step.c

/** What the cells need to know of a model on a grid. */
function plan(model, width, height) {
  const { spec } = model;
  const { rule, groups, layers, living } = spec;
  const places = layout(spec);
  const always = !rule.gated && spec.fire_rate === 1;
  const whole = [
    width, height, groups, layers, places.filters, rule.hidden, rule.layers, rule.residual, rule.gated, living,
    spec.masked, spec.space.padding === "wrap", places.features, places.second, places.output, places.width, always,
    rule.gated || always ? 0 : fireThreshold(spec),
  ];
  const bounds = [spec.clamp, rule.sensed_bound, rule.hidden_bound, rule.change_bound].map((most) => most ?? Infinity);
  const senses = spec.senses.flatMap((sense, i) => {
    const { first, at } = places.senses[i];
    const { size, dilation, trained = false, filters = [], width: units = 0 } = sense;
    const numbers = [0, 1, 2, 3].map((f) => (f < filters.length ? FILTERS.indexOf(filters[f]) : 0));
    return [
      size, dilation, trained, filters.length, ...numbers, first, Math.ceil(units / 4),
      places.below * places.width + at,
    ];
  });
  // The order of the struct in step.c.
  const settings = Uint32Array.from([
    ...whole.map(Number), ...new Uint32Array(Float32Array.from(bounds).buffer), spec.senses.length,
    ...senses.map(Number),
  ]);
  const tone = [spec.colour_offset, spec.colour_scale];
  const { classes, masked } = spec;
  const colours = { classes, masked, palette: [...COLOURS, UNDECIDED].map(parts) };
  return { width, height, groups, layers, living, tone, ...colours, weights: packWeights(model).data, settings };
}

export class Wasm {
  #cells;

  /**
   * @param {object} model from `parseModel`
   * @param {number} width of the grid, in cells
   * @param {number} height of the grid, in cells
   * @returns {Promise<Wasm>}
   * @throws {Error} one line: no WebAssembly SIMD, or no memory for such a grid
   */
  static async open(model, width, height) {
    if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly SIMD");
    compiled ??= compile();
    const module = await compiled;
    const wasm = new Wasm(await Away.open(module).catch(() => Here.open(module)));
    await wasm.#set(model, width, height);
    return wasm;
  }

  /** Use `open`. */
  constructor(cells) {
    this.name = "wasm";
    this.image = document.createElement("canvas"); // what `look` draws, a pixel a cell
    this.context = this.image.getContext("2d");
    this.#cells = cells;
  }

  describe() {
    return "WebAssembly SIMD, on the processor";
  }

  /** Take another model; the state stays if it has as many channels and fixed planes. */
  load(model) {
    return this.#set(model, this.width, this.height);
  }

  resize(width, height) {
    return this.#set(this.model, width, height);
  }

  async #set(model, width, height) {
    const before = { model: this.model, width: this.width, height: this.height };
    Object.assign(this, { model, width, height }); // at once: what is asked for next is of this grid
    try {
      await this.#cells.ask("set", plan(model, width, height));
    } catch (error) {
      Object.assign(this, before);
      throw error;
    }
  }

  /** Take steps, none begun after `budget` milliseconds; `{ taken, stepNumber }`, or null once it is closed. */
  run(seed, count, budget) {
    return this.#cells.ask("run", seed, count, budget);
  }

  /** Give all cells whose centre lies in a circle these values: four a layer, `null` for a layer that stays. */
  disc(x, y, radius, values) {
    this.#cells.ask("disc", x, y, radius, values);
  }

  /** Draw the state: `{ image, width, height }`, or null once it is closed. */
  async look({ channel, ground }) {
    const found = await this.#cells.ask("look", channel, ground);
    if (!found) return null;
    const { width, height, pixels } = found;
    if (this.image.width !== width || this.image.height !== height) Object.assign(this.image, { width, height });
    this.context.putImageData(new ImageData(pixels, width, height), 0, 0);
    return { image: this.image, width, height };
  }

  async read() {
    const { spec } = this.model;
    return fromLayers(spec, await this.#cells.ask("read"), this.width, this.height);
  }

  /** Set the fixed planes, as the layers that hold them. */
  writeFixed(layers) {
    this.#cells.ask("writeFixed", layers);
  }

  write(state, stepNumber) {
    this.#cells.ask("write", toLayers(this.model.spec, state, this.width, this.height), stepNumber);
  }

  close() {
    this.#cells.close();
  }
}

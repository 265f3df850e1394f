// The step on the processor, in WebAssembly SIMD: where there is no GPU it is several times faster than WebGL.

import { fireThreshold } from "./spec.js";
import { fromLayers, layout, packWeights, toLayers } from "./pack.js";
import base64 from "./step.wasm.js";

const PAGE = 65536; // bytes
const MOST = 2 ** 32 - PAGE; // bytes that the step can address
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

export class Wasm {
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
    return new Wasm(await WebAssembly.instantiate(await compiled), model, width, height);
  }

  /** Use `open`. */
  constructor(instance, model, width, height) {
    this.name = "wasm";
    this.image = document.createElement("canvas"); // what `look` draws, a pixel a cell
    this.context = this.image.getContext("2d");
    this.code = instance.exports;
    this.memory = instance.exports.memory;
    this.#set(model, width, height);
  }

  describe() {
    return "WebAssembly SIMD, on the processor";
  }

  load(model) {
    const kept = model.spec.groups === this.spec.groups ? this.#state().slice() : null;
    this.#set(model, this.width, this.height);
    if (kept) this.#state().set(kept);
  }

  resize(width, height) {
    this.#set({ spec: this.spec }, width, height);
  }

  #set(model, width, height) {
    const { spec } = model;
    const places = layout(spec);
    const state = 16 * spec.groups * width * height;
    const sizes = [16 * places.width * places.height, state, state, width * height];
    const begins = [];
    let end = this.code.__heap_base.value;
    for (const size of sizes) {
      end = 16 * Math.ceil(end / 16);
      begins.push(end);
      end += size;
    }
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE);
    try {
      if (end > MOST) throw new RangeError("beyond what 32 bits can address");
      if (missing > 0) this.memory.grow(missing);
    } catch {
      throw new Error(`there is no memory for a grid of ${width} × ${height} cells`);
    }
    [this.weights, this.now, this.next, this.lives] = begins;
    this.spec = spec;
    this.width = this.image.width = width;
    this.height = this.image.height = height;
    this.picture = new ImageData(width, height);
    if (model.weights) {
      const { data } = packWeights(model);
      new Float32Array(this.memory.buffer, this.weights, data.length).set(data);
    }
    const always = !spec.gated && spec.fire_rate === 1;
    const settings = [
      width, height, spec.groups, spec.dilated ? 6 : 3, spec.trainsBank, spec.hidden, spec.layers, spec.residual,
      spec.gated, spec.living, spec.padding === "wrap", places.features, places.second, places.output, places.width,
      always, spec.gated || always ? 0 : fireThreshold(spec),
    ].map(Number); // the order of the struct in step.c
    const place = this.code.settings();
    new Uint32Array(this.memory.buffer, place, settings.length).set(settings);
    new Float32Array(this.memory.buffer, place + 4 * settings.length, 1)[0] = spec.clamp ?? Infinity;
  }

  /** The state as it lies in memory: `[group, height, width, lane]`. */
  #state() {
    return new Float32Array(this.memory.buffer, this.now, 4 * this.spec.groups * this.width * this.height);
  }

  /** Take one step. */
  step(seed, stepNumber) {
    this.code.step(this.now, this.next, this.weights, this.lives, seed, stepNumber);
    [this.now, this.next] = [this.next, this.now];
  }

  /** Give all cells whose centre lies in a circle these values: four a layer, `null` for a layer that stays. */
  disc(x, y, radius, values) {
    const { width, height } = this;
    const state = this.#state();
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius + 1); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius + 1); column++) {
        if (Math.hypot(column + 0.5 - x, row + 0.5 - y) > radius) continue;
        values.forEach((value, group) => {
          if (value) state.set(value, 4 * ((group * height + row) * width + column));
        });
      }
    }
  }

  /** Draw the state onto `image`. */
  look({ channel, ground }) {
    const area = this.width * this.height;
    const pixels = this.picture.data; // clamps and rounds what it is given
    const state = this.#state();
    if (channel === null) {
      for (let i = 0; i < 4 * area; i += 4) {
        const rest = this.spec.living ? 1 - Math.min(Math.max(state[i + 3], 0), 1) : 0;
        const alpha = ground ? 1 : 1 - rest; // which a picture's pixels, unlike a state, are not multiplied by
        for (let lane = 0; lane < 3; lane++) {
          pixels[i + lane] = (255 * (state[i + lane] + (ground ? rest * ground[lane] : 0))) / alpha;
        }
        pixels[i + 3] = 255 * alpha;
      }
    } else {
      const base = 4 * (channel >> 2) * area + (channel & 3);
      for (let i = 0; i < 4 * area; i += 4) {
        pixels[i] = pixels[i + 1] = pixels[i + 2] = 255 * (0.5 + 0.5 * state[base + i]);
        pixels[i + 3] = 255;
      }
    }
    this.context.putImageData(this.picture, 0, 0);
  }

  read() {
    return fromLayers(this.spec, this.#state(), this.width, this.height);
  }

  write(state) {
    this.#state().set(toLayers(this.spec, state, this.width, this.height));
  }

  close() {}
}

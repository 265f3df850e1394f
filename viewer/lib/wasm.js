// The step on the processor, in WebAssembly SIMD: where there is no GPU it is several times faster than WebGL. It runs
// in a worker, so that the page goes on answering; where a page may have none, on the page's own thread.

import { COLOURS, UNDECIDED, parts } from "./colours.js";
import { fireThreshold } from "./spec.js";
import { Away, Here } from "./cells.js";
import { decoderPlaces } from "./decoder.js";
import { SHOWN } from "./lit.js";
import { fromLayers, layout, packWeights, toLayers } from "./pack.js";
import { Painters } from "./painters.js";
import base64 from "./step.wasm.js";

let compiled = null;
const painters = new Painters();

function compile() {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return WebAssembly.compile(bytes).catch((error) => {
    if (/content.security|csp|unsafe-eval/i.test(error.message)) {
      throw new Error("this site's Content-Security-Policy forbids WebAssembly: script-src lacks 'wasm-unsafe-eval'");
    }
    throw new Error("this browser has no WebAssembly SIMD");
  });
}

const FILTERS = ["identity", "sobel_x", "sobel_y", "laplacian"]; // by their numbers in step.c

/** What the cells need to know of a model on a grid, or on a graph, whose nodes are one row. */
function plan(model, width, height, graph) {
  const { spec } = model;
  const { rule, groups, layers, living } = spec;
  const places = layout(spec);
  const always = !rule.gated && spec.fire_rate === 1;
  const whole = [
    width, height, groups, layers, places.filters, rule.hidden, rule.layers, rule.residual, rule.gated, living,
    spec.masked, spec.space.padding === "wrap", places.features, places.second, places.output, places.width, always,
    places.below * places.width + places.decoder, ...decoderNumbers(spec.decoder),
    rule.gated || always ? 0 : fireThreshold(spec),
  ];
  const bounds = [spec.clamp, rule.sensed_bound, rule.hidden_bound, rule.change_bound].map((most) => most ?? Infinity);
  const senses = spec.senses.flatMap((sense, i) => {
    const { first, at } = places.senses[i];
    const { size = 0, dilation = 0, trained = false, filters = [], width: units = 0 } = sense;
    const numbers = [0, 1, 2, 3].map((f) => (f < filters.length ? FILTERS.indexOf(filters[f]) : 0));
    return [
      size, dilation, trained, filters.length, ...numbers, first, Math.ceil(units / 4),
      places.below * places.width + at,
    ];
  });
  // The order of the struct in step.c; the cells say where the graph lies.
  const settings = Uint32Array.from([
    0, 0, 0, graph?.harmonics ?? 0, spec.channels, spec.senses[0].kind === "invariants" ? spec.planes : 0, ...whole.map(Number), ...new Uint32Array(Float32Array.from(bounds).buffer), spec.senses.length,
    ...senses.map(Number),
  ]);
  const tone = [spec.colour_offset, spec.colour_scale];
  const { classes, masked } = spec;
  const colours = { classes, masked, palette: [...COLOURS, UNDECIDED].map(parts) };
  const weights = packWeights(model).data;
  const said = spec.decoder?.maps.length ? saidBy(spec, places) : null;
  return { width, height, groups, layers, living, tone, ...colours, said, weights, settings, graph };
}

/** Where the last layer of a material lies among the weights, and how many numbers four units of it are. */
function saidBy(spec, { below, width, decoder }) {
  const { begin, before } = decoderPlaces(spec).layers.at(-1);
  const { maps } = spec.decoder;
  const sloped = maps.includes("height") && !maps.includes("normal");
  return { at: 4 * (below * width + decoder + begin), count: 4 * (1 + 4 * before), albedo: maps[0] === "albedo", sloped };
}

/** Its layers of sines, vec4s of each, and frequencies. */
function decoderNumbers(decoder) {
  return decoder ? [decoder.layers, Math.ceil(decoder.width / 4), decoder.frequencies] : [0, 0, 0];
}

export class Wasm {
  #cells;
  #plan; // what the cells know of the model

  /**
   * @param {object} model from `parseModel`
   * @param {number} width of the grid, in cells
   * @param {number} height of the grid, in cells
   * @param {?object} graph of the nodes of a ring or a mesh, from graph.js; they are a grid of one row
   * @returns {Promise<Wasm>}
   * @throws {Error} one line: no WebAssembly SIMD, or no memory for such a grid
   */
  static async open(model, width, height, graph = null) {
    if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly SIMD");
    compiled ??= compile();
    const module = await compiled;
    const wasm = new Wasm(await Away.open(module).catch(() => Here.open(module)));
    await wasm.#set(model, width, height, graph);
    return wasm;
  }

  /** Use `open`. */
  constructor(cells) {
    this.name = "wasm";
    this.image = document.createElement("canvas"); // what `look` draws
    this.context = this.image.getContext("2d");
    this.#cells = cells;
  }

  describe() {
    return "WebAssembly SIMD, on the processor";
  }

  /** Take another model; the state stays if it has as many channels and fixed planes. */
  load(model, graph = null) {
    return this.#set(model, this.width, this.height, graph);
  }

  resize(width, height, graph = null) {
    return this.#set(this.model, width, height, graph);
  }

  async #set(model, width, height, graph) {
    const before = { model: this.model, width: this.width, height: this.height };
    const planned = this.#plan;
    Object.assign(this, { model, width, height }); // at once: what is asked for next is of this grid
    this.#plan = plan(model, width, height, graph);
    try {
      await this.#cells.ask("set", this.#plan);
      if (model.spec.decoder && !graph) await painters.open(await compiled);
    } catch (error) {
      Object.assign(this, before);
      this.#plan = planned;
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

  /** Give some nodes of a graph these values, likewise. */
  put(nodes, values) {
    this.#cells.ask("put", nodes, values);
  }

  /** The colours of the nodes of a graph, or a channel in greys: RGBA, or null once it is closed. */
  async tints({ channel, ground }) {
    return (await this.#cells.ask("look", channel, ground))?.pixels ?? null;
  }

  /** The state as it lies in memory, `[layer, height, width, 4]`; null once it is closed. */
  layers() {
    return this.#cells.ask("read");
  }

  /**
   * Draw the state: `{ image, width, height }`, or null once it is closed.
   * @param {?{columns: Float32Array, rows: Float32Array}} at where a decoder is to paint; else the cells are shown
   */
  async look({ channel, ground, at = null, surface = null }) {
    const found = at ? await this.draw(at, ground, surface) : await this.#cells.ask("look", channel, ground);
    if (!found) return null;
    const { width, height, pixels } = found;
    if (this.image.width !== width || this.image.height !== height) Object.assign(this.image, { width, height });
    this.context.putImageData(new ImageData(pixels, width, height), 0, 0);
    return { image: this.image, width, height };
  }

  /** What a decoder paints: `{ width, height, pixels }`, RGBA on a ground, or null once it is closed. */
  async draw({ columns, rows }, ground, surface = null) {
    const [width, height] = [columns.length / 4, rows.length / 4];
    // The light comes from one side for all pixels.
    const long = Math.hypot(...(surface?.from ?? []));
    const light = surface?.from.map((part) => part / long);
    const asked = surface && { map: SHOWN.indexOf(surface.map), light, pixel: surface.pixel };
    const pixels = await painters.share("draw", this.#cells, this.#plan, { columns, rows }, ground, asked);
    return pixels && { width, height, pixels };
  }

  /** What a decoder paints, float32 `[row, column, 4]`, not bounded; null once it is closed. */
  paint(at) {
    return painters.share("paint", this.#cells, this.#plan, at);
  }

  async read() {
    const { spec } = this.model;
    return fromLayers(spec, await this.layers(), this.width, this.height);
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

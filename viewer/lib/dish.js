// One automaton that lives on a canvas.

import { Body, SIDE as POINTS } from "./body.js";
import { probeGpu } from "./context.js";
import { Gpu } from "./gpu.js";
import { onGraph } from "./graph.js";
import { surfaceOf } from "./lit.js";
import { toLayers } from "./pack.js";
import { WHOLE, linesAmong, partsOf } from "./raster.js";
import { fillsAnyShape, seedState } from "./spec.js";
import { FRONT } from "./surface.js";
import { Wasm } from "./wasm.js";

const SOFT = 3; // cells across the border of what is painted
const SIDE = 2048; // pixels along a side of what is painted at once: what every GPU takes
const SOON = 2 ** 16; // pixels that are painted before a page may answer again
const BAND = 2 ** 18; // pixels of a picture that are held at once
const INK = 1.5; // and of what is drawn for a classifier
const WHITE = [1, 1, 1];
const KEEP_EVERY = 256; // steps after which the state is copied, in case the GPU is lost
let probed = null;
let single = null; // canvas of `alone`

/**
 * Open a dish: an automaton at its first step, its seed on an empty grid.
 *
 * The picture goes to the canvas by its 2D context, so the canvas can be of any size (cells are drawn without
 * smoothing, and a decoder paints as many pixels as there are), be saved as PNG or recorded at any time, and outlives a
 * GPU that is lost.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {object} model from `parseModel`
 * @param {object} options
 * @param {number} options.width of the grid, in cells; the model's own size if left out
 * @param {number} options.height the same as the width if left out
 * @param {number} options.seed decides which cells fire, 0..2³²−1
 * @param {string} options.engine `webgl`, `wasm`, or `auto`: WebGL2 on a real GPU, else WebAssembly
 * @param {?object} options.mesh of a model of a mesh what it is to colour, as `readMesh` gives it; else its own
 * @returns {Promise<Dish>}
 * @throws {Error} one line: what cannot be had here, or is out of range
 */
export async function openDish(
  canvas, model, { width = model.res, height = width, seed = 0, engine = "auto", mesh = model.mesh } = {},
) {
  if (!["auto", "webgl", "wasm"].includes(engine)) {
    throw new Error(`engine must be one of auto, webgl, wasm, got ${JSON.stringify(engine)}`);
  }
  checkSeed(seed);
  if (onGraph(model.spec)) return openOnGraph(canvas, model, bodyOf(model.spec, mesh, width), seed, engine);
  checkSize(width, height);
  return new Dish(canvas, model, seed, await chooseEngine(engine, model, width, height));
}

/** What a model of a ring or a mesh lives on. */
function bodyOf({ space }, mesh, nodes) {
  if (space.kind === "ring") {
    if (!Number.isInteger(nodes) || nodes < 3 || nodes > 4096) throw new Error(`a ring has 3..4096 nodes, got ${nodes}`);
    return Body.ofRing(nodes);
  }
  if (!mesh) throw new Error("it is of a mesh: bring that with it, such as the coloured.ply or worn.ply of its run");
  return Body.ofMesh(mesh, space.frame);
}

async function openOnGraph(canvas, model, body, seed, engine) {
  try {
    if (engine === "webgl") throw new Error(`a ${model.spec.space.kind} is computed by WebAssembly: choose wasm or auto`);
    const cells = await Wasm.open(model, body.nodes, 1, body.rows(model.spec.senses[0]));
    return new Dish(canvas, model, seed, cells, body);
  } catch (error) {
    body.close();
    throw error;
  }
}

async function chooseEngine(engine, model, width, height) {
  if (engine === "webgl") return new Gpu(model, width, height);
  if (engine === "wasm") return Wasm.open(model, width, height);
  probed ??= probeGpu();
  let obstacle = probed.reason ?? "";
  if (!obstacle && !probed.software) {
    try {
      return new Gpu(model, width, height);
    } catch (error) {
      obstacle = error.message;
    }
  }
  try {
    return await Wasm.open(model, width, height);
  } catch (error) {
    if (obstacle) throw new Error(`${obstacle}; and ${error.message}`);
    const gpu = new Gpu(model, width, height); // slow, but it runs
    gpu.slow = error.message;
    return gpu;
  }
}

/** A part of an image with nothing beside it, which what enlarges and smooths it would mix into its edge. */
function alone(image, [left, top, width, height]) {
  single ??= document.createElement("canvas");
  Object.assign(single, { width, height });
  single.getContext("2d").drawImage(image, -left, -top);
  return single;
}

export class Dish {
  /** Called when the GPU's context is lost, and when it is back with the state of at most 256 steps before. */
  onlost = null;
  onrestored = null;
  /** Under the colours of models with a living mask: RGB in 0..1, or null for a canvas that is see-through there. */
  ground = [1, 1, 1];
  /** What is shown of a material: `lit`, the surface under a light, or one of its maps. */
  map = "lit";
  /** Where the light is in the picture, `{x, y}` as shares of it from its left and top; null: far away. */
  light = null;
  /**
   * What of the grid is seen: where it begins and how far it goes, in shares of the grid's sides. Of a ring or a mesh,
   * from where: `turn` and `tilt` in degrees, and `zoom`.
   */
  view = WHOLE;
  /** Whether a lamp shades a ring or a mesh; else its plain colours are shown. */
  lit = true;

  #engine;
  #context;
  #kept; // { state, stepNumber }: what is restored after a loss
  #lost = false;
  #begun = 0; // how often the state was set: a step that was asked for before counts no more
  #given = null; // what a start that is given begins with, while the grid stays
  #fixed = null; // the fixed planes, likewise
  #condition = null; // which of them is 1 everywhere; null where they were given, or painted
  #painted = false; // whether the engine has other fixed planes than these
  #body; // what the nodes of a ring or a mesh lie on; null of a grid

  /** Use `openDish`. */
  constructor(canvas, model, seed, engine, body = null) {
    this.canvas = canvas;
    this.#context = canvas.getContext("2d");
    if (!this.#context) throw new Error("the canvas has a context of another kind: give a new one");
    this.#engine = engine;
    this.#body = body;
    if (body) this.view = FRONT;
    this.model = model;
    this.seed = seed;
    this.stepNumber = 0;
    engine.image.addEventListener("webglcontextlost", this.#onLost);
    engine.image.addEventListener("webglcontextrestored", this.#onRestored);
    this.#ask(0);
    this.reset();
  }

  /** `webgl` or `wasm`. */
  get engine() {
    return this.#engine.name;
  }

  /** Such as `WebGL2, 32-bit float state`. */
  describe() {
    return this.#engine.describe();
  }

  get spec() {
    return this.model.spec;
  }

  get width() {
    return this.#engine.width;
  }

  get height() {
    return this.#engine.height;
  }

  /** What strokes are told in: the grid's cells across and down, or points of the picture of a ring or a mesh. */
  get sides() {
    return this.#body ? [POINTS, POINTS] : [this.width, this.height];
  }

  /** Whether it is to be drawn with the device's own pixels; else a pixel a cell is enough. */
  get fine() {
    return Boolean(this.spec.decoder || this.#body) || this.view.span < 1;
  }

  /** The surface that is coloured, `{ places, faces }`; null of a grid. */
  get mesh() {
    return this.#body?.mesh ?? null;
  }

  /** The node of a ring or a mesh under a point of its picture; null beside it. */
  under(x, y) {
    return this.#body?.at(x, y, this.view)?.node ?? null;
  }

  /** The WebGL2 context, or null where the processor computes. */
  get gl() {
    return this.#engine.gl ?? null;
  }

  /**
   * Take steps; none while the GPU is lost.
   * @param {number} count
   * @param {number} budget milliseconds after which the processor begins no further one; a GPU is not timed
   * @returns {Promise<number>} how many were taken
   */
  async step(count = 1, budget = Infinity) {
    this.#layPaint();
    if (!this.gl) return this.#stepAway(count, budget);
    const first = this.stepNumber;
    for (let i = 0; i < count && !this.#gone(); i++) {
      this.#engine.step(this.seed, this.stepNumber >>> 0);
      this.stepNumber++;
      if (this.stepNumber % KEEP_EVERY === 0) this.#engine.beginCopy(this.stepNumber);
    }
    const copied = this.#gone() ? null : this.#engine.endCopy();
    if (copied) this.#kept = { state: copied.state, stepNumber: copied.note };
    return this.stepNumber - first;
  }

  async #stepAway(count, budget) {
    const begun = this.#begun;
    const done = await this.#engine.run(this.seed, count, budget);
    if (!done) return 0; // it was closed meanwhile
    if (begun === this.#begun) this.stepNumber = done.stepNumber;
    return done.taken;
  }

  /**
   * Grow on to a step while the page goes on answering; it ends early if the GPU is lost or the state is set anew.
   * @param {number} end the number of the step
   * @param {() => boolean} going asked before each few steps
   */
  async grow(end, going = () => true) {
    const begun = this.#begun;
    while (going() && begun === this.#begun && this.stepNumber < end && !this.#gone()) {
      await this.step(Math.min(4, end - this.stepNumber));
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  /**
   * Draw the state onto the canvas, as large as the canvas is.
   * @param {object} options
   * @param {?number} options.channel shown in greys (0 is mid-grey), or null for the colours
   * @param {number} options.share of the canvas's pixels along a side that a decoder paints; it is then enlarged
   * @param {?() => boolean} options.going if given, a decoder paints part after part, the page answers in between, and
   *   it ends early where this is false
   * @returns {Promise<void>} when the canvas shows it
   */
  async draw({ channel = null, share = 1, going = null } = {}) {
    if (this.#gone()) return; // the canvas shows what it showed
    if (this.spec.decoder && channel === null) return this.#drawPainted(share, going);
    if (this.#body) return this.#drawBody(channel);
    if (this.spec.classes) this.#layPaint(); // what is drawn shows at once
    const looking = this.#engine.look({ channel, ground: this.ground });
    // A GPU's picture is taken at once: other dishes draw in its place.
    const seen = looking instanceof Promise ? await looking : looking;
    if (!seen) return; // it was closed meanwhile
    const { image, width, height } = seen;
    const { left, top, span } = this.view;
    const from = [left * width, image.height - height + top * height, span * width, span * height];
    this.#lay(image, from, [0, 0, this.canvas.width, this.canvas.height], false);
  }

  async #drawBody(channel) {
    const body = this.#body;
    const tints = await this.#engine.tints({ channel, ground: this.ground ?? WHITE });
    if (tints && body === this.#body && !this.#lost) body.draw(this.#context, tints, this.view, this.lit);
  }

  async #drawPainted(share, going) {
    const { canvas, ground } = this;
    const begun = this.#begun; // another model or grid ends it
    const { model } = this;
    const body = this.#body;
    if (body && !(await this.#cover())) return;
    const size = [canvas.width, canvas.height];
    const [width, height] = size.map((side) => Math.max(1, Math.round(share * side)));
    const look = (part) => {
      if (body) return body === this.#body ? body.look(part, [width, height], this.view, this.lit) : null;
      const surface = this.#surface([width, height], part);
      return this.#engine.look({ channel: null, ground, at: this.#points(width, height, part), surface });
    };
    for (const part of partsOf(width, height, going ? SOON : Infinity, SIDE)) {
      const looking = look(part);
      const seen = looking instanceof Promise ? await looking : looking;
      if (!seen || canvas.width !== size[0] || canvas.height !== size[1]) return;
      if (model !== this.model || begun !== this.#begun) return;
      const { left, top, right, bottom } = part;
      const from = [0, seen.image.height - seen.height, seen.width, seen.height];
      const [x, y] = [size[0] / width, size[1] / height];
      this.#lay(seen.image, from, [left * x, top * y, (right - left) * x, (bottom - top) * y], true);
      if (!going) continue;
      await new Promise((resolve) => setTimeout(resolve));
      if (!going() || this.#gone() || model !== this.model || begun !== this.#begun) return;
    }
  }

  /** Give a mesh the state that a decoder is to paint on it; false if it is gone meanwhile. */
  async #cover() {
    const { model } = this;
    const body = this.#body;
    const layers = await this.#engine.layers();
    if (!layers || body !== this.#body || model !== this.model || this.#lost) return false;
    body.wear(model, layers);
    return true;
  }

  /** What is shown of a part of a material; null of anything else. */
  #surface(size, part) {
    return this.spec.decoder.maps.length ? surfaceOf(this.map, this.light, size, part, this.view.span) : null;
  }

  #lay(image, from, onto, smooth) {
    this.#context.imageSmoothingEnabled = smooth;
    this.#context.clearRect(...onto);
    const enlarged = from[2] < onto[2] || from[3] < onto[3];
    if (smooth && enlarged) this.#context.drawImage(alone(image, from), ...onto);
    else this.#context.drawImage(image, ...from, ...onto);
  }

  /** The points of a part of a picture of what is seen. */
  #points(width, height, { left, top, right, bottom }, view = this.view) {
    const lines = (cells, from, count, first, end) =>
      linesAmong(this.spec, cells, { from, span: view.span, count, first, end });
    return {
      columns: lines(this.width, view.left, width, left, right),
      rows: lines(this.height, view.top, height, top, bottom),
    };
  }

  /**
   * What a decoder paints of the whole grid.
   * @param {number} width of the picture, in pixels
   * @param {number} height of it
   * @returns {Promise<Float32Array>} `[height, width, 4]`: RGB, multiplied by alpha, and alpha; not bounded
   */
  async picture(width, height) {
    if (!this.spec.decoder || this.#body) throw new Error("the model has no decoder to paint with");
    if (Math.max(width, height) > SIDE) throw new Error(`it paints at most ${SIDE} pixels a side at once`);
    if (this.#gone()) throw new Error("the graphics are lost");
    return this.#engine.paint(this.#points(width, height, { left: 0, top: 0, right: width, bottom: height }, WHOLE));
  }

  /**
   * What a decoder paints on a mesh.
   * @param {Uint32Array} corners of the triangle that each point lies in, `[point, 3]`
   * @param {Float32Array} shares how near it lies to each, `[point, 3]`
   * @returns {Promise<Float32Array>} `[point, 4]`: RGB, not bounded, and 1
   */
  async spots(corners, shares) {
    if (!this.spec.decoder || !this.#body) throw new Error("the model has no decoder to paint a mesh with");
    if (corners.length > 3 * SIDE) throw new Error(`it paints at most ${SIDE} points at once`);
    if (!(await this.#cover())) throw new Error("the graphics are lost");
    return this.#body.floats(corners, shares);
  }

  /**
   * What a decoder paints of what is seen, in bands of whole rows from the top, so that memory is bounded; the state
   * must stay meanwhile.
   * @param {number} width of the picture, in pixels
   * @param {number} height of it
   * @returns {AsyncGenerator<Uint8ClampedArray>} RGBA, not multiplied by alpha, on the ground
   */
  async *bands(width, height) {
    const rows = Math.max(1, Math.floor(BAND / width));
    for (let top = 0; top < height; top += rows) {
      const bottom = Math.min(height, top + rows);
      const band = new Uint8ClampedArray(4 * width * (bottom - top));
      for (const part of partsOf(width, bottom - top, Infinity, SIDE)) {
        if (this.#gone()) throw new Error("the graphics are lost");
        const whole = { ...part, top: part.top + top, bottom: part.bottom + top };
        const surface = this.#surface([width, height], whole);
        const { pixels } = await this.#engine.draw(this.#points(width, height, whole), this.ground, surface);
        const across = 4 * (part.right - part.left);
        for (let row = part.top; row < part.bottom; row++) {
          const begin = across * (row - part.top);
          band.set(pixels.subarray(begin, begin + across), 4 * (row * width + part.left));
        }
      }
      yield band;
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  /** Begin again from where the model starts. */
  reset({ seed = this.seed } = {}) {
    checkSeed(seed);
    this.seed = seed;
    const [given, fixed] = [this.#given, this.#fixed];
    const node = this.#body?.top ?? null;
    this.#begin(seedState(this.spec, this.height, this.width, { seed, given, fixed, node }), 0);
  }

  /**
   * Give the state that a model whose start is given begins with, and begin; until then it is empty.
   * @param {Float32Array} state `[channel, height, width]`; kept until the grid or the number of channels changes
   */
  setStart(state) {
    if (this.spec.start.kind !== "given") throw new Error(`this model starts from ${this.spec.start.kind}`);
    this.#check("a start", state, this.spec.channels);
    this.#given = Float32Array.from(state);
    this.reset();
  }

  /**
   * Set the fixed planes, which the cells perceive and never change; zero until then. The state lives on.
   * @param {Float32Array} planes `[plane, height, width]`; kept until the grid or the number of planes changes
   */
  setFixed(planes) {
    const { spec } = this;
    this.#check("the fixed planes", planes, spec.fixed);
    if (!spec.fixed) return;
    this.#fixed = Float32Array.from(planes);
    this.#condition = null;
    this.#layFixed();
  }

  #layFixed() {
    const { spec } = this;
    this.#painted = false;
    const begin = spec.channels * this.height * this.width;
    this.#kept.state.set(this.#fixed, begin);
    if (this.#gone()) return;
    if (this.gl) this.#engine.dropCopy(); // it has the planes of before
    const state = new Float32Array(begin + this.#fixed.length);
    state.set(this.#fixed, begin);
    const layers = toLayers(spec, state, this.width, this.height);
    this.#engine.writeFixed(layers.subarray(4 * spec.groups * this.height * this.width));
  }

  /** Which of the model's conditions holds everywhere, from 0; null if it knows none, or several hold. */
  get condition() {
    return this.#condition;
  }

  /**
   * Ask all cells for one of the targets that a model knows: the world changes, and the state lives on.
   * @param {number} condition its number in `model.conditions`
   */
  setCondition(condition) {
    const { conditions } = this.model;
    if (!Number.isInteger(condition) || condition < 0 || condition >= conditions.length) {
      throw new Error(`the condition must be one of ${conditions.length}, from 0, got ${condition}`);
    }
    this.#ask(condition);
    this.#layFixed();
  }

  /** Fill the fixed planes with a condition; of a model that knows none they stay to be given. */
  #ask(condition) {
    this.#painted = false;
    this.#condition = this.model.conditions.length ? condition : null;
    if (this.#condition === null) {
      this.#fixed = null;
      return;
    }
    const area = this.width * this.height;
    this.#fixed = new Float32Array(this.spec.fixed * area);
    this.#fixed.fill(1, condition * area, (condition + 1) * area);
  }

  /**
   * Ask the cells around a point for a target, the others for what they were asked before; softly at the border.
   * @param {number} x, y, radius all in cells from the top left corner
   * @param {number} condition its number in `model.conditions`
   */
  paintCondition(x, y, radius, condition) {
    const { width, height } = this;
    const area = width * height;
    const planes = this.#fixed;
    if (!planes || condition >= this.spec.fixed) return;
    const far = radius + SOFT / 2;
    const within = (centre, last) => [Math.max(0, Math.floor(centre - far)), Math.min(last, Math.ceil(centre + far))];
    const [top, bottom] = within(y, height);
    const [left, right] = within(x, width);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const share = Math.min(1, (far - Math.hypot(column + 0.5 - x, row + 0.5 - y)) / SOFT);
        const at = row * width + column;
        const before = planes[condition * area + at];
        if (share <= before) continue;
        for (let plane = 0; plane < this.spec.fixed; plane++) planes[plane * area + at] *= (1 - share) / (1 - before);
        planes[condition * area + at] = share;
      }
    }
    this.#condition = null;
    this.#painted = true;
  }

  /**
   * Draw on the picture that a classifier looks at, bright within the radius and softly at the border; or wipe it.
   * @param {number} x, y, radius all in cells from the top left corner
   * @param {boolean} wipe whether what is there goes, in place of more
   */
  drawPicture(x, y, radius, wipe = false) {
    const { width, height } = this;
    const area = width * height;
    this.#fixed ??= new Float32Array(this.spec.fixed * area);
    const far = radius + INK / 2;
    const within = (centre, last) => [Math.max(0, Math.floor(centre - far)), Math.min(last, Math.ceil(centre + far))];
    const [top, bottom] = within(y, height);
    const [left, right] = within(x, width);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const share = Math.min(1, Math.max(0, (far - Math.hypot(column + 0.5 - x, row + 0.5 - y)) / INK));
        for (let at = row * width + column; at < this.#fixed.length; at += area) {
          if (!wipe) this.#fixed[at] = Math.max(this.#fixed[at], share);
          else if (share) this.#fixed[at] = 0;
        }
      }
    }
    this.#painted = true;
  }

  /** The picture that a classifier looks at, `[plane, height, width]`; null if there is none. */
  get lookedAt() {
    return this.#fixed?.slice() ?? null;
  }

  /** Give the engine what was painted: a stroke has many points, and a step needs the last of them. */
  #layPaint() {
    if (this.#painted) this.#layFixed();
  }

  #check(what, values, planes) {
    const length = planes * this.height * this.width;
    if (values.length !== length) throw new Error(`${what} must have ${length} values, got ${values.length}`);
  }

  /** Begin again from the seed on a grid of another size; if there is no room for it, all stays as it was. */
  async resize(width, height = width) {
    if (this.#body) {
      if (this.spec.space.kind === "ring" && width !== this.width) await this.#stand(bodyOf(this.spec, null, width));
      return;
    }
    checkSize(width, height);
    if (!this.#gone()) await this.#engine.resize(width, height);
    else Object.assign(this.#engine, { width, height });
    this.#given = null;
    this.#ask(this.#condition ?? 0);
    this.reset();
  }

  /** Begin again on another mesh; if there is no room for it, all stays as it was. */
  async wear(mesh) {
    if (this.spec.space.kind !== "mesh") throw new Error(`the model is of a ${this.spec.space.kind} and wears no mesh`);
    await this.#stand(bodyOf(this.spec, mesh));
  }

  async #stand(body) {
    try {
      await this.#engine.resize(body.nodes, 1, body.rows(this.spec.senses[0]));
    } catch (error) {
      body.close();
      throw error;
    }
    this.#body.close();
    this.#body = body;
    this.#given = null;
    this.#ask(this.#condition ?? 0);
    this.reset();
  }

  /**
   * Give a texture another grid, on which it lives on in the middle, and begins anew where there is more room.
   * Others begin again, as by `resize`.
   */
  async reshape(width, height) {
    const [before, { width: across, height: down, stepNumber }] = [await this.read(), this];
    const painted = this.#fixed !== null && this.#condition === null;
    await this.resize(width, height);
    if (!fillsAnyShape(this.spec)) return;
    const [area, begin] = [width * height, this.spec.channels * width * height];
    const state = seedState(this.spec, height, width, { seed: this.seed, fixed: this.#fixed });
    const [right, below] = [Math.floor((width - across) / 2), Math.floor((height - down) / 2)];
    const within = (place, last) => Math.min(last - 1, Math.max(0, place));
    for (let i = 0; i < (painted ? state.length : begin); i++) {
      const [plane, row, column] = [Math.floor(i / area), (Math.floor(i / width) % height) - below, (i % width) - right];
      const [y, x] = [within(row, down), within(column, across)];
      // What was painted at the edge goes on beyond it.
      if (i >= begin || (x === column && y === row)) state[i] = before[(plane * down + y) * across + x];
    }
    if (painted) [this.#fixed, this.#condition] = [state.slice(begin), null];
    this.#begin(state, stepNumber);
  }

  /** Whether `load` takes a model: it is for the same grid, ring or mesh. */
  takes({ spec, mesh }) {
    const { kind, frame } = this.spec.space;
    return spec.space.kind === kind && spec.space.frame === frame && mesh === this.model.mesh;
  }

  /** Take another model: the state goes on living if channels, fixed planes and conditions agree, else growth begins again. */
  async load(model) {
    const before = this.model;
    const asks = (one) => [one.spec.channels, one.spec.fixed, one.conditions.length].join();
    if (!this.takes(model)) throw new Error("the model is for another kind of grid or mesh: open a dish for it");
    const agree = asks(model) === asks(before);
    const loaded = this.#gone() ? null : this.#engine.load(model, this.#body?.rows(model.spec.senses[0]));
    this.model = model;
    if (!agree) {
      this.#given = null;
      this.#ask(0);
      this.reset();
    }
    try {
      await loaded;
    } catch (error) {
      this.model = before;
      throw error;
    }
  }

  /** Empty the cells around a point, all in cells from the top left corner; here and below, in `sides`. */
  erase(x, y, radius) {
    this.#disc(x, y, radius, Array(this.spec.groups).fill([0, 0, 0, 0]));
  }

  /** Put a seed into the cell at a point. */
  plant(x, y) {
    const lanes = (group) => [0, 1, 2, 3].map((lane) => (4 * group + lane < this.spec.channels ? 1 : 0));
    const values = Array.from({ length: this.spec.groups }, (_, group) => (group ? lanes(group) : [0, 0, 0, 1]));
    if (this.#body) this.#disc(x, y, 0, values);
    else this.#disc(Math.floor(x) + 0.5, Math.floor(y) + 0.5, 0.25, values);
  }

  /** Colour the cells around a point, opaque; what is hidden in them stays. */
  paint(x, y, radius, [red, green, blue]) {
    const { colour_offset: offset, colour_scale: scale } = this.spec;
    const values = [red, green, blue].map((colour) => (colour - offset) / scale);
    this.#disc(x, y, radius, [[...values, 1]]);
  }

  #disc(x, y, radius, values) {
    if (this.#gone()) return;
    if (!this.#body) this.#engine.disc(x, y, radius, values);
    else this.#engine.put(this.#body.around(x, y, radius, this.view), values);
  }

  /** The state, float32 `[plane, height, width]`: the channels, then the fixed planes. */
  async read() {
    this.#layPaint();
    return this.#gone() ? this.#kept.state.slice() : this.#engine.read();
  }

  /**
   * Set the state.
   * @param {Float32Array} state `[plane, height, width]`: the channels, then the fixed planes
   * @param {object} options
   * @param {number} options.stepNumber which step comes next
   */
  write(state, { stepNumber = this.stepNumber } = {}) {
    this.#check("a state", state, this.spec.planes);
    this.#painted = false;
    this.#begin(Float32Array.from(state), stepNumber);
  }

  #begin(state, stepNumber) {
    this.stepNumber = stepNumber;
    this.#begun += 1;
    this.#kept = { state, stepNumber };
    if (this.#gone()) return;
    if (this.gl) this.#engine.dropCopy(); // of what was before
    this.#engine.write(state, stepNumber);
  }

  #gone() {
    return this.#lost || (this.gl?.isContextLost() ?? false);
  }

  #onLost = () => {
    this.#lost = true;
    this.onlost?.();
  };

  #onRestored = () => {
    this.#engine.rebuild(this.model, this.width, this.height);
    this.#lost = false;
    this.#begin(this.#kept.state, this.#kept.stepNumber);
    this.onrestored?.();
  };

  /** Give back what the dish holds; it cannot be used again. */
  close() {
    this.#lost = true;
    this.#engine.image.removeEventListener("webglcontextlost", this.#onLost);
    this.#engine.image.removeEventListener("webglcontextrestored", this.#onRestored);
    this.#engine.close();
    this.#body?.close();
  }
}

function checkSize(width, height) {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1 || side > 4096) {
      throw new Error(`the grid's sides must be whole numbers in 1..4096, got ${width} × ${height}`);
    }
  }
}

function checkSeed(seed) {
  if (!Number.isInteger(seed) || seed < 0 || seed > 4294967295) {
    throw new Error(`seed must be in 0..4294967295, got ${seed}`);
  }
}

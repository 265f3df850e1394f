// The cells on the processor, in a worker of their own or on the page's thread.

/** The cells in WebAssembly's memory. Its text is all that a worker is given, so it names nothing outside itself. */
class Cells {
  #end; // of what a model on a grid takes; behind it is room to paint

  constructor(instance) {
    this.code = instance.exports;
    this.memory = this.code.memory;
    this.stepNumber = 0;
  }

  /** Make room for a model on a grid, as `plan` describes them; a state of the same size stays, else all is empty. */
  set(planned) {
    const { width, height, groups, layers, living, tone, classes, masked, palette, said, weights, settings, graph } = planned;
    const state = 16 * layers * width * height;
    const begins = [];
    let end = this.code.__heap_base.value;
    const rows = graph ? [graph.offsets, graph.neighbours, graph.pulls] : [];
    for (const size of [weights.byteLength, state, state, width * height, ...rows.map((row) => row.byteLength)]) {
      end = 16 * Math.ceil(end / 16);
      begins.push(end);
      end += size;
    }
    const stays = this.groups === groups && this.layers === layers && this.width === width && this.height === height;
    const kept = stays ? this.state().slice() : null;
    this.#reach(end, graph ? `a mesh of ${width} nodes` : `a grid of ${width} × ${height} cells`);
    this.#end = end;
    [this.weights, this.now, this.next, this.lives] = begins;
    rows.forEach((row, i) => new row.constructor(this.memory.buffer, begins[4 + i], row.length).set(row));
    settings.set(rows.length ? begins.slice(4) : [0, 0, 0]); // where they lie comes first
    Object.assign(this, { width, height, groups, layers, living, tone, classes, masked, palette, said });
    this.first = said && weights.slice(said.at, said.at + said.count);
    new Float32Array(this.memory.buffer, this.weights, weights.length).set(weights);
    new Uint32Array(this.memory.buffer, this.code.settings(), settings.length).set(settings);
    this.fill(kept ?? new Float32Array(state / 4));
  }

  /** Let the memory be this large. */
  #reach(end, what) {
    const page = 65536; // bytes
    const most = 2 ** 32 - page; // bytes that the step can address
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / page);
    try {
      if (end > most) throw new RangeError("beyond what 32 bits can address");
      if (missing > 0) this.memory.grow(missing);
    } catch {
      throw new Error(`there is no memory for ${what}`);
    }
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

  /** Give some nodes these values, as `disc` does. */
  put(nodes, values) {
    const state = this.state();
    for (const node of nodes) {
      values.forEach((value, group) => {
        if (value) state.set(value, 4 * (group * this.width * this.height + node));
      });
    }
  }

  /** The picture of the state, RGBA as `ImageData` has it, not multiplied by alpha: `{ width, height, pixels }`. */
  look(channel, ground) {
    const { width, height } = this;
    const area = width * height;
    const state = this.state();
    if (channel === null && this.classes) return { width, height, pixels: this.#voted(state, area) };
    if (channel === null) {
      return { width, height, pixels: this.#tinted(state.subarray(0, 4 * area), this.tone, ground) };
    }
    const pixels = new Uint8ClampedArray(4 * area);
    const base = 4 * (channel >> 2) * area + (channel & 3);
    for (let i = 0; i < 4 * area; i += 4) {
      pixels[i] = pixels[i + 1] = pixels[i + 2] = 255 * (0.5 + 0.5 * state[base + i]);
      pixels[i + 3] = 255;
    }
    return { width, height, pixels };
  }

  /** Each cell's vote by its colour; black where there is no cell. */
  #voted(state, area) {
    const pixels = new Uint8ClampedArray(4 * area);
    const first = 4 * this.groups * area; // of the fixed planes
    for (let i = 0; i < 4 * area; i += 4) {
      const there = !this.masked || state[first + i] > 0.1;
      const rgb = there ? this.palette[this.#vote(state, i)] : [0, 0, 0];
      pixels.set([...rgb.map((part) => 255 * part), 255], i);
    }
    return pixels;
  }

  /** The class that a cell votes for; behind them all if its votes are all alike. */
  #vote(state, i) {
    const votes = [];
    for (let c = 0; c < this.classes; c++) votes.push(state[4 * (c >> 2) * this.width * this.height + i + (c & 3)]);
    const most = Math.max(...votes);
    return votes.every((one) => one === most) ? this.palette.length - 1 : votes.indexOf(most);
  }

  /**
   * What the decoder paints where columns and rows meet, of each four numbers as in raster.js.
   * @param {number} quad of a material, which four numbers of those that its last layer says
   * @returns {Float32Array} `[row, column, 4]`: RGB, multiplied by alpha, and alpha; not bounded
   */
  paint(columns, rows, quad = 0) {
    if (this.said) this.#choose(quad);
    const begin = 16 * Math.ceil(this.#end / 16);
    const out = begin + 4 * (columns.length + rows.length);
    const [across, down] = [columns.length / 4, rows.length / 4];
    this.#reach(out + 16 * across * down, `a picture of ${across} × ${down} pixels`);
    const { buffer } = this.memory;
    new Float32Array(buffer, begin, columns.length).set(columns);
    new Float32Array(buffer, begin + 4 * columns.length, rows.length).set(rows);
    this.code.paint(this.now, this.weights, begin, begin + 4 * columns.length, across, down, out);
    return new Float32Array(buffer, out, 4 * across * down).slice();
  }

  /** Let four units of a material's last layer be those that are painted, which are the first. */
  #choose(quad) {
    const { at, count } = this.said;
    const place = (begin) => new Float32Array(this.memory.buffer, this.weights + 4 * begin, count);
    place(at).set(quad ? place(at + quad * count) : this.first);
  }

  /**
   * The same as a picture, on a ground or see-through: RGBA as `ImageData` has it.
   * @param {?{map: number, light: number[], pixel: number}} surface of a material what is shown, by its number in the
   *   shader, the direction that the light comes from, and a pixel's share of the grid's side
   */
  draw(columns, rows, ground, surface = null) {
    if (!surface || surface.map === 1) return this.#tinted(this.paint(columns, rows), [0, 1], ground);
    if (surface.map === 5) return this.#tinted(this.paint(columns, rows, 2), [0, 1], ground);
    const dull = this.paint(columns, rows, 1); // height, roughness, occlusion
    if (surface.map) {
      const lane = surface.map - 2;
      for (let i = 0; i < dull.length; i += 4) dull.fill(dull[i + lane], i, i + 3);
      return this.#tinted(dull, [0, 1], ground);
    }
    const normals = this.said.sloped ? this.#slopes(dull, columns.length / 4, surface.pixel) : this.paint(columns, rows, 2);
    return this.#lit(this.paint(columns, rows), dull, normals, surface.light);
  }

  /** Where heights face, as normals are painted, from those of the points beside each; as petri/lit.py. */
  #slopes(dull, across, pixel) {
    const normals = new Float32Array(dull.length).fill(1);
    const down = dull.length / 4 / across;
    const steep = 0.02 / pixel;
    const rise = (row, column, rows, columns) => {
      const [top, left] = [Math.max(0, row - rows), Math.max(0, column - columns)];
      const [bottom, right] = [Math.min(down - 1, row + rows), Math.min(across - 1, column + columns)];
      const points = Math.max(1, bottom - top + right - left);
      return (dull[4 * (bottom * across + right)] - dull[4 * (top * across + left)]) / points;
    };
    for (let row = 0, i = 0; row < down; row++) {
      for (let column = 0; column < across; column++, i += 4) {
        normals[i] = (1 - steep * rise(row, column, 0, 1)) / 2;
        normals[i + 1] = (1 + steep * rise(row, column, 1, 0)) / 2; // up, rows going down
      }
    }
    return normals;
  }

  /** A surface under a light; as petri/lit.py. */
  #lit(seen, dull, normals, [x, y, z]) {
    const pixels = new Uint8ClampedArray(seen.length);
    const between = [x, y, z + 1].map((part) => part / Math.hypot(x, y, z + 1));
    const thrown = 0.04 + 0.96 * (1 - between[2]) ** 5;
    const bounded = (value, low) => Math.min(1, Math.max(low, value));
    for (let i = 0; i < seen.length; i += 4) {
      const way = [2 * normals[i] - 1, 2 * normals[i + 1] - 1, Math.max(2 * normals[i + 2] - 1, 1e-3)];
      const facing = way.map((part) => part / Math.hypot(...way));
      const met = Math.max(0, facing[0] * x + facing[1] * y + facing[2] * z);
      const along = Math.max(0, facing[0] * between[0] + facing[1] * between[1] + facing[2] * between[2]);
      const rough = bounded(dull[i + 1], 0.1);
      const [alpha, shadow] = [rough ** 4, (rough + 1) ** 2 / 8];
      const spread = alpha / (Math.PI * (along * along * (alpha - 1) + 1) ** 2);
      const hidden = 0.25 / ((met * (1 - shadow) + shadow) * (facing[2] * (1 - shadow) + shadow));
      const around = 0.35 * bounded(dull[i + 2], 0.05);
      for (let lane = 0; lane < 3; lane++) {
        const albedo = this.said.albedo ? bounded(seen[i + lane], 0) ** 2.2 : 0.6;
        const back = ((1 - thrown) * albedo) / Math.PI + spread * hidden * thrown;
        pixels[i + lane] = 255 * bounded(3.2 * met * back + around * albedo, 0) ** (1 / 2.2);
      }
      pixels[i + 3] = 255;
    }
    return pixels;
  }

  /** Colours of which those of a figure are multiplied by alpha, as RGBA that is not. */
  #tinted(colours, [offset, scale], ground) {
    const pixels = new Uint8ClampedArray(colours.length); // clamps and rounds what it is given
    for (let i = 0; i < colours.length; i += 4) {
      const alpha = this.living ? Math.min(Math.max(colours[i + 3], 0), 1) : 1;
      for (let lane = 0; lane < 3; lane++) {
        const value = offset + scale * colours[i + lane];
        pixels[i + lane] = 255 * (ground ? value + (1 - alpha) * ground[lane] : value / Math.max(alpha, 1e-3));
      }
      pixels[i + 3] = ground ? 255 : 255 * alpha;
    }
    return pixels;
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
export class Away {
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
export class Here {
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

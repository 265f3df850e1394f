// The step on the GPU: state in one float texture array of ceil(channels / 4) RGBA layers, double-buffered; one fused
// pass a step (more than 16 channels take one for every four layers), and a second one only for the living mask. Fixed
// planes lie in layers behind those, the same in every buffer, and are never drawn to.

import { COLOURS, UNDECIDED, parts } from "./colours.js";
import { Context } from "./context.js";
import { Painter } from "./painter.js";
import { TARGETS, lifeShader, stepShader } from "./shader.js";
import { fromLayers, packWeights, toLayers } from "./pack.js";

const DISC = `#version 300 es
precision highp float;
uniform vec3 disc;    // centre and radius, in cells
uniform vec4 value;   // of four channels
out vec4 next;
void main() {
    if (distance(gl_FragCoord.xy, disc.xy) > disc.z) discard;
    next = value;
}
`;

const LOOK = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;
uniform sampler2DArray state;
uniform vec4 ground;         // under colours that are premultiplied by alpha; premultiplied too
uniform int channel;         // shown in greys; -1 for the colours
uniform bool premultiplied;
uniform vec2 tone;           // offset and scale of the colours
uniform int classes;         // whose votes are shown in place of the first channels' colours; 0 for none
uniform int given;           // layer whose first plane says where there are cells; -1 for everywhere
uniform vec3 palette[${COLOURS.length + 1}];  // a colour a class, and that of a cell whose votes are all alike
vec3 voted(ivec2 at) {
    if (given >= 0 && texelFetch(state, ivec3(at, given), 0).x <= 0.1) return vec3(0.0);
    float most = texelFetch(state, ivec3(at, 0), 0).x;
    float least = most;
    int which = 0;
    for (int c = 1; c < classes; c++) {
        float vote = texelFetch(state, ivec3(at, c / 4), 0)[c % 4];
        if (vote > most) which = c;
        most = max(most, vote);
        least = min(least, vote);
    }
    return palette[most == least ? ${COLOURS.length} : which];
}
out vec4 colour;
void main() {
    ivec2 size = textureSize(state, 0).xy;
    ivec2 at = ivec2(int(gl_FragCoord.x), size.y - 1 - int(gl_FragCoord.y));   // row 0 is the top
    vec4 cell = texelFetch(state, ivec3(at, max(channel, 0) / 4), 0);
    vec4 shown = vec4(tone.x + tone.y * cell.rgb, 1.0);
    if (channel >= 0) shown.rgb = vec3(0.5 + 0.5 * cell[channel % 4]);
    else if (classes > 0) shown.rgb = voted(at);
    else if (premultiplied) {
        float alpha = clamp(cell.a, 0.0, 1.0);
        shown = vec4(shown.rgb, alpha) + (1.0 - alpha) * ground;
    }
    colour = vec4(clamp(shown.rgb, 0.0, shown.a), shown.a);
}
`;

export class Gpu {
  /**
   * @param {object} model from `parseModel`
   * @param {number} width of the grid, in cells
   * @param {number} height of the grid, in cells
   * @throws {Error} one line: no WebGL2, no float targets, or the model or the grid is too large for this GPU
   */
  constructor(model, width, height) {
    this.name = "webgl";
    this.slow = ""; // why software imitates a GPU here, and not WebAssembly computes
    this.context = Context.enter();
    this.gl = this.context.gl;
    this.image = this.context.image; // what `look` draws, from the bottom left
    try {
      this.#build(model, width, height);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  describe() {
    const bits = this.context.format === this.gl.RGBA32F ? 32 : 16;
    return `WebGL2, ${bits}-bit float state${this.slow && `, by software and slow: ${this.slow}`}`;
  }

  #build(model, width, height) {
    this.single = this.gl.createFramebuffer();
    this.discProgram = this.context.program(DISC);
    this.lookProgram = this.context.program(LOOK);
    this.#setModel(model);
    this.#setSize(width, height);
  }

  /** Make everything again after the context came back. */
  rebuild(model, width, height) {
    this.buffers = this.pending = this.weights = this.painter = null;
    this.#build(model, width, height);
  }

  /** Take another model; the state stays if it has as many channels and fixed planes. */
  load(model) {
    const before = this.model;
    const { groups, layers, living } = this.spec;
    this.#setModel(model);
    const same = groups === this.spec.groups && layers === this.spec.layers;
    if (same && living === this.spec.living) return;
    const kept = same ? this.#readLayers() : null;
    try {
      this.#setSize(this.width, this.height);
    } catch (error) {
      this.#setModel(before);
      throw error;
    }
    if (kept) this.#writeLayers(kept);
  }

  #setModel(model) {
    const { gl } = this;
    const packed = packWeights(model);
    this.#fits("weights", packed.width, packed.height, gl.MAX_TEXTURE_SIZE);
    const stepProgram = this.context.program(stepShader(model.spec));
    const lifeProgram = model.spec.living ? this.context.program(lifeShader(model.spec)) : null;
    const painter = model.spec.decoder ? new Painter(this.context, model, packed) : null;
    if (this.weights) gl.deleteTexture(this.weights);
    this.painter?.close();
    this.painter = painter;
    this.model = model;
    this.spec = model.spec;
    this.stepProgram = stepProgram;
    this.lifeProgram = lifeProgram;
    this.weights = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.weights);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, packed.width, packed.height);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, packed.width, packed.height, gl.RGBA, gl.FLOAT, packed.data);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    }
  }

  resize(width, height) {
    this.#setSize(width, height);
  }

  #setSize(width, height) {
    const { gl } = this;
    this.#fits("grid", width, height, gl.MAX_TEXTURE_SIZE);
    this.#fits("state", this.spec.layers, 1, gl.MAX_ARRAY_TEXTURE_LAYERS);
    // The living mask reads the state before the step and the one after it, so it writes to a third one.
    const buffers = Array.from({ length: this.spec.living ? 3 : 2 }, () => this.#buffer(width, height));
    // A missing memory shows only here.
    const error = gl.getError();
    if (error !== gl.NO_ERROR && error !== gl.CONTEXT_LOST_WEBGL) {
      this.#free(buffers);
      throw new Error(`this GPU has no room for a grid of ${width} × ${height} cells`);
    }
    this.#free(this.buffers ?? []);
    this.dropCopy();
    this.buffers = buffers;
    this.width = width;
    this.height = height;
    this.context.makeRoom(width, height);
  }

  #free(buffers) {
    for (const { texture, passes } of buffers) {
      this.gl.deleteTexture(texture);
      for (const pass of passes) this.gl.deleteFramebuffer(pass);
    }
  }

  #fits(what, width, height, limit) {
    const most = this.gl.getParameter(limit);
    if (width > most || height > most) {
      throw new Error(`the ${what} of ${width} × ${height} is too large for this GPU: it takes at most ${most}`);
    }
  }

  #buffer(width, height) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, this.context.format, width, height, this.spec.layers);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.NEAREST);
    }
    const passes = [];
    for (let first = 0; first < this.spec.groups; first += TARGETS) {
      const framebuffer = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      const targets = [];
      for (let k = 0; k < TARGETS && first + k < this.spec.groups; k++) {
        targets.push(gl.COLOR_ATTACHMENT0 + k);
        gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + k, texture, 0, first + k);
      }
      gl.drawBuffers(targets);
      passes.push(framebuffer);
    }
    return { texture, passes };
  }

  /** Take one step. */
  step(seed, stepNumber) {
    const { gl } = this;
    const [now, next, spare] = this.buffers;
    const { handle, at } = this.stepProgram;
    gl.viewport(0, 0, this.width, this.height);
    gl.useProgram(handle);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.weights);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, now.texture);
    gl.uniform1i(at("state"), 0);
    gl.uniform1i(at("weights"), 1);
    gl.uniform1ui(at("seed"), seed);
    gl.uniform1ui(at("stepNumber"), stepNumber);
    this.#pass(next, at);
    if (!spare) {
      this.buffers = [next, now];
      return;
    }
    const life = this.lifeProgram;
    gl.useProgram(life.handle);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, next.texture);
    gl.activeTexture(gl.TEXTURE0);
    gl.uniform1i(life.at("before"), 0);
    gl.uniform1i(life.at("after"), 1);
    this.#pass(spare, life.at);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, null);
    gl.activeTexture(gl.TEXTURE0);
    this.buffers = [spare, next, now];
  }

  #pass(target, at) {
    const { gl } = this;
    target.passes.forEach((framebuffer, index) => {
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      if (target.passes.length > 1) gl.uniform1i(at("firstGroup"), index * TARGETS);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
  }

  /** Give all cells whose centre lies in a circle these values: four a layer, `null` for a layer that stays. */
  disc(x, y, radius, values) {
    const { gl } = this;
    const { handle, at } = this.discProgram;
    gl.viewport(0, 0, this.width, this.height);
    gl.useProgram(handle);
    gl.uniform3f(at("disc"), x, y, radius);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.single);
    values.forEach((value, group) => {
      if (!value) return;
      gl.uniform4f(at("value"), ...value);
      this.#attach(group);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
  }

  /**
   * Draw the state: `{ image, width, height }`, the picture at the bottom left of the image.
   * @param {?{columns: Float32Array, rows: Float32Array}} at where a decoder is to paint; else the cells are shown
   * @param {?object} surface what is to be shown of a material, as in lit.js
   */
  look({ channel, ground, at: points = null, surface = null }) {
    const { gl } = this;
    if (points) return this.#lookPainted(points, ground, surface);
    const { handle, at } = this.lookProgram;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this.width, this.height);
    gl.useProgram(handle);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.buffers[0].texture);
    gl.uniform1i(at("state"), 0);
    gl.uniform1i(at("channel"), channel ?? -1);
    gl.uniform1i(at("premultiplied"), this.spec.living ? 1 : 0);
    gl.uniform2f(at("tone"), this.spec.colour_offset, this.spec.colour_scale);
    gl.uniform1i(at("classes"), this.spec.classes);
    gl.uniform1i(at("given"), this.spec.masked ? this.spec.groups : -1);
    gl.uniform3fv(at("palette"), [...COLOURS, UNDECIDED].flatMap(parts));
    gl.uniform4f(at("ground"), ...(ground ? [...ground, 1] : [0, 0, 0, 0]));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    return { image: this.image, width: this.width, height: this.height };
  }

  #lookPainted({ columns, rows }, ground, surface) {
    const [width, height] = [columns.length / 4, rows.length / 4];
    this.context.makeRoom(width, height);
    this.gl.bindFramebuffer(this.gl.FRAMEBUFFER, null);
    const upwards = new Float32Array(rows.length); // a canvas begins at the bottom
    for (let row = 0; row < height; row++) upwards.set(rows.subarray(4 * row, 4 * row + 4), 4 * (height - 1 - row));
    this.painter.paint(this, { columns, rows: upwards }, ground ? [...ground, 1] : [0, 0, 0, 0], surface);
    return { image: this.image, width, height };
  }

  /** What a decoder paints: `{ width, height, pixels }`, RGBA on a ground, not multiplied by alpha. */
  draw(at, ground, surface = null) {
    const { gl } = this;
    const { width, height } = this.#lookPainted(at, ground, surface);
    const upwards = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upwards);
    const pixels = new Uint8ClampedArray(upwards.length);
    for (let row = 0; row < height; row++) {
      const line = upwards.subarray(4 * width * (height - 1 - row), 4 * width * (height - row));
      pixels.set(line, 4 * width * row);
    }
    for (let i = 0; i < pixels.length && !ground; i += 4) {
      for (let lane = 0; lane < 3; lane++) pixels[i + lane] *= 255 / Math.max(1, pixels[i + 3]);
    }
    return { width, height, pixels };
  }

  /** What a decoder paints, float32 `[row, column, 4]`, not bounded. */
  paint(at) {
    return this.painter.floats(this, at);
  }

  #attach(group) {
    const { gl } = this;
    gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, this.buffers[0].texture, 0, group);
  }

  read() {
    return fromLayers(this.spec, this.#readLayers(), this.width, this.height);
  }

  write(state) {
    this.#writeLayers(toLayers(this.spec, state, this.width, this.height));
  }

  #readLayers() {
    const { gl } = this;
    const size = 4 * this.width * this.height;
    const layers = new Float32Array(this.spec.layers * size);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.single);
    for (let group = 0; group < this.spec.layers; group++) {
      this.#attach(group);
      gl.readPixels(0, 0, this.width, this.height, gl.RGBA, gl.FLOAT, layers, group * size);
    }
    return layers;
  }

  #writeLayers(layers) {
    const { groups } = this.spec;
    this.#upload(this.buffers[0], 0, groups, layers);
    this.writeFixed(layers.subarray(groups * 4 * this.width * this.height));
  }

  /** Set the fixed planes, as the layers that hold them. */
  writeFixed(layers) {
    const { groups, layers: all } = this.spec;
    if (all > groups) this.buffers.forEach((buffer) => this.#upload(buffer, groups, all - groups, layers));
  }

  #upload({ texture }, first, count, layers) {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.texSubImage3D(
      gl.TEXTURE_2D_ARRAY, 0, 0, 0, first, this.width, this.height, count, gl.RGBA, gl.FLOAT, layers,
    );
  }

  /** Begin to copy the state to the processor's memory, without waiting for it. */
  beginCopy(note) {
    const { gl } = this;
    if (this.pending) return;
    const size = 16 * this.width * this.height;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, this.spec.layers * size, gl.STREAM_READ);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.single);
    for (let group = 0; group < this.spec.layers; group++) {
      this.#attach(group);
      gl.readPixels(0, 0, this.width, this.height, gl.RGBA, gl.FLOAT, group * size);
    }
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    this.pending = { buffer, note, sync: gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0) };
  }

  /** What `beginCopy` asked for, once it is there: `{ note, state }`, else null. */
  endCopy() {
    const { gl, pending } = this;
    if (!pending || gl.getSyncParameter(pending.sync, gl.SYNC_STATUS) !== gl.SIGNALED) return null;
    const layers = new Float32Array(this.spec.layers * 4 * this.width * this.height);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, pending.buffer);
    gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, layers);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    gl.deleteBuffer(pending.buffer);
    gl.deleteSync(pending.sync);
    this.pending = null;
    return { note: pending.note, state: fromLayers(this.spec, layers, this.width, this.height) };
  }

  /** Forget what `beginCopy` asked for. */
  dropCopy() {
    if (!this.pending) return;
    this.gl.deleteBuffer(this.pending.buffer);
    this.gl.deleteSync(this.pending.sync);
    this.pending = null;
  }

  /** Give back what the state and the weights take; the context goes with the last dish. */
  close() {
    const { gl } = this;
    this.dropCopy();
    this.#free(this.buffers ?? []);
    gl.deleteTexture(this.weights);
    this.painter?.close();
    gl.deleteFramebuffer(this.single);
    this.context.leave();
  }
}
